"""Weights go where their names, or shapes that leave one way, say; or nowhere."""

from itertools import pairwise

import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch import nn

from dissection.errors import InputError
from dissection.networks.matching_names import match_names
from dissection.networks.state_dicts import load_weights

# A few kinds of layers, so that many are alike.
KINDS = [
    {"weight": (4, 3, 3, 3), "bias": (4,)},
    {"weight": (4, 4, 3, 3), "bias": (4,)},
    {"weight": (4, 4, 3, 3)},
    {"weight": (4,), "bias": (4,), "running_mean": (4,)},
    {"weight": (9, 4), "bias": (9,)},
    {"weight": (5, 9), "bias": (5,)},
]


@st.composite
def files(draw):
    """A network's shapes by name; a file's, in any order; and which of them are the same."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=12))
    steps = draw(st.sampled_from([1, 2, 3]))  # numbers between layers: activations have none
    branch = draw(st.sampled_from(["{}", "body.{}", "features.0.{}"]))
    layers = [branch.format(place * steps) for place in range(len(kinds))]
    if draw(st.booleans()):  # twins
        half = len(kinds) // 2
        kinds = kinds[:half] * 2
        layers = [f"{side}.{place}" for side in ("left", "right") for place in range(half)]
    new = dict(zip(layers, layers, strict=True))
    match draw(st.sampled_from(["same", "numbered", "some"])):
        case "numbered":
            new = {layer: str(place) for place, layer in enumerate(layers)}
        case "some":
            for layer in draw(st.sets(st.sampled_from(layers or [""]))) & set(layers):
                new[layer] = f"other{layers.index(layer)}"
    before, inner = (draw(st.sampled_from(["", "module.", "model.", "_orig_mod."])) for _ in "12")
    network = {
        f"{k}.{own}": s for k, kind in zip(layers, kinds, strict=True) for own, s in kind.items()
    }
    names = {
        name: f"{before}{inner}{new[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}"
        for name in network
    }
    order = list(network)
    order = draw(
        st.one_of(st.just(order), st.just(sorted(order, key=names.get)), st.permutations(order))
    )
    return network, {names[name]: network[name] for name in order}, names


@given(files())
@settings(max_examples=400, deadline=None)
def test_names_are_matched_right_or_not_at_all(drawn):
    network, file, truth = drawn
    found = match_names(file, network)
    event(found.way.partition(":")[0] if found.complete else "refused")
    if found.complete:
        assert found.names == truth


def state(*layers):
    """A state dict of convolutions that are alike, each filled with its place."""
    return {
        f"{name}.{own}": torch.full(shape, float(place))
        for place, name in enumerate(layers)
        for own, shape in (("weight", (4, 4, 1, 1)), ("bias", (4,)))
    }


def model(*layers):
    made = nn.Module()
    for name in layers:
        *parents, own = name.split(".")
        parent = made
        for step in parents:
            if not hasattr(parent, step):
                parent.add_module(step, nn.Module())
            parent = getattr(parent, step)
        parent.add_module(own, nn.Conv2d(4, 4, 1))
    return made


NUMBERS = [str(n) for n in range(12)]


@pytest.mark.parametrize(
    ("network", "file", "way"),
    [
        (NUMBERS, NUMBERS, "by their names"),
        (NUMBERS, sorted(NUMBERS), "by their names"),
        (NUMBERS, [f"net.{n}" for n in sorted(NUMBERS)], "without the prefix"),
        ([f"net.{n}" for n in NUMBERS], sorted(NUMBERS), "without the prefix"),
        ([f"a.b.{n}" for n in NUMBERS], [f"features.{n}" for n in NUMBERS], "without the prefix"),
        (["left.0", "right.0"], ["model.right.0", "model.left.0"], "without the prefix"),
        (["left.0", "right.0"], ["right.0", "left.0"], "by their names"),
        (["a", "b"], ["_orig_mod.module.b", "_orig_mod.module.a"], "without the steps module"),
        (["module.a", "module.b"], ["b", "a"], "without the steps module"),
        (["body.0", "end"], ["body.module.0", "end"], "without the steps module"),
        (["module.a", "b"], ["b", "module.a"], "by their names"),
    ],
)
def test_names_come_first(tmp_path, caplog, network, file, way):
    caplog.set_level("INFO", "dissection")
    weights = state(*file)
    torch.save(weights, tmp_path / "w.pt")
    made = model(*network)
    load_weights(made, tmp_path / "w.pt")
    end = -2 if "left.0" in network else -1  # as many steps as tell them apart
    sources = {tuple(name.split(".")[end:]): name for name in file}
    for name, tensor in made.state_dict().items():
        *layer, own = name.split(".")
        assert torch.equal(tensor, weights[f"{sources[tuple(layer[end:])]}.{own}"]), name
    (line,) = [text for text in caplog.messages if "matched" in text]
    assert way in line


@pytest.mark.parametrize(
    ("network", "file", "first"),
    [
        (["left", "right"], ["0", "1"], r"tensor 1 is '0\.weight' \(4, 4, 1, 1\) in the file and "
         r"'left\.weight' \(4, 4, 1, 1\) in the network"),
        (["0", "2", "4"], ["0", "1", "2"], r"tensor 3 is '1\.weight' .* and '2\.weight'"),
        (["a", "b"], ["a", "b", "c"], r"tensor 5 is 'c\.weight' \(4, 4, 1, 1\) .* and missing"),
        (["a", "b", "c"], ["a", "b"], r"tensor 5 is missing in the file and 'c\.weight'"),
    ],
)  # fmt: skip
def test_layers_that_are_alike_are_not_matched_by_order(tmp_path, network, file, first):
    torch.save(state(*file), tmp_path / "w.pt")
    with pytest.raises(InputError, match=rf"w\.pt do not fit.*{first}.*names of the network"):
        load_weights(model(*network), tmp_path / "w.pt")


def test_a_renamed_layer_with_shapes_of_its_own_is_found(tmp_path, caplog):
    caplog.set_level("INFO", "dissection")
    widths = [(3, 4), (4, 4), (4, 4), (4, 7)]
    made = nn.Sequential(*(nn.Conv2d(*width, 1) for width in widths))
    weights = made.state_dict()
    torch.save({k.replace("3.", "head.1."): v for k, v in weights.items()}, tmp_path / "w.pt")
    again = nn.Sequential(*(nn.Conv2d(*width, 1) for width in widths))
    load_weights(again, tmp_path / "w.pt")
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in weights.items())
    assert "by their order: the names of 1 layers differ" in caplog.text


def test_shapes_are_compared_where_names_agree(tmp_path):
    widths = [8, 4, 2]
    made = nn.Sequential(*(nn.Linear(*pair) for pair in pairwise(widths)))
    weights = {f"model.{k}": v for k, v in made.state_dict().items()}
    torch.save(weights, tmp_path / "w.pt")
    with pytest.raises(
        InputError, match=r"'1\.weight' has the shape \(2, 4\), the network \(3, 4\)"
    ):
        load_weights(nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 3)), tmp_path / "w.pt")
