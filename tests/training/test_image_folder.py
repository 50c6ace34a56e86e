"""Indexing a folder of images: both layouts, and what is wrong with others."""

import numpy as np
import pandas as pd
import pytest
import torchvision
from photographs import CLASSES, class_folders, places365

from dissection.errors import InputError
from dissection.training.held_out import count_held_out
from dissection.training.image_folder import index_images


@pytest.fixture
def index(tmp_path):
    def make(folder):
        index_images(folder, tmp_path / "index")
        table = pd.read_csv(tmp_path / "index/images.csv", keep_default_na=False)
        return (tmp_path / "index/classes.txt").read_text(encoding="utf-8").splitlines(), table

    return make


def test_class_folders_as_torchvision_reads_them(tmp_path, index):
    folder = class_folders(tmp_path / "photos")
    (folder / "train/beach/more").mkdir()
    (folder / "train/beach/0.jpg").rename(folder / "train/beach/more/NA.jpg")
    for name in ("train/beach/._1.jpg", "train/beach/notes.txt", "train/.DS_Store"):
        (folder / name).write_text("not an image")
    names, table = index(folder)
    assert names == list(CLASSES)
    assert list(table.columns) == ["part", "image", "label"]
    for part, place in (("train", "train"), ("held_out", "val")):
        expected = torchvision.datasets.ImageFolder(
            folder / place, is_valid_file=lambda file: file.endswith(".jpg") and "/._" not in file
        )
        found = table[table["part"] == part]
        assert sorted(zip(found["image"], found["label"], strict=True)) == sorted(expected.samples)


def test_held_out_images_are_counted_in_either_kind_of_training_set(tmp_path, index):
    _, table = index(class_folders(tmp_path / "photos"))
    assert count_held_out(tmp_path / "index") == (table["part"] == "held_out").sum() > 0
    np.save(tmp_path / "held_out_labels.npy", np.zeros(7, np.int64))
    assert count_held_out(tmp_path) == 7


@pytest.mark.parametrize("size", ["256", "large"])
def test_places365_as_torchvision_reads_it(tmp_path, index, monkeypatch, size):
    folder = places365(tmp_path)
    if size == "large":
        (folder / "data_256_standard").rename(folder / "data_large_standard")
        (folder / "val_256").rename(folder / "val_large")
    names, table = index(folder)
    assert names == ["/b/beach", "/a/airfield"]
    # The tiny lists are not those that torchvision knows the sums of.
    monkeypatch.setattr(torchvision.datasets.places365, "check_integrity", lambda *a, **k: True)
    for part, split in (("train", "train-standard"), ("held_out", "val")):
        expected = torchvision.datasets.Places365(folder, split, small=size == "256")
        found = table[table["part"] == part]
        assert list(found["image"]) == [file for file, _ in expected.imgs]
        assert list(found["label"]) == expected.targets


def test_missing_folder_says_what_belongs_where(tmp_path, index):
    with pytest.raises(InputError) as caught:
        index(tmp_path / "resources/places365")
    for words in (
        "There is no folder",
        "resources/places365/train/CLASS/",
        "places365_train_standard.txt and data_256_standard/",
        "torchvision.datasets.Places365",
        "training_set.folder",
    ):
        assert words in str(caught.value)


def test_unknown_layout_and_missing_parts(tmp_path, index):
    folder = tmp_path / "photos"
    (folder / "airfield").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no layout that is known.*train/CLASS/"):
        index(folder)
    class_folders(folder, held_out=0)
    with pytest.raises(InputError, match="no images for 'held_out'"):
        index(folder)
    (folder / "train/dunes").mkdir()
    with pytest.raises(InputError, match=r"train/dunes has no images"):
        index(folder)


def test_class_that_training_lacks(tmp_path, index):
    folder = class_folders(tmp_path / "photos")
    (folder / "val/beech").mkdir()
    with pytest.raises(InputError, match=r"val/beech is a class that .*train lacks"):
        index(folder)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("categories_places365.txt", "/a/airfield 0\n/b/beach 2\n", "numbered from 0 to 1"),
        ("categories_places365.txt", "airfield\n", r"line 1: 'airfield' is not a name and a"),
        ("places365_train_standard.txt", "/a/airfield/00000001.jpg 7\n", "line 1: there is no cl"),
        ("places365_val.txt", "../secret.jpg 0\n", r"line 1: '\.\./secret\.jpg' lies outside"),
        ("places365_val.txt", "gone.jpg 0\n", r"val_256/gone\.jpg .*line 1\) is missing"),
        ("places365_val.txt", "\xff 0\n", r"places365_val\.txt cannot be read"),
    ],
)
def test_wrong_lists_are_named_with_their_line(tmp_path, index, file, text, message):
    folder = places365(tmp_path)
    (folder / file).write_bytes(text.encode("latin1"))
    with pytest.raises(InputError, match=message) as caught:
        index(folder)
    assert file in str(caught.value)
    assert not (tmp_path / "index").exists()


def test_lists_without_images(tmp_path, index):
    folder = places365(tmp_path)
    (folder / "val_256").rename(folder / "validation")
    with pytest.raises(InputError, match="no folder val_256 or val_large"):
        index(folder)
    (folder / "categories_places365.txt").unlink()
    with pytest.raises(InputError, match=r"categories_places365\.txt cannot be read"):
        index(folder)
