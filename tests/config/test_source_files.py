"""The source files that code consists of, against what Python itself imports."""

import ast
import json
import os
import subprocess
import sys

import pytest
from repository import ROOT

from dissection.config.source_files import SourceTree, note_sources

SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("*.py"))


def names(folder, files):
    return [path.relative_to(folder).as_posix() for path in files]


def test_a_module_with_its_packages_and_all_that_they_import(tmp_path):
    (tmp_path / "nets/blocks").mkdir(parents=True)
    for file, source in {
        "nets/__init__.py": "import torch\n",
        "nets/small.py": "from .blocks import conv\nfrom . import sizes as s\n",
        "nets/sizes.py": "from ..outside import x\n",
        "nets/blocks/__init__.py": "from ..tools import help\n",
        "nets/blocks/conv.py": "def f():\n    import util.deep as d\n",
        "nets/tools.py": "import nets.small\n",
        "nets/unused.py": "",
        "util/deep.py": "this is no Python\n",
        "util/other.py": "",
    }.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(source)
    expected = [
        *("nets/__init__.py", "nets/blocks/__init__.py", "nets/blocks/conv.py"),
        *("nets/sizes.py", "nets/small.py", "nets/tools.py", "util/deep.py"),
    ]
    assert names(tmp_path, SourceTree(tmp_path).module("nets.small")) == expected
    assert SourceTree(tmp_path).module("torch") == []
    assert SourceTree(tmp_path).module("nets.none") == [tmp_path / "nets/__init__.py"]
    assert names(tmp_path, SourceTree(tmp_path).imported(tmp_path / "util/other.py")) == []


HEAD = "import typing\nimport typing as t\nfrom typing import TYPE_CHECKING\n"


@pytest.mark.parametrize(
    ("condition", "body", "otherwise"),
    [
        ("TYPE_CHECKING", False, True),
        ("typing.TYPE_CHECKING", False, True),
        ("t.TYPE_CHECKING", False, True),
        ("not TYPE_CHECKING", True, False),
        ("not (typing.TYPE_CHECKING or False)", True, False),
        ("TYPE_CHECKING and FAST", False, True),
        ("TYPE_CHECKING or FAST", True, True),
        ("FAST or not TYPE_CHECKING", True, False),
        ("FAST and not TYPE_CHECKING", True, True),
        ("FAST", True, True),
        ("False", False, True),
        ("0", False, True),
        ("True", True, False),
        ("TYPE_CHECKING is FAST", True, True),
    ],
)
def test_imports_for_type_checkers_are_no_inputs(tmp_path, condition, body, otherwise):
    for name in ("one", "two", "three", "four"):
        (tmp_path / f"{name}.py").write_text("")
    branches = f"if {condition}:\n    import one\nelse:\n    import two\n"
    nested = (
        "def f():\n    if FAST:\n        pass\n"
        f"    elif {condition}:\n        from three import x\n"
        "    else:\n        with y:\n            import four\n"
    )
    source = tmp_path / "source.py"
    source.write_text(HEAD + branches + nested)
    expected = ["one", "three"] * body + ["two", "four"] * otherwise
    found = names(tmp_path, SourceTree(tmp_path).imported(source))
    assert found == sorted(f"{name}.py" for name in expected)


def test_a_package_comes_before_a_module_of_its_name(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net/__init__.py").write_text("")
    (tmp_path / "net.py").write_text("")
    assert names(tmp_path, SourceTree(tmp_path).module("net")) == ["net/__init__.py"]


# What takes seconds is imported once; a copy of the process imports what a script does.
IMPORTED = """
import json, os, sys
import jinja2, jsonschema, matplotlib.pyplot, numba, pandas, requests
import scipy.ndimage, sklearn.svm, torch
for script, imports in json.load(sys.stdin).items():
    if os.fork() == 0:
        exec(imports, {})
        modules = [m for name, m in sys.modules.items() if name.split(".")[0] == "dissection"]
        print(json.dumps([script, [module.__file__ for module in modules]]), flush=True)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(script)
"""


@pytest.fixture(scope="module")
def imported():
    """The library's modules that each script imports when it starts, by one interpreter for all."""
    imports = {}
    for script in SCRIPTS:
        nodes = ast.parse((ROOT / f"scripts/{script}.py").read_text()).body
        top = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        imports[script] = "\n".join(map(ast.unparse, top))
    result = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        cwd=ROOT / "scripts", input=json.dumps(imports), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(map(json.loads, result.stdout.splitlines()))


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_module_of_the_library_that_a_script_needs_is_missed(script, imported):
    """What is imported when the script starts is among the files found."""
    path = ROOT / f"scripts/{script}.py"
    found = {str(path) for path in SourceTree(ROOT / "scripts").imported(path)}
    assert set(imported[script]) <= found


def test_a_note_changes_with_the_contents_of_files_alone(tmp_path):
    file, other = tmp_path / "a.py", tmp_path / "nets/b.py"
    other.parent.mkdir()
    for path, date in ((file, 1_000_000_000), (other, 1_200_000_000)):
        path.write_text(f"# {path.name}")
        os.utime(path, (date, date))
    note = tmp_path / "notes/code.txt"

    def noted():
        note_sources(note, [file, other], tmp_path)
        return note.read_text(), note.stat().st_mtime

    text, date = noted()
    assert [line.split()[1] for line in text.splitlines()] == ["a.py", "nets/b.py"]
    assert date == 1_200_000_000, "one that somebody deleted comes again as it was"
    file.touch()
    assert noted() == (text, date)
    file.write_text("# another")
    os.utime(file, (1_100_000_000, 1_100_000_000))  # an older file in its place, as `cp -p` puts it
    assert noted()[0] != text
    assert noted()[1] > 1_700_000_000, "what depends on it is older"
