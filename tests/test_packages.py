"""The library's packages import downwards only, as the docstring of each one says."""

import ast
import re

import pytest
from repository import SCRIPTS

LIBRARY = SCRIPTS / "dissection"
PACKAGES = sorted(path.name for path in LIBRARY.iterdir() if (path / "__init__.py").is_file())
FOR_ALL = {"errors", "categories"}


def may_import(package):
    docstring = ast.get_docstring(ast.parse((LIBRARY / package / "__init__.py").read_text()))
    (names,) = re.findall(r"^May import: (.+)\.$", docstring, re.MULTILINE)
    return set() if names == "nothing" else set(names.split(", "))


def imported(file):
    """Packages of the library that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("dissection."))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_those_that_its_docstring_names(package):
    allowed = may_import(package)
    assert allowed <= set(PACKAGES)
    found = {name for file in (LIBRARY / package).rglob("*.py") for name in imported(file)}
    assert found - FOR_ALL - {package} <= allowed


def test_no_two_packages_import_each_other():
    left = {package: may_import(package) for package in PACKAGES}
    while left:
        lowest = {package for package, needed in left.items() if not needed & left.keys()}
        assert lowest, f"a circle among {left}"
        left = {package: needed for package, needed in left.items() if package not in lowest}


def test_what_all_may_import_imports_nothing():
    assert all(not list(imported(LIBRARY / f"{name}.py")) for name in FOR_ALL)


def test_packages_load_nothing_by_themselves():
    """A job that needs one light module must not load the heavy ones beside it."""
    for file in LIBRARY.rglob("__init__.py"):
        body = ast.parse(file.read_text()).body
        assert len(body) == 1 and ast.get_docstring(ast.parse(file.read_text())), file


def at_the_start(file):
    """Names of the modules that a file imports when it is imported itself."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def loaded(file):
    """Packages from outside that a script loads when it starts, through the library as well."""
    found, left = set(), [file]
    while left:
        for name in at_the_start(left.pop()):
            module = SCRIPTS / f"{name.replace('.', '/')}.py"
            if module.is_file() and module not in found:
                found.add(module)
                left.append(module)
            elif not name.startswith("dissection"):
                found.add(name.split(".")[0])
    return found


# What takes seconds to load, and the only scripts whose work needs it.
HEAVY = {
    "torch": {"cache_activations", "rotate_basis", "train_network", "list_layers"},
    "numba": {
        *("compute_thresholds", "summarize_activations", "tally_overlaps", "rotate_basis"),
        *("pack_labels", "list_concepts"),
    },
}


@pytest.mark.parametrize("package", HEAVY)
def test_jobs_load_heavy_packages_only_where_they_work_with_them(package):
    scripts = [file for file in SCRIPTS.glob("*.py") if package in loaded(file)]
    assert {file.stem for file in scripts} == HEAVY[package]
