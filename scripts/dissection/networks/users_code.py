"""The boundary around code that is not ours: a user's functions, networks and files.

Whatever it raises is a mistake that its user can mend, so it becomes a sentence.
"""

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dissection.errors import InputError, first_line

OURS = Path(__file__).parents[2]


@contextmanager
def users_code(doing: str, advice: str = "") -> Iterator[None]:
    """Turn any error, also an attempt to end the program, into one sentence.

    Interrupts pass, and so do errors that are sentences already.

    Parameters
    ----------
    doing : str
        What does not work, without a full stop.
    advice : str
        Further sentences: what to do.

    Examples
    --------
    >>> with users_code("The function f does not run"):
    ...     raise KeyError("units")
    Traceback (most recent call last):
    dissection.errors.InputError: The function f does not run (KeyError: 'units').
    """
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{doing} ({_reason(error)}). {advice}".rstrip()) from error


def guard(model: torch.nn.Module, name: str) -> None:
    """Let every forward pass of a user's network end, if it fails, with one sentence.

    Parameters
    ----------
    model : nn.Module
        Its own `forward` stays what hooks and tracing see.
    name : str
        For messages, as in "network 'mine'".
    """
    forward: Callable[..., Any] = model.forward
    ran: set[tuple[int, ...]] = set()  # shapes of inputs

    def guarded(images: torch.Tensor) -> Any:
        count, _, height, width = images.shape
        try:
            result = forward(images)
        except (Exception, SystemExit) as error:
            alone = (1, *images.shape[1:]) in ran
            many = "1 image" if count == 1 else f"{count} images"
            doing = f"The {name} does not run on {many} of {height} x {width} pixels"
            with users_code(f"{doing} (height x width)", _advice(error, count, alone)):
                raise
        ran.add(tuple(images.shape))
        return result

    model.forward = guarded


def _advice(error: BaseException, count: int, alone: bool) -> str:
    """Say what to do if the reason shows it."""
    reason = str(error)
    if isinstance(error, MemoryError) or re.search(r"out of memory|allocate memory", reason):
        return "Its memory is too small: lower dissection.batch_size."
    if count > 1 and alone:
        return (
            "It runs on one image: set dissection.batch_size to a number of images that it takes, "
            "or save it for any number."
        )
    if re.search(r"\b(sizes?|shapes?|dim|dimensions?|channels|kernel|broadcast)\b", reason):
        return (
            "Check that it is made for one image and for any number of images at once, of three "
            "channels and of its input_size."
        )
    return ""


def _reason(error: BaseException) -> str:
    """Return an error's kind, the first line of its message, and where a user's code raised it."""
    kind, line = type(error).__name__, first_line(error)
    if not line.startswith(kind):
        line = f"{kind}: {line}"
    line = line.rstrip(".")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and OURS not in path.parents and not _installed(path):
            place = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            return f"{line}; {place}, line {frame.lineno}"
    return line


def _installed(path: Path) -> bool:
    return "site-packages" in path.parts or path.is_relative_to(Path(traceback.__file__).parent)
