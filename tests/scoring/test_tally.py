"""The overlap counts against the paper's definition, written plainly with NumPy."""

import copy
from itertools import pairwise

import numpy as np
import pytest
from broden_folder import Sample, random_broden, write_broden
from hypothesis import given, settings
from hypothesis import strategies as st
from tally_oracle import assert_equal, random_geometry, tally_by_definition

from dissection.activations.geometry import Geometry
from dissection.categories import CATEGORIES
from dissection.datasets.broden import Broden
from dissection.errors import InputError
from dissection.labels.pack import pack_labels
from dissection.labels.store import LabelStore
from dissection.scoring.counting import tally_overlaps
from dissection.scoring.tally import Tally


def random_activations(rng, images, units, geometry, dtype):
    """Few distinct values, so that ties are common; some units constant, some maps zero."""
    shape = (images, units, geometry.height, geometry.width)
    kind = rng.integers(5)
    if kind == 0:
        a = rng.integers(-2, 3, shape)
    elif kind == 1:
        a = np.maximum(rng.normal(size=shape), 0)
    elif kind == 2:
        a = rng.choice([-60000, -1e-7, 0, 1e-7, 0.1, 1, 60000], shape)
    elif kind == 3:
        a = rng.normal(size=shape)
    else:
        a = np.zeros(shape)
    a = a.astype(dtype)
    a[:, rng.random(units) < 0.2] = rng.choice([0, 1, -1])
    a[rng.random((images, units)) < 0.2] = 0
    values = np.concatenate([a.reshape(-1), [0]])  # thresholds are activations, or 0
    return a, rng.choice(values, units).astype(np.float32)


@pytest.fixture(scope="module")
def data_sets(tmp_path_factory):
    """A few data sets and their packed labels."""
    made = []
    for seed in range(4):
        folder = tmp_path_factory.mktemp("broden")
        broden = Broden(random_broden(folder / "data", np.random.default_rng(seed)))
        pack_labels(broden, folder / "labels")
        made.append((broden, LabelStore(folder / "labels")))
    return made


@given(seed=st.integers(0, 2**32), dtype=st.sampled_from([np.float16, np.float32]))
@settings(max_examples=150, deadline=None)
def test_equal_to_the_definition(data_sets, seed, dtype):
    rng = np.random.default_rng(seed)
    broden, store = data_sets[rng.integers(len(data_sets))]
    geometry = random_geometry(rng)
    first = int(rng.integers(len(broden)))
    images = int(rng.integers(1, len(broden) - first + 1))
    a, thresholds = random_activations(rng, images, int(rng.integers(1, 5)), geometry, dtype)
    options = {"first_image": first, "blocks": int(rng.integers(1, 4))}
    if rng.random() < 0.5:
        options["label_images"] = rng.permutation(len(broden))
    threads = int(rng.integers(1, 4))
    assert_equal(
        tally_overlaps(a, thresholds, store, geometry, **options, threads=threads),
        tally_by_definition(a, thresholds, broden, geometry, **options),
    )


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_shards_and_blocks_add_up(data_sets, seed):
    rng = np.random.default_rng(seed)
    broden, store = data_sets[rng.integers(len(data_sets))]
    geometry = random_geometry(rng)
    a, thresholds = random_activations(rng, len(broden), 3, geometry, np.float32)
    together = tally_overlaps(a, thresholds, store, geometry, 0, blocks=3)
    cuts = [0, *sorted(rng.integers(0, len(a) + 1, 2)), len(a)]  # a shard may be empty
    shards = [
        tally_overlaps(a[begin:end], thresholds, store, geometry, int(begin), blocks=3)
        for begin, end in pairwise(cuts)
    ]
    total = copy.deepcopy(shards[0])
    for other in shards[1:]:
        total += other
    assert_equal(total, together)
    in_one = Tally(*(array.sum(axis=0, keepdims=True) for array in parts(together)))
    assert_equal(total.in_one_block(), in_one)
    grown = None
    for begin, end in pairwise(cuts):
        some = a[begin:end], thresholds, store, geometry, int(begin)
        grown = tally_overlaps(*some, blocks=3, tally=grown)
    assert_equal(grown, together)
    one_block = tally_overlaps(a, thresholds, store, geometry, 0)
    assert_equal(Tally(*(array.sum(axis=0, keepdims=True) for array in parts(together))), one_block)
    for block in range(3):
        alone = tally_overlaps(a[:0], thresholds, store, geometry, 0)
        for i in range(block, len(a), 3):
            alone += tally_overlaps(a[i : i + 1], thresholds, store, geometry, i)
        assert_equal(Tally(*(array[block : block + 1] for array in parts(together))), alone)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_memory_mapped_in_many_pieces(data_sets, tmp_path, monkeypatch, dtype):
    monkeypatch.setattr("dissection.scoring.counting.CHUNK_BYTES", 1)  # one image a piece
    broden, store = data_sets[0]
    rng = np.random.default_rng(5)
    geometry = random_geometry(rng)
    a, thresholds = random_activations(rng, len(broden), 4, geometry, dtype)
    a[:, 0] = rng.normal(size=a[:, 0].shape)
    thresholds[0] = 0.1
    np.save(tmp_path / "a.npy", a)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    expected = tally_by_definition(a, thresholds, broden, geometry, 0, 2)
    assert expected.intersection[:, 0].sum() > 0
    assert_equal(tally_overlaps(mapped, thresholds, store, geometry, 0, 2), expected)


def test_by_hand(tmp_path):
    """One map of 1 x 2 positions on labels of 1 x 4 pixels, at 0, 1/4, 3/4 and 1 between them."""
    labels = {1: ("sky", {"object": 1.0}), 2: ("beach-s", {"scene": 1.0})}
    samples = [Sample((1, 4), {"object": np.array([[1, 1, 1, 0]])}, {"scene": [2]}), Sample((1, 4))]
    pack_labels(Broden(write_broden(tmp_path / "data", labels, samples)), tmp_path / "labels")
    geometry = Geometry(1, 2, 4, 4, centre=(1.5, 0.5), stride=(4.0, 2.0), size=(2, 2))
    a = np.array([[0, 4], [9, 9]], np.float16).reshape(2, 1, 1, 2)  # S = 0, 1, 3, 4
    store = LabelStore(tmp_path / "labels")
    tally = tally_overlaps(a, np.array([1.0]), store, geometry, 0)
    assert tally.intersection.tolist() == [[[0, 1, 2]]]
    assert tally.label_area.tolist() == [[0, 3, 4]]
    # The second image has no label: it counts in no category.
    present = {"object": 2, "scene": 2}
    assert tally.unit_area.tolist() == [[[present.get(category, 0) for category in CATEGORIES]]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_thresholds_of_zero_and_constant_units(data_sets, dtype):
    broden, store = data_sets[1]
    geometry = Geometry(3, 3, 8, 8, centre=(1.0, 1.0), stride=(3.0, 3.0), size=(3, 3))
    a = np.zeros((len(broden), 5, 3, 3), dtype)
    a[:, 1] = 2.5  # constant at its threshold
    a[:, 2] = -1
    a[:, 3, 1, 1] = 1e-7  # nearly dead: its threshold is 0, and it fires around one position
    a[:, 4] = -0.0
    thresholds = np.array([0, 2.5, -1, 0, 0], np.float32)
    tally = tally_overlaps(a, thresholds, store, geometry, 0)
    assert_equal(tally, tally_by_definition(a, thresholds, broden, geometry, 0))
    fires = tally.unit_area.sum(axis=(0, 2)) > 0
    assert fires.tolist() == [False, False, False, True, False]
    assert not tally.intersection[:, [0, 1, 2, 4]].any()


def test_no_images(data_sets):
    _, store = data_sets[0]
    geometry = random_geometry(np.random.default_rng(0))
    nothing = np.zeros((0, 3, geometry.height, geometry.width), np.float16)
    tally = tally_overlaps(nothing, np.zeros(3), store, geometry, first_image=len(store), blocks=2)
    assert tally.intersection.shape == (2, 3, store.n_labels + 1)
    assert tally.unit_area.shape == (2, 3, len(CATEGORIES))
    assert tally.label_area.shape == (2, store.n_labels + 1)
    assert not any(array.any() for array in parts(tally))


def parts(tally):
    return tally.intersection, tally.unit_area, tally.label_area


@pytest.fixture
def sound(data_sets):
    """What `tally_overlaps` takes without complaint."""
    _, store = data_sets[0]
    geometry = Geometry(2, 3, 8, 8, centre=(1.0, 1.0), stride=(2.0, 2.0), size=(3, 3))
    arguments = {
        "activations": np.ones((len(store), 3, 2, 3), np.float16),
        "thresholds": np.full(3, 0.5, np.float32),
        "store": store,
        "geometry": geometry,
        "first_image": 0,
    }
    tally_overlaps(**arguments)
    return arguments


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thresholds": np.zeros(4)}, r"3 units, but thresholds of shape \(4,\)"),
        ({"thresholds": np.zeros((3, 1))}, r"3 units, but thresholds of shape \(3, 1\)"),
        ({"thresholds": np.array([0, np.nan, 0])}, "threshold of unit 2 is nan"),
        ({"thresholds": np.array([0, 0, np.inf])}, "threshold of unit 3 is inf"),
        ({"thresholds": np.array([-np.inf, 0, 0])}, "threshold of unit 1 is -inf"),
        ({"activations": np.ones((6, 3, 3, 2), np.float16)}, "3 x 2 positions.* 2 x 3"),
        ({"activations": np.ones((6, 3, 2, 3))}, "float64"),
        ({"activations": np.ones((6, 3, 2, 3), int)}, "int64"),
        ({"activations": np.ones((6, 3, 6), np.float16)}, r"found shape \(6, 3, 6\)"),
        ({"first_image": 1}, "images 1 to 6 .*labels for 6 images"),
        ({"first_image": -1}, "images -1 to 4"),
        ({"activations": np.ones((7, 3, 2, 3), np.float16)}, "images 0 to 6 .*for 6 images"),
        ({"label_images": np.arange(5)}, "images 0 to 5 .*labels for 5 images"),
        ({"label_images": np.arange(1, 7)}, "label_images .* 0 to 5"),
        ({"label_images": np.arange(-1, 5)}, "label_images .* 0 to 5"),
        ({"label_images": np.arange(6.0)}, "label_images"),
        ({"blocks": 0}, "0 blocks"),
        ({"threads": 0}, "0 threads"),
    ],
)
def test_faults(sound, changes, message):
    assert len(sound["store"]) == 6  # as the messages above say
    with pytest.raises(InputError, match=message):
        tally_overlaps(**sound | changes)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
def test_activation_that_is_not_finite(sound, value, dtype, monkeypatch):
    monkeypatch.setattr("dissection.scoring.counting.CHUNK_BYTES", 100)  # several pieces
    # Also where the map is below the threshold, so that nothing would have been counted.
    for rest in (0, 1):
        a = np.full((4, 3, 2, 3), rest, dtype)
        a[2, 1, 1, 2] = value
        with pytest.raises(InputError, match=r"Unit 2 has an activation .* at image 3 "):
            tally_overlaps(**sound | {"activations": a, "first_image": 1})


def test_tallies_of_different_shapes_do_not_add(sound):
    one = tally_overlaps(**sound)
    two = tally_overlaps(**sound, blocks=2)
    with pytest.raises(InputError, match=r"\(1, 3, 301\) and \(2, 3, 301\)"):
        one += two
    with pytest.raises(InputError, match=r"\(2, 3, 301\) and \(1, 3, 301\)"):
        tally_overlaps(**sound, tally=two)
    doubled = Tally(*(2 * array for array in parts(one)))
    one += one
    assert_equal(one, doubled)


def test_save_and_load(sound, tmp_path):
    tally = tally_overlaps(**sound, blocks=2)
    tally.save(tmp_path / "tally.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["tally.npz"]
    assert_equal(Tally.load(tmp_path / "tally.npz"), tally)
    (tmp_path / "copy.npz").write_bytes((tmp_path / "tally.npz").read_bytes())
    tally.save(tmp_path / "copy.npz")
    assert (tmp_path / "copy.npz").read_bytes() == (tmp_path / "tally.npz").read_bytes()
    thrice = Tally.load_sum([tmp_path / "copy.npz"] * 3)
    assert_equal(thrice, Tally(*(3 * array for array in parts(tally))))
    assert_equal(Tally.load_sum([tmp_path / "copy.npz"]), tally)


def test_damaged_files_are_refused(sound, tmp_path):
    path = tmp_path / "tally.npz"

    def assert_refused():
        with pytest.raises(InputError, match=r"tally\.npz is not a complete tally.*Delete it"):
            Tally.load(path)

    assert_refused()  # it does not exist
    tally = tally_overlaps(**sound)
    tally.save(path)
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 40), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert_refused()
    for place in range(0, len(whole), 97):  # the archive's checksums notice a changed byte
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert_equal(Tally.load(path), tally)  # a byte that means nothing, such as the date
        except InputError as error:
            assert "tally.npz is not a complete tally" in str(error)
    path.write_bytes(b"not an archive")
    assert_refused()
    np.savez(path, intersection=tally.intersection, unit_area=tally.unit_area)
    assert_refused()
    objects = np.array([{}], object)
    np.savez(path, intersection=objects, unit_area=objects, label_area=objects)
    assert_refused()
    with path.open("wb") as file:
        np.save(file, tally.label_area)  # an array, not an archive of arrays
    assert_refused()
