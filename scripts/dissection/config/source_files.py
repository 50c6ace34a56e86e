"""Which source files a piece of Python code consists of."""

import ast
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dissection.jobs.files import whole_file


def imported_files(source: str | Path, root: str | Path) -> list[Path]:
    """Find the files that a source file imports from a folder, directly or not.

    Nothing is run, so modules that are named only at run time are not found. A file with an error
    in it is found, but what it imports is not. Imports that are for type checkers alone, as below
    ``if TYPE_CHECKING:``, are left out.

    Parameters
    ----------
    source : path
        A Python file.
    root : path
        Folder in which modules are looked for; those elsewhere are left out.

    Returns
    -------
    list of Path
        Below ``root``, sorted, without the source itself unless it is imported.
    """
    return _files_of(_imported_names(Path(source), Path(root)), Path(root))


def module_files(module: str, root: str | Path) -> list[Path]:
    """Find the files, in a folder, of a module, its packages and all that they import.

    Parameters
    ----------
    module : str
        Dotted name.
    root : path

    Returns
    -------
    list of Path
        As of `imported_files`; empty if the module lies elsewhere.
    """
    return _files_of([module], Path(root))


def note_sources(note: str | Path, files: Iterable[Path], root: Path) -> None:
    """Write which contents source files have, unless that is what the note says already.

    Parameters
    ----------
    note : path
        A line a file: the SHA-256 of its contents and its path below ``root``. A first one has the
        date of the newest file: it may stand in for one that somebody deleted.
    files : iterable of Path
    root : Path
    """
    files, note = list(files), Path(note)
    lines = (
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(root).as_posix()}\n"
        for file in files
    )
    text, first = "".join(lines), not note.exists()
    if not first and note.read_text(encoding="utf-8") == text:
        return
    with whole_file(note) as path:
        path.write_text(text, encoding="utf-8")
        if first:
            newest = max((file.stat().st_mtime for file in files), default=0)
            os.utime(path, (newest, newest))


def _files_of(names: Iterable[str], root: Path) -> list[Path]:
    found: set[Path] = set()
    waiting = list(names)
    while waiting:
        steps = waiting.pop().split(".")
        for end in range(1, len(steps) + 1):  # a module's packages are run before it
            base = root.joinpath(*steps[:end])
            for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
                if path.is_file():
                    if path not in found:
                        found.add(path)
                        waiting += _imported_names(path, root)
                    break  # of a package and a module of one name, Python takes the package
    return sorted(found)


def _imported_names(path: Path, root: Path) -> Iterator[str]:
    """Dotted names that a file imports; of `from a import b` both a and a.b."""
    for node in _import_statements(path.read_bytes()):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            package = node.module or ""
            if node.level:
                parents = path.resolve().relative_to(root.resolve()).parent.parts
                parents = parents[: len(parents) - node.level + 1]
                package = ".".join([*parents, *package.split(".")] if package else parents)
            if package:
                yield package
            yield from (f"{package}.{alias.name}".lstrip(".") for alias in node.names)


# Snakemake reads the rules once a job, and most scripts import the same modules.
@functools.cache
def _import_statements(source: bytes) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Return the import statements of a source that can run; none if it has an error."""
    try:
        nodes = _nodes_that_run(ast.parse(source))
    except (SyntaxError, ValueError):
        return ()
    return tuple(node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))


def _nodes_that_run(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those of branches that are never taken."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        taken = _truth(node.test) if isinstance(node, ast.If) else None
        if taken is None:
            waiting += ast.iter_child_nodes(node)
        else:
            waiting += node.body if taken else node.orelse


def _truth(test: ast.expr) -> bool | None:
    """What a condition is whenever the code runs; None if that depends."""
    match test:
        case ast.Constant(value):
            return bool(value)
        case ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.UnaryOp(ast.Not(), operand):
            inner = _truth(operand)
            return None if inner is None else not inner
        case ast.BoolOp(operator, values):
            deciding = isinstance(operator, ast.Or)  # one such value decides
            found = {_truth(value) for value in values}
            if deciding in found:
                return deciding
            return None if None in found else not deciding
    return None
