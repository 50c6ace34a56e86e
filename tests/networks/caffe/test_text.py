"""Texts of definitions: what is not known in them is kept apart, the rest is read as ever."""

import pytest
from caffe_definitions import googlenet
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.errors import InputError
from dissection.networks.caffe.load import load_caffe
from dissection.networks.caffe.messages import NetParameter
from dissection.networks.caffe.text import parse

TEXT = """
name: "a" foo: 7 # x {
bar { x: "}" y < z: 1 > }
layer { name: 'a' "b"  type: "Conv"
 dropout_param { dropout_ratio: 0.3 quux: [1,2] }
 weird: "k" "l"; convolution_param: { weight_filler { type: "x" } kernel_size: [1, 2], pad: 3 }
 loss_param < a: b > pooling_param { engine: MKL }
}
layers { type: FOO layer { type: "conv" nn: -1.5e-3 } }
layer: [ { name: "c" include { phase: BAR } }, < name: "d" odd { } > ]
"""


def test_what_is_not_known_is_kept_apart():
    found = parse(TEXT)
    assert [tuple(entry) for entry in found.unknown] == [
        ("foo", "7", 2),
        ("bar", '{ x: "}" y < z: 1 > }', 3),
    ]
    layers = {
        key: (line, [tuple(entry) for entry in unknown])
        for key, (line, unknown) in found.layers.items()
    }
    assert layers == {
        ("layer", 0): (4, [("dropout_param.quux", "[1,2]", 5), ("weird", '"k" "l"', 6)]),
        ("layers", 0): (9, [("type", "FOO", 9), ("layer.nn", "-1.5e-3", 9)]),
        ("layer", 1): (10, [("include.phase", "BAR", 10)]),
        ("layer", 2): (10, [("odd", "{ }", 10)]),
    }
    assert [layer.name for layer in found.net.layer] == ["ab", "c", "d"]
    assert list(found.net.layer[0].convolution_param.kernel_size) == [1, 2]
    assert found.net.layer[0].convolution_param.pad == [3]


# Wherever there is a @, a field may stand.
KNOWN = """name: 'n' @ input: 'data' @ input_dim: [1, 3]
@ layer { name: 'x' @ pooling_param { @ pool: AVE @ } @ }"""
ODD = ["odd: 7", "odd: 'a }' \"b\"", "odd { a: 1 b < c: [2] > }", "odd: [1, -2.5e3]", "odd: -inf"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["", *ODD]), min_size=7, max_size=7))
def test_what_is_known_is_read_as_without_it(added):
    pieces = KNOWN.split("@")
    text = "".join(f"{piece} {odd} # {{\n" for piece, odd in zip(pieces, [*added, ""], strict=True))
    found = parse(text)
    assert found.net == text_format.Parse(KNOWN.replace("@", ""), NetParameter())
    unknown = [*found.unknown, *found.layers["layer", 0][1]]
    assert len(unknown) == sum(map(bool, added))


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="layer{}<>[]:;, '\"#\n1-.x\\", max_size=60))
def test_any_text_is_read_or_refused(text):
    for whole in (text, f"layer {{ {text} }}"):
        try:
            found = parse(whole)
        except text_format.ParseError:
            continue
        assert len(found.layers) == len(found.net.layer) + len(found.net.layers)


def test_unknown_values_of_what_is_known_are_refused(tmp_path):
    path = tmp_path / "net.prototxt"
    start = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9\n'
    pooling = 'layer { name: "it" type: "Pooling" bottom: "data" top: "y" pooling_param {\n%s } }'
    path.write_text(start + pooling % "kernel_size: 3 pool: LP")
    with pytest.raises(InputError, match=r"'pooling_param.pool: LP' \(line 3\), which Caffe does"):
        load_caffe(path)
    path.write_text(start + "weights: 3\n" + pooling % "kernel_size: 3")
    with pytest.raises(InputError, match="line 2: the field 'weights' "):
        load_caffe(path)
    path.write_text(start + pooling % "kernel_size: three")
    with pytest.raises(InputError, match="line 3: this is no definition of a Caffe network"):
        load_caffe(path)


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(googlenet(96), encoding="utf-8-sig")
    assert load_caffe(path, layers=["conv1/7x7_s2"]).input_size == (96, 96)
