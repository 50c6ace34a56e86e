"""Readers: what each gives for archives in its format, and what they say about bad ones."""

import shutil

import harmful
import numpy as np
import pytest
from PIL import Image
from source_archives import LABELED, OBJECTS, pascal_annotation, png, unpacked, world

from dissection.datasets.sources.convert import convert_source
from dissection.datasets.sources.table import RELEASED, SOURCES, missing
from dissection.errors import InputError

EDITIONS = [(name, edition) for name, source in SOURCES.items() for edition in source.module]
COLORS = np.ones(2**15, np.uint8)


@pytest.fixture(scope="module")
def unpacked_archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    names = {a for s in SOURCES.values() for e in s.archives.values() for a in e.values()}
    return {name: unpacked(folder / name, name) for name in names}


def folders(unpacked_archives, name, edition):
    archives = SOURCES[name].archives[edition]
    return {role: unpacked_archives[archive] for role, archive in archives.items()}


@pytest.mark.parametrize(("name", "edition"), EDITIONS)
def test_every_edition_gives_what_the_table_says(unpacked_archives, name, edition):
    source = SOURCES[name]
    reader = source.open(edition, folders(unpacked_archives, name, edition))
    assert len(reader.images) == LABELED
    assert set(reader.names) == set(source.gives[edition])
    found = set()
    for image in reader.images:
        labels = reader.labels(image)
        height, width = np.asarray(Image.open(image.photo)).shape[:2]
        for category, channels in labels.maps.items():
            found.add(category)
            for channel in channels:
                assert channel.shape == (height, width)
                assert channel.dtype == np.uint16
                assert channel.max() <= len(reader.names[category])
        for category, codes in labels.whole.items():
            found.add(category)
            assert all(0 < code <= len(reader.names[category]) for code in codes)
    assert found == set(source.gives[edition])


def named(reader, category, channel):
    names = np.array(["", *reader.names[category]])
    return names[channel]


def by_file(reader):
    return {image.file: image for image in reader.images}


def opened(unpacked_archives, name, edition=True):
    return SOURCES[name].open(edition, folders(unpacked_archives, name, edition))


def test_ade20k_challenge(unpacked_archives):
    reader = opened(unpacked_archives, "ade20k", "challenge")
    image = by_file(reader)["ADE_train_00000001.jpg"]
    labels = reader.labels(image)
    expected = np.array(["", *OBJECTS])[world(1)[1]]
    np.testing.assert_array_equal(named(reader, "object", labels.maps["object"][0]), expected)
    assert [reader.names["scene"][code - 1] for code in labels.whole["scene"]] == ["bedroom"]


@pytest.mark.parametrize("edition", ["full", "full_2021"])
def test_ade20k_full(unpacked_archives, edition):
    reader = opened(unpacked_archives, "ade20k", edition)
    images = by_file(reader)
    labels = reader.labels(images["ADE_train_00000001.jpg"])
    expected = np.array(["", *OBJECTS])[world(1)[1]]
    np.testing.assert_array_equal(named(reader, "object", labels.maps["object"][0]), expected)
    wheels = np.where(world(1)[1] == 3, "wheel", "")
    np.testing.assert_array_equal(named(reader, "part", labels.maps["part"][0]), wheels)
    if edition == "full":
        # Classes above 255 need both channels.
        assert set(named(reader, "part", labels.maps["part"][1]).ravel()) == {"", "rim"}
        assert "scene" not in reader.labels(images["ADE_train_00000003.jpg"]).whole
    else:
        assert "scene" not in reader.labels(images["ADE_train_00000000.jpg"]).whole
        assert reader.names["scene"] == ["street"]


def test_pickle_of_2021_is_never_loaded(unpacked_archives):
    assert list(unpacked_archives["ADE20K_2021_17_01.zip"].glob("*.pkl"))
    harmful.HARM.clear()
    reader = opened(unpacked_archives, "ade20k", "full_2021")
    for image in reader.images:
        reader.labels(image)
    assert harmful.HARM == []


def test_pascal(unpacked_archives):
    reader = opened(unpacked_archives, "pascal")
    image = by_file(reader)["2008_000001.jpg"]
    labels = reader.labels(image)
    drawn = world(101)[1]
    objects = np.array(["", "aeroplane", "sky", "car"], object)[drawn]
    objects[:3, :3] = ""  # unknown
    np.testing.assert_array_equal(named(reader, "object", labels.maps["object"][0]), objects)
    rows = np.arange(len(drawn))[:, None]
    parts = np.where(drawn == 3, np.where(rows % 3 == 0, "wing", "engine"), "")
    np.testing.assert_array_equal(named(reader, "part", labels.maps["part"][0]), parts)


def test_opensurfaces_dtd_and_coco(unpacked_archives):
    reader = opened(unpacked_archives, "opensurfaces")
    labels = reader.labels(by_file(reader)["1001.jpg"]).maps["material"][0]
    np.testing.assert_array_equal(labels, world(201)[1])

    reader = opened(unpacked_archives, "dtd")
    codes = reader.labels(by_file(reader)["striped_0002.jpg"]).whole["texture"]
    assert [reader.names["texture"][code - 1] for code in codes] == ["striped", "banded"]

    reader = opened(unpacked_archives, "coco_stuff")
    labels = reader.labels(by_file(reader)["000000000001.jpg"]).maps["object"][0]
    expected = np.array(["", "person", "sky", "car"], object)[world(401)[1]]
    expected[:2] = ""
    np.testing.assert_array_equal(named(reader, "object", labels), expected)


def test_what_is_missing_is_said():
    assert missing(RELEASED) == []
    assert missing({"ade20k": "challenge", "coco_stuff": True}) == [
        "pascal (object, part)",
        "opensurfaces (material)",
        "dtd (texture)",
        "ade20k: part",
    ]


# ---- bad input -------------------------------------------------------------------------------


def first(folder, pattern):
    return sorted(path for path in folder.rglob(pattern) if path.is_file())[0]


def cut(folder, pattern):
    path = first(folder, pattern)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def delete(folder, pattern):
    first(folder, pattern).unlink()


def write(folder, pattern, content):
    first(folder, pattern).write_bytes(content)


def other_size(folder, pattern):
    channels = np.asarray(Image.open(first(folder, pattern))).ndim
    write(folder, pattern, png(np.zeros((9, 9, 3)[:channels], np.uint8)))


def emptied(folder, _):
    """Another archive: that with action regions, whose names are Broden's."""
    shutil.rmtree(folder)
    (folder / "images").mkdir(parents=True)
    (folder / "category.csv").write_text("name\naction\n")
    (folder / "images/a.jpg").write_bytes(b"")


def with_mat(**variables):
    from source_archives import mat

    return lambda folder, pattern: write(folder, pattern, mat(**variables))


def with_bytes(content):
    return lambda folder, pattern: write(folder, pattern, content)


def beyond(shape):
    return with_bytes(png(np.full(shape, 250, np.uint8)))


SEG = np.full((60, 80, 3), 250, np.uint8)
UNKNOWN_PART = pascal_annotation(world(100)[1], code="gear")
ADE, FULL, NEW = "ADEChallengeData2016.zip", "ADE20K_2016_07_26.zip", "ADE20K_2021_17_01.zip"
VOC, CONTEXT, PART = "VOCtrainval_03-May-2010.tar", "pascal-context.tar.gz", "pascal-parts.tar.gz"
SURFACES, DTD, MAPS = "opensurfaces.zip", "dtd-r1.0.1.tar.gz", "cocostuff-maps.zip"
OF = {
    archive: (name, edition)
    for name, source in SOURCES.items()
    for edition, archives in source.archives.items()
    for archive in archives.values()
}

# Archive, what happens to which of its files, and what the message says.
FAULTS = [
    *[(archive, cut, "*.jpg", "damaged") for archive in (ADE, FULL, NEW, VOC, SURFACES, DTD)],
    (SURFACES, cut, "*.png", "damaged"),
    (MAPS, cut, "val2017/*.png", "damaged"),
    (ADE, cut, "ADE_*.png", "damaged"),
    (FULL, cut, "*_seg.png", "damaged"),
    (FULL, cut, "*_parts_1.png", "damaged"),
    (CONTEXT, cut, "2008_*.mat", "damaged"),
    (PART, cut, "*.mat", "damaged"),
    (FULL, cut, "index_ade20k.mat", "damaged"),
    (NEW, cut, "*.json", "damaged"),
    (CONTEXT, with_mat(Other=np.zeros(3)), "2008_*.mat", "has no variable 'LabelMap'"),
    (PART, with_mat(Other=np.zeros(3)), "*.mat", "has no variable 'anno'"),
    (PART, with_mat(anno=np.zeros(3)), "*.mat", "has no 'objects'"),
    (FULL, with_mat(Other=np.zeros(3)), "index_ade20k.mat", "has no variable 'index'"),
    (FULL, with_mat(index=np.zeros(3)), "index_ade20k.mat", "has no 'objectnames'"),
    (NEW, with_bytes(b'{"annotation": {}}'), "*.json", "not as in the release"),
    (CONTEXT, with_mat(LabelMap=np.zeros(3)), "2008_*.mat", "no image of class numbers"),
    (ADE, other_size, "ADE_*.png", "9 x 9"),
    (FULL, other_size, "*_seg.png", "9 x 9"),
    (FULL, other_size, "*_parts_1.png", "9 x 9"),
    (SURFACES, other_size, "*.png", "9 x 9"),
    (MAPS, other_size, "val2017/*0.png", "9 x 9"),
    (CONTEXT, with_mat(LabelMap=np.ones((9, 9), np.uint16)), "2008_*.mat", "9 x 9"),
    (PART, with_bytes(pascal_annotation(np.full((9, 9), 3))), "*.mat", "9 x 9"),
    (ADE, delete, "images/**/*.jpg", "its photo ADE_"),
    (ADE, delete, "annotations/**/*.png", "its label image ADE_"),
    (FULL, delete, "*.jpg", "its photo is missing"),
    (FULL, delete, "*_seg.png", "(*_seg.png) is missing"),
    (VOC, delete, "*.jpg", "its photo 2008_"),
    (SURFACES, delete, "*.jpg", "its photo photos/1000.jpg is missing"),
    (DTD, delete, "*.jpg", "is missing, which"),
    (MAPS, delete, "val2017/*.png", "its pixel map"),
    (NEW, delete, "*.json", "there is neither index_ade20k.mat nor"),
    (ADE, beyond((60, 80)), "ADE_*.png", "class number 250"),
    (FULL, with_bytes(png(SEG)), "*_seg.png", "class number 6650"),
    (NEW, with_bytes(png(SEG)), "*_seg.png", "class number 6650"),
    (CONTEXT, with_mat(LabelMap=np.full((75, 50), 460)), "2008_000000.mat", "class number 460"),
    (PART, with_bytes(UNKNOWN_PART), "*.mat", "the part code 'gear' of aeroplane is not known"),
    (SURFACES, beyond((64, 64, 3)), "*.png", "class number 250"),
    (MAPS, beyond((75, 50)), "val2017/*.png", "class number 251"),
    (ADE, with_bytes(b"Idx\tName\n7\twall\n"), "objectInfo150.txt", "line 2: the class number 1"),
    (ADE, with_bytes(b"ADE_val_00000000\n"), "sceneCategories.txt", "line 1: an image's name"),
    (ADE, with_bytes(b"a street\n"), "sceneCategories.txt", "has no scene of ADE_"),
    (CONTEXT, with_bytes(b"1: a\n1: b\n"), "labels.txt", "line 2: '1: b' is not a new number"),
    (CONTEXT, delete, "labels.txt", "there is no labels.txt"),
    (DTD, with_bytes(b"../../etc/passwd .. x\n"), "labels_joint_anno.txt", "line 1"),
    (DTD, with_bytes(b"banded/a.jpg striped\n"), "labels_joint_anno.txt", "line 1"),
    (SURFACES, with_bytes(b"a,b\n1,2\n"), "label-*.csv", "no column 'substance_name'"),
    (SURFACES, other_size, "*.png", "They do not belong together"),
    (SURFACES, with_bytes(png(np.zeros((9, 9), np.uint8))), "*.png", "three channels"),
    *[(archive, emptied, "", f"does not hold {what}") for archive, what in (
        (ADE, "ADE20K's 150"), (FULL, "the full ADE20K"), (NEW, "the full ADE20K"),
        (VOC, "PASCAL VOC"), (CONTEXT, "PASCAL-Context"), (PART, "PASCAL-Part"),
        (SURFACES, "OpenSurfaces"), (DTD, "the Describable"), (MAPS, "COCO-Stuff"),
    )],
]  # fmt: skip


@pytest.mark.parametrize(("archive", "fault", "pattern", "message"), FAULTS)
def test_bad_input_is_named_and_leaves_nothing(
    unpacked_archives, tmp_path, archive, fault, pattern, message
):
    name, edition = OF[archive]
    used = folders(unpacked_archives, name, edition)
    harmed = tmp_path / "sources" / archive
    shutil.copytree(unpacked_archives[archive], harmed)
    fault(harmed, pattern)
    used = {role: harmed if path.name == archive else path for role, path in used.items()}
    with pytest.raises(InputError) as caught:
        convert_source(
            SOURCES[name].open(edition, used), tmp_path / "out/converted", 20, 10, COLORS
        )
    text = str(caught.value)
    assert message in text
    assert str(harmed) in text  # where it is
    assert "Delete" in text  # what to do
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
