"""Archives that are taken for the released Broden."""

import runpy
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from broden_folder import Sample, write_broden
from repository import ROOT, SCRIPTS

from dissection.categories import CATEGORIES
from dissection.datasets.released import released_statistics
from dissection.downloads.receipts import write_note
from dissection.errors import InputError

LABELS = {1: ("sky", {"object": 0.5}), 2: ("beach-s", {"scene": 1.0})}
SAMPLES = [Sample((2, 2), maps={"object": np.array([[1, 0], [0, 1]])}, whole={"scene": [2]})]
REMEDY = "Delete it."


@pytest.fixture
def folder(tmp_path):
    return write_broden(tmp_path / "made", LABELS, SAMPLES)


def with_actions(folder):
    """Make of a data set the other one that is online under the same names."""
    (folder / "category.csv").write_text(
        "name,first,last,count,frequency\n"
        + "".join(f"{category},0,0,0,0\n" for category in [*CATEGORIES, "action"])
    )


def test_data_set_is_counted(folder):
    statistics = released_statistics(folder, "a.zip", REMEDY).set_index("category")
    assert statistics.loc["total", ["labels", "images"]].tolist() == [2, 1]


def test_other_broden_is_named(folder):
    with_actions(folder)
    with pytest.raises(InputError) as caught:
        released_statistics(folder, "a.zip", REMEDY)
    assert str(caught.value) == (
        "a.zip does not hold the released Broden: it has a category 'action': it is Broden with "
        "action regions, another data set whose archives have the same names. Delete it. The "
        "addresses of the right archives are in config/downloads.yaml."
    )


@pytest.mark.parametrize("missing", ["category.csv", "index.csv", "images/0.png"])
def test_other_contents_are_refused(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(InputError) as caught:
        released_statistics(folder, "a.zip", REMEDY)
    message = str(caught.value)
    assert message.startswith("a.zip does not hold the released Broden: ")
    assert missing.rpartition("/")[2] in message
    assert f"{folder}/" not in message
    assert REMEDY in message


@pytest.mark.parametrize("wrong", ["actions", "damaged"])
def test_refused_archive_leaves_nothing_in_place(tmp_path, folder, wrong):
    archive, note = tmp_path / "broden1_227.zip", tmp_path / "checked/broden1_227.json"
    if wrong == "actions":
        with_actions(folder)
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*"):
            file.write(path, f"broden1_227/{path.relative_to(folder)}")
    if wrong == "damaged":
        content = bytearray(archive.read_bytes())
        content[content.index(b"name") + 2] ^= 1
        archive.write_bytes(content)
    write_note(note, archive)
    dataset = tmp_path / "resources/broden1_227"
    snakemake = SimpleNamespace(
        input=SimpleNamespace(archive=note, published=ROOT / "workflow/published/broden.csv"),
        output=SimpleNamespace(dataset=dataset),
    )
    script = runpy.run_path(SCRIPTS / "unpack_broden.py", {"snakemake": snakemake})
    with pytest.raises(InputError) as caught:
        script["main"]()
    assert f"Delete {archive} and {note}, and the entry of broden1_227.zip in" in str(caught.value)
    assert ("action regions" in str(caught.value)) == (wrong == "actions")
    assert list(dataset.parent.iterdir()) == []
