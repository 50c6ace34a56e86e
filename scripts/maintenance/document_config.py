"""Write the table of keys in config/README.md from the configuration's schema."""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
README = ROOT / "config/README.md"
BEGIN, END = "<!-- keys: written by `make docs` from the schema -->", "<!-- end of keys -->"


def rows(schema: dict, root: dict, path: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield key, type or values, default and meaning of every key, in the schema's order."""
    for key, entry in schema.get("properties", {}).items():
        name = f"{path}{key}"
        if "$ref" in entry:
            target = root["$defs"][entry["$ref"].rpartition("/")[2]]
            entry = target | {k: v for k, v in entry.items() if k != "$ref"}
        kind = entry.get("type", "")
        if "enum" in entry:
            kind = ", ".join(f"`{value}`" for value in entry["enum"])
        default = entry.get("default", "")
        if default == "":
            default = "required" if key in schema.get("required", []) else ""
        elif default != {}:
            default = f"`{json.dumps(default)}`"
        yield name, kind, "" if default == {} else default, entry.get("description", "")
        yield from rows(entry, root, f"{name}.")
        others = entry.get("additionalProperties")
        if isinstance(others, dict):
            target = root["$defs"][others["$ref"].rpartition("/")[2]]
            yield from rows(target, root, f"{name}.NAME.")


def table(schema: dict) -> str:
    """Return the keys as a Markdown table."""
    lines = ["| key | type or values | default | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| `{row[0]}` | {row[1]} | {row[2]} | {row[3]} |" for row in rows(schema, schema)]
    return "\n".join(lines)


def documented(readme: str, schema: dict) -> str:
    """Return the README with its table of keys replaced."""
    before, _, rest = readme.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table(schema)}\n\n{END}{after}"


if __name__ == "__main__":
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    README.write_text(documented(README.read_text(encoding="utf-8"), schema), encoding="utf-8")
