"""PASCAL VOC's folders become the same data set, byte for byte, as the numbered PNGs."""

import numpy as np
import pytest
from mask_forms import (
    NAMES,
    VOID,
    imported_form,
    numbered,
    save_images,
    save_masks,
    save_rows,
)
from PIL import Image

from dissection.datasets.masks.forms import import_form
from dissection.errors import InputError


@pytest.fixture
def voc(tmp_path, expected):
    save_images(tmp_path)
    (tmp_path / "images").rename(tmp_path / "JPEGImages")

    def with_palette(path, mask):
        image = Image.fromarray(mask.astype(np.uint8))
        image.putpalette(bytes(range(256)) * 3)
        image.save(f"{path}.png")

    save_masks(tmp_path / "SegmentationClass", with_palette)
    return tmp_path


def test_voc_with_a_table(voc, expected):
    save_rows(voc / "labels.csv", [(v, *NAMES[v]) for v in NAMES])
    assert imported_form(voc, "voc", folder=voc, labels=voc / "labels.csv") == expected


def test_voc_as_it_is(voc):
    found = imported_form(voc, "voc", folder=voc)
    labels = found["label.csv"].decode()
    assert all(f",{name},object" in labels for name in ("aeroplane", "bicycle", "bird", "chair"))
    assert str(VOID) not in {line.split(",")[1] for line in labels.splitlines()}


def test_mistakes_in_voc_folders(voc):
    with pytest.raises(InputError, match=r"has no folders JPEGImages and SegmentationClass"):
        import_form("voc", {"folder": voc.parent}, voc / "imported")
    save_masks(voc / "SegmentationClass", numbered, {"a": np.full((6, 9), 33)})
    with pytest.raises(InputError, match="SegmentationClass: value 33, 54 pixels"):
        import_form("voc", {"folder": voc}, voc / "imported")
