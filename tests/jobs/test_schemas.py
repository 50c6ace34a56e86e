"""What people write in YAML: mistakes that a schema alone lets through, or tells badly."""

import pytest
import yaml
from repository import ROOT

from dissection.errors import InputError
from dissection.jobs.schemas import read_yaml, schema_problems, with_defaults, with_numbers

SCHEMA = yaml.safe_load("""
type: object
additionalProperties: false
required: [count]
properties:
  count: {type: integer, minimum: 1}
  share: {type: number, maximum: 1}
  name: {type: string}
  group:
    type: object
    default: {}
    additionalProperties: false
    properties:
      colour: {enum: [red, green], default: red}
  members:
    type: object
    additionalProperties: {$ref: "#/$defs/member"}
$defs:
  member:
    type: object
    additionalProperties: false
    required: [a, b]
    properties:
      a: {type: integer}
      b: {type: integer}
      sizes: {type: array, uniqueItems: true, items: {type: integer}}
""")


@pytest.mark.parametrize(
    "text, problems",
    [
        ("count: 2", []),
        ("count: 2.0", ["count: 2.0 should be a whole number."]),
        ("count: true", ["count: True should be a whole number."]),
        ("count: '2'", ["count: '2' should be a whole number. Write numbers like"]),
        ("count: 0", ["count: 0 is less than the minimum of 1."]),
        ("{count: 1, share: .nan}", ["share: nan should be a number."]),
        ("{count: 1, share: -.inf}", ["share: -inf should be a number."]),
        ("{count: 1, share: true}", ["share: True should be a number."]),
        ("{count: 1, share: 1e-3}", ["share: '1e-3' should be a number. Write"]),
        ("{count: 1, share: 1}", []),
        ("{count: 1, name: yes}", ["name: True should be text."]),
        ("{count: 1, no: 2}", ["(top level): the key False is read as bool, not as text."]),
        ("{count: 1, members: {7: {}}}", ["members: the key 7 is read as int, not as text."]),
        ("{count: 1, members: {1.5: {}}}", ["members: the key 1.5 is read as float"]),
        ("{count: 1, members: {~: {}}}", ["members: the key None is read as NoneType"]),
        ("{count: 1, members: {2026-01-01: {}}}", ["members: the key datetime.date(2026, 1, 1)"]),
        ("{cuont: 1}", ["cuont: unknown key. Did you", "(top level): the key 'count' is missing."]),
        (
            "{count: 1, members: {x: {}}}",
            ["members.x: the key 'a' is missing.", "members.x: the key 'b' is missing."],
        ),
        ("{count: 1, members: {x: {a: 1, b: 2, sizes: [3, 3]}}}", ["members.x.sizes: [3, 3] has"]),
        (
            "{count: 1, group: {colour: gren}}",
            ["group.colour: 'gren' is not one of red, green."],
        ),
        ("[]", ["(top level): [] should be a group of keys."]),
        ("", ["(top level): None should be a group of keys."]),
    ],
)
def test_mistakes(text, problems):
    found = schema_problems(yaml.safe_load(text), SCHEMA)
    assert len(found) == len(problems)
    for line, start in zip(found, problems, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    "text, value",
    [
        ("{count: '2'}", {"count": 2}),
        ("{count: '-2'}", {"count": -2}),
        ("{count: '2.0'}", {"count": "2.0"}),
        ("{count: '2x'}", {"count": "2x"}),
        ("{count: '٢'}", {"count": "٢"}),
        ("{share: 1e-3}", {"share": 0.001}),
        ("{share: '.5'}", {"share": 0.5}),
        ("{share: '1.'}", {"share": 1.0}),
        ("{share: 'nan'}", {"share": "nan"}),
        ("{share: 'inf'}", {"share": "inf"}),
        ("{share: '1_0'}", {"share": "1_0"}),
        ("{name: '2'}", {"name": "2"}),
        (
            "{members: {x: {a: '1', sizes: ['1', 2]}}}",
            {"members": {"x": {"a": 1, "sizes": [1, 2]}}},
        ),
        ("{unknown: '2'}", {"unknown": "2"}),
        ("{on: 'False', side: '224'}", {True: "False", "side": 224}),
        ("{'on': 'False', side: 'x'}", {"on": False, "side": "x"}),
        ("[1]", [1]),
    ],
)
def test_text_that_is_a_number(text, value):
    schema = SCHEMA | {
        "properties": SCHEMA["properties"] | {"on": {"type": "boolean"}, "side": {"enum": [224]}}
    }
    assert with_numbers(yaml.safe_load(text), schema) == value


def test_defaults_fill_copies():
    value = {"count": 1}
    assert with_defaults(value, SCHEMA) == {"count": 1, "group": {"colour": "red"}}
    assert value == {"count": 1}


@pytest.mark.parametrize(
    "content, message",
    [
        (b"a: 1\nb: 2\na: 3", "the key 'a' is given twice"),
        (b"a: {b: 1, 'b': 2}", "the key 'b' is given twice"),
        (b"a: [", "cannot be read"),
        ("a: \u00e9".encode("latin-1"), "is not UTF-8 text"),
        ("a: 1".encode("utf-16"), "is not UTF-8 text"),
        (b"a: \x00", "cannot be read"),
        (b"a: !!python/object/apply:os.system [ls]", "cannot be read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, content, message):
    file = tmp_path / "some.yaml"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_yaml(file)
    assert str(file) in str(caught.value)


def test_a_file_that_is_missing_and_keys_that_only_look_alike(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "a.yaml").write_text("1: a\n'1': b\nx: &n {y: 1}\nz: {<<: *n, y: 2}\n")
    assert read_yaml(tmp_path / "a.yaml") == {1: "a", "1": "b", "x": {"y": 1}, "z": {"y": 2}}


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for part in ("config", "profiles", "workflow")
        for path in (ROOT / part).rglob("*.yaml")
    ),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_the_project_s_own_files_say_nothing_twice(path):
    read_yaml(path)
