"""A whole data set of small sources, against a plain count over them."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from repository import ROOT
from source_archives import unpacked

from dissection.categories import CATEGORIES
from dissection.datasets.broden import Broden
from dissection.datasets.color_names import COLOR_NAMES, color_labels
from dissection.datasets.resizing import nearest
from dissection.datasets.sources.color_table import colors_of, own_table, paper_table
from dissection.datasets.sources.combine import combine
from dissection.datasets.sources.convert import convert_source
from dissection.datasets.sources.names import label_names, read_synonyms
from dissection.datasets.sources.order import hash_of
from dissection.datasets.sources.table import SOURCES
from dissection.errors import InputError

EDITIONS = {"ade20k": "full", "pascal": True, "opensurfaces": True, "dtd": True}
SIZE, LABEL_SIZE = 40, 20
CUTS = {"least_frequency": 4, "least_coverage": 0.1}
SYNONYMS = read_synonyms(ROOT / "workflow/synonyms.csv")


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    return {
        name: SOURCES[name].open(
            edition,
            {
                role: unpacked(folder / archive, archive)
                for role, archive in SOURCES[name].archives[edition].items()
            },
        )
        for name, edition in EDITIONS.items()
    }


@pytest.fixture(scope="module")
def converted(readers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    for name, reader in readers.items():
        convert_source(reader, folder / name, SIZE, LABEL_SIZE, own_table())
    return {name: folder / name for name in readers}


@pytest.fixture(scope="module")
def made(converted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "broden"
    labels = combine(converted, folder, SIZE, LABEL_SIZE, SYNONYMS, **CUTS)
    return Broden(folder), labels


def table(broden, name):
    return pd.read_csv(broden.folder / f"{name}.csv", keep_default_na=False)


def raw_maps(readers):
    """Of every image: its path, and all of its channels and whole labels by category."""
    for source, reader in readers.items():
        for image in reader.images:
            labels = reader.labels(image)
            pixels = np.asarray(Image.open(image.photo))
            maps = {**labels.maps, "color": [color_labels(pixels)]}
            yield source, f"{source}/{image.file}", reader, maps, labels.whole


def name_of(labels):
    """The label of every raw one, by source, category and code."""
    return {
        (member.source, member.category, member.code): label.name
        for label in labels
        for member in label.members
    }


def test_frequencies_and_coverages_are_those_at_full_size(readers, made):
    broden, labels = made
    names = name_of(labels)
    images, shares = defaultdict(set), defaultdict(float)
    for source, path, _, maps, whole in raw_maps(readers):
        for category, channels in maps.items():
            for channel in channels:
                for code in set(channel.ravel().tolist()) - {0}:
                    if label := names.get((source, category, code)):
                        images[category, label].add(path)
                        shares[category, label] += (channel == code).mean()
        for category, codes in whole.items():
            for code in codes:
                images[category, names[source, category, code]].add(path)
                shares[category, names[source, category, code]] += 1
    overall = defaultdict(lambda: np.zeros(2))
    for (category, label), found in images.items():
        overall[label] += (len(found), shares[category, label])
    kept = {
        label for label, (frequency, share) in overall.items() if frequency >= 4 and share >= 0.1
    }
    own = table(broden, "label").set_index("name")
    assert set(own.index) == kept
    assert 10 < len(kept) < len(overall)
    for label in kept:
        np.testing.assert_allclose(own.loc[label, ["frequency", "coverage"]].tolist(),
                                   overall[label], atol=1e-6)  # fmt: skip
    for category in table(broden, "category")["name"]:
        rows = table(broden, f"c_{category}")
        assert set(rows["name"]) == {label for c, label in images if c == category} & kept
        for row in rows.itertuples():
            assert row.frequency == len(images[category, row.name])
            np.testing.assert_allclose(row.coverage, shares[category, row.name])
        order = list(zip(-rows["frequency"], -rows["coverage"], strict=True))
        assert order == sorted(order)
        assert rows["code"].tolist() == list(range(1, len(rows) + 1))


def test_label_maps_hold_the_joined_numbers(readers, made):
    broden, labels = made
    names, place = name_of(labels), {name: i for i, name in enumerate(broden.image_names)}
    number = {name: k for k, name in enumerate(broden.names) if name}
    checked = 0
    for source, path, _, maps, whole in raw_maps(readers):
        own_maps, own_whole = broden.load_labels(place[path])
        for category in CATEGORIES:
            expected = []
            for channel in maps.get(category, []):
                of_code = np.zeros(int(channel.max()) + 1, int)
                for code in range(1, len(of_code)):
                    of_code[code] = number.get(names.get((source, category, code)), 0)
                numbers = of_code[nearest(channel, (LABEL_SIZE, LABEL_SIZE))]
                if numbers.any():
                    expected.append(numbers)
            if expected:
                np.testing.assert_array_equal(own_maps[category], expected)
                checked += 1
            else:
                assert category not in own_maps
            codes = [
                number.get(names.get((source, category, c)), 0) for c in whole.get(category, [])
            ]
            assert own_whole.get(category, []) == list(dict.fromkeys(filter(None, codes)))
    assert checked > 60


def test_index_is_in_the_released_form(made):
    broden, _ = made
    text = (broden.folder / "index.csv").read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n") == len(broden) + 1
    index = table(broden, "index")
    assert sorted(index["image"], key=hash_of) == index["image"].tolist()
    assert set(index[["ih", "iw"]].to_numpy().ravel()) == {SIZE}
    assert set(index[["sh", "sw"]].to_numpy().ravel()) == {LABEL_SIZE}
    with Image.open(broden.image_path(0)) as image:
        assert image.size == (SIZE, SIZE)
    order = table(broden, "category")
    assert order["first"].is_monotonic_increasing
    assert list(index.columns[6:]) == order["name"].tolist()
    numbers = table(broden, "label")
    assert numbers["number"].tolist() == list(range(1, len(numbers) + 1))
    own = list(zip(-numbers["frequency"], -numbers["coverage"], strict=True))
    assert own == sorted(own)
    assert index["part"].str.contains("_part_2.png").any()
    assert index["object"].str.endswith("_object.png").any()


def test_dropped_whole_label_is_0_and_what_is_none_is_empty(made):
    broden, _ = made
    scenes = table(broden, "index").set_index("image")["scene"].astype(str)
    ade = scenes[scenes.index.str.startswith("ade20k")]
    # Of twelve images two have no scene, five one of two or three images.
    street = str(broden.names.index("street-s"))
    assert ade.value_counts().to_dict() == {street: 5, "0": 5, "": 2}
    assert set(scenes[~scenes.index.str.startswith("ade20k")]) == {""}


def test_sources_share_labels(made):
    broden, labels = made
    members = {label.name: {member.source for member in label.members} for label in labels}
    assert members["sky"] == {"ade20k", "pascal"}
    # PASCAL's covers more, so it comes first and has the name.
    assert (members["car"], members["auto"]) == ({"pascal"}, {"ade20k"})
    assert members["red-c"] == {"ade20k", "pascal", "opensurfaces", "dtd"}
    assert {"airplane", "wood", "plastic-clear", "striped"} <= set(broden.names)


def same_files(folder, other):
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.suffix != ".npz"]
    for file in files:
        assert file.read_bytes() == (other / file.relative_to(folder)).read_bytes(), file
    return len(files)


def test_processes_change_nothing(readers, converted, made, tmp_path, monkeypatch):
    monkeypatch.setattr("dissection.jobs.processes.WORTH_A_PROCESS", 1)
    convert_source(readers["dtd"], tmp_path / "dtd", SIZE, LABEL_SIZE, own_table(), processes=2)
    assert same_files(converted["dtd"], tmp_path / "dtd") > 20
    combine(converted, tmp_path / "broden", SIZE, LABEL_SIZE, SYNONYMS, processes=2, **CUTS)
    assert same_files(made[0].folder, tmp_path / "broden") > 100


def test_names_of_one_image_twice_are_refused(readers, tmp_path):
    reader = readers["dtd"]
    twice = type(reader)(reader.names, [*reader.images, reader.images[0].__class__(
        reader.images[0].file, reader.images[1].photo, [1])])  # fmt: skip
    with pytest.raises(InputError, match="has the same name as"):
        convert_source(twice, tmp_path / "out", SIZE, LABEL_SIZE, own_table())


# ---- colours ---------------------------------------------------------------------------------


def test_own_table_is_that_of_color_labels():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(colors_of(pixels, own_table()), color_labels(pixels))


def test_paper_table_is_read_by_its_three_places(tmp_path):
    numbers = np.random.default_rng(0).integers(0, 11, (32, 32, 32), dtype=np.uint8)
    np.save(tmp_path / "w2color.npy", numbers)
    table = paper_table(tmp_path / "w2color.npy", "Get it.")
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    for (y, x), code in np.ndenumerate(colors_of(pixels, table)):
        assert code == numbers[tuple(pixels[y, x] // 8)] + 1


@pytest.mark.parametrize(
    "content",
    [
        np.zeros((32, 32)), np.full((32, 32, 32), 11), np.zeros((32, 32, 32)),
        np.array([{}], object),
    ],
)  # fmt: skip
def test_other_tables_of_colours_are_refused(tmp_path, content):
    np.save(tmp_path / "w2color.npy", content, allow_pickle=True)
    with pytest.raises(InputError, match=r"w2color.npy is .* Get it\."):
        paper_table(tmp_path / "w2color.npy", "Get it.")
    assert len(COLOR_NAMES) == 11
    assert label_names("grey", "color", SYNONYMS) == ("grey-c",)
