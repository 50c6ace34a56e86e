"""Which source files a piece of Python code consists of."""

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dissection.jobs.files import whole_file


class SourceTree:
    """The Python files below a folder, of which each is read once.

    Nothing is run, so modules that are named only at run time are not found. A file with an error
    in it is found, but what it imports is not. Imports that are for type checkers alone, as below
    ``if TYPE_CHECKING:``, are left out.

    Parameters
    ----------
    root : path
        Folder in which modules are looked for; those elsewhere are left out.
    """

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)
        self._imports: dict[Path, list[str]] = {}
        self._files: dict[str, list[Path]] = {}

    def imported(self, source: str | Path) -> list[Path]:
        """Find the files that a file imports, directly or not.

        Parameters
        ----------
        source : path
            A Python file.

        Returns
        -------
        list of Path
            Below the root, sorted, without the source itself unless it is imported.
        """
        return self._reached(self._imported_names(Path(source)))

    def module(self, name: str) -> list[Path]:
        """Find the files of a module, its packages and all that they import.

        Parameters
        ----------
        name : str
            Dotted name.

        Returns
        -------
        list of Path
            As of `imported`; empty if the module lies elsewhere.
        """
        return self._reached([name])

    def _reached(self, names: Iterable[str]) -> list[Path]:
        found: set[Path] = set()
        waiting, seen = list(names), set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for path in self._run_for(name):
                if path not in found:
                    found.add(path)
                    waiting += self._imported_names(path)
        return sorted(found)

    def _run_for(self, name: str) -> list[Path]:
        """The files of a module and of the packages that it is in, which are run before it."""
        if name not in self._files:
            package, _, _ = name.rpartition(".")
            base = self._root.joinpath(*name.split("."))
            # Of a package and a module of one name, Python takes the package.
            own = [base / "__init__.py", base.with_name(f"{base.name}.py")]
            own = [path for path in own if path.is_file()][:1]
            self._files[name] = [*(self._run_for(package) if package else []), *own]
        return self._files[name]

    def _imported_names(self, path: Path) -> list[str]:
        if path not in self._imports:
            self._imports[path] = list(_imported_names(path, self._root))
        return self._imports[path]


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


def _import_statements(source: bytes) -> list[ast.Import | ast.ImportFrom]:
    """Return the import statements of a source that can run; none if it has an error."""
    try:
        statements = _statements_that_run(ast.parse(source))
    except (SyntaxError, ValueError):
        return []
    return [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]


def _statements_that_run(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements but those of branches that are never taken."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        taken = _truth(node.test) if isinstance(node, ast.If) else None
        if taken is None:
            # There are no imports within expressions, which are most of the nodes.
            for block in ("body", "orelse", "finalbody", "handlers", "cases"):
                waiting += getattr(node, block, ())
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
