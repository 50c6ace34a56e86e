"""Check what a person wrote in YAML against a JSON Schema (2020-12), with messages for people.

Beside the standard's keywords a schema may say ``expected``, what a value should be in words; it
takes the place of the keyword's own message.
"""

import copy
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, TypeChecker, validators
from jsonschema.exceptions import ValidationError

from dissection.errors import InputError, did_you_mean

# What JSON Schema calls the types of a YAML file.
TYPE_NAMES = {
    "object": "a group of keys",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def _is_integer(checker: TypeChecker, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: TypeChecker, value: Any) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


# The standard takes 2.0 for an integer, and not-a-number for a number; neither would work later.
_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer).redefine(
        "number", _is_number
    ),
)


class _UniqueKeys(yaml.SafeLoader):
    """YAML without keys given twice, of which the last would win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = (key_node.tag, key_node.value) if isinstance(key_node.value, str) else None
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} is given twice", key_node.start_mark
                )
            if key:
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(file: str | Path) -> Any:
    """Read a YAML file.

    Raises
    ------
    InputError
        If the file is missing, is not UTF-8 or no YAML, or gives a key twice.
    """
    try:
        with Path(file).open(encoding="utf-8") as stream:
            return yaml.load(stream, _UniqueKeys)  # a SafeLoader
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file} is not UTF-8 text ({error}). Save it in the encoding UTF-8."
        ) from error
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error


def schema_problems(value: Any, schema: dict) -> list[str]:
    """Return a line for every mistake: the key's path, what is wrong, what is allowed.

    Parameters
    ----------
    value : object
        As read from YAML.
    schema : dict
        Whole numbers must be written as such, numbers must be finite, and keys must be text.
    """
    problems = list(_key_problems(value, []))
    if problems:  # a schema takes all keys for text
        return problems
    leaves = (leaf for error in _Validator(schema).iter_errors(value) for leaf in _leaves(error))
    return [
        line
        for error in sorted(leaves, key=lambda error: list(map(str, error.absolute_path)))
        for line in _messages(error)
    ]


def with_defaults(value: Any, schema: dict) -> Any:
    """Return a copy of a value with every default of the schema filled in."""
    value = copy.deepcopy(value)
    _fill_defaults(value, schema, schema)
    return value


def with_numbers(value: Any, schema: dict) -> Any:
    """Return a copy in which text is a number, or true or false, where the schema wants that.

    YAML reads ``1e-3`` as text, and Snakemake hands over as text all that is nested in a value of
    its option ``--config``.

    Examples
    --------
    >>> schema = {"properties": {"share": {"type": "number"}, "name": {"type": "string"}}}
    >>> with_numbers({"share": "1e-3", "name": "7"}, schema)
    {'share': 0.001, 'name': '7'}
    """
    return _with_numbers(value, schema, schema)


def _with_numbers(value: Any, schema: dict, root: dict) -> Any:
    schema = _resolve(schema, root)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        others = others if isinstance(others, dict) else {}
        return {
            key: _with_numbers(entry, known.get(key, others), root) for key, entry in value.items()
        }
    if isinstance(value, list):
        return [_with_numbers(entry, schema.get("items", {}), root) for entry in value]
    if not isinstance(value, str):
        return value
    kind = schema.get("type")
    if kind in ("integer", "number") and re.fullmatch(r"[+-]?[0-9]+", value):
        return int(value)
    if kind == "number" and re.fullmatch(
        r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", value
    ):
        return float(value)
    if kind == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    same = [allowed for allowed in schema.get("enum", []) if str(allowed) == value]
    return same[0] if same else value


def _resolve(schema: dict, root: dict) -> dict:
    """Return the schema that a ``$ref`` points to, with the keys that stand beside it."""
    if "$ref" not in schema:
        return schema
    target: Any = root
    for step in schema["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def _fill_defaults(value: Any, schema: dict, root: dict) -> None:
    schema = _resolve(schema, root)
    if isinstance(value, dict):
        for key, entry in schema.get("properties", {}).items():
            entry = _resolve(entry, root)
            if key not in value and "default" in entry:
                value[key] = copy.deepcopy(entry["default"])
            if key in value:
                _fill_defaults(value[key], entry, root)
        others = schema.get("additionalProperties")
        if isinstance(others, dict):
            for key in value.keys() - schema.get("properties", {}).keys():
                _fill_defaults(value[key], others, root)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            _fill_defaults(item, schema["items"], root)


def _key_problems(value: Any, path: list) -> Iterator[str]:
    if isinstance(value, dict):
        for key, entry in value.items():
            if not isinstance(key, str):
                yield (
                    f"{_path(path)}: the key {key!r} is read as {type(key).__name__}, not as text. "
                    "Put it in quotes."
                )
            yield from _key_problems(entry, [*path, key])
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            yield from _key_problems(entry, [*path, i])


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    if error.context:
        for inner in error.context:
            yield from _leaves(inner)
    else:
        yield error


def _path(keys: Any) -> str:
    return ".".join(str(key) for key in keys) or "(top level)"


def _messages(error: ValidationError) -> Iterator[str]:
    where = _path(error.absolute_path)
    rule, expected, found = error.validator, error.validator_value, error.instance
    if rule == "additionalProperties":
        valid = sorted(error.schema.get("properties", {}))
        allowed = f"Valid keys: {', '.join(valid)}." if valid else "No keys are allowed here."
        for key in sorted(set(found) - set(valid)):
            at = _path([*error.absolute_path, key])
            yield f"{at}: unknown key.{did_you_mean(key, valid)} {allowed}"
    elif rule == "required":
        # One error a missing key; which one it is stands only in its message.
        (missing,) = (key for key in expected if error.message.startswith(f"{key!r} "))
        yield f"{where}: the key '{missing}' is missing."
    elif "expected" in error.schema:
        yield f"{where}: {found!r} should be {error.schema['expected']}."
    elif rule == "type":
        names = [expected] if isinstance(expected, str) else expected
        hint = ""
        if isinstance(found, str) and expected in ("number", "integer"):
            hint = " Write numbers like 0.001 or 1e-3."
        words = " or ".join(TYPE_NAMES[name] for name in names)
        yield f"{where}: {found!r} should be {words}.{hint}"
    elif rule == "enum":
        values = [str(value) for value in expected]
        hint = did_you_mean(str(found), values)
        yield f"{where}: {found!r} is not one of {', '.join(values)}.{hint}"
    elif rule == "pattern":
        yield f"{where}: {found!r} has characters that are not allowed (pattern {expected})."
    elif rule in ("minProperties", "maxProperties"):
        valid = ", ".join(sorted(error.schema.get("properties", {})))
        yield f"{where}: give exactly one of {valid}." if valid else f"{where}: is empty."
    elif rule == "uniqueItems":
        yield f"{where}: {found!r} has something twice."
    else:
        yield f"{where}: {error.message}."
