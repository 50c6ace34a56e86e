"""Log files, progress, and errors that a person can read."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from dissection.errors import InputError
from dissection.jobs.disk_space import NO_ROOM
from dissection.jobs.memory import keep_freed_memory

log = logging.getLogger("dissection")
T = TypeVar("T")

SECONDS_BETWEEN_LINES = 15.0  # of progress in a log


@contextmanager
def logged(path: str | Path) -> Iterator[None]:
    """Run a job: its log goes to a file and to stderr, an error ends it with a message.

    An `InputError`, or a full disk, is shown as its message alone. Any other exception is a
    defect of the program and keeps its traceback.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handlers = [logging.FileHandler(path, mode="w", encoding="utf-8"), logging.StreamHandler()]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    keep_freed_memory()
    try:
        yield
    except InputError as error:
        log.error("Error: %s", error)
        sys.exit(1)
    except OSError as error:
        if error.errno not in NO_ROOM:
            log.exception("Error: %s", error)
        else:
            where = f" while writing {error.filename}" if error.filename else ""
            log.error(
                "Error: the disk is full%s. Free some space, then run the same command again: "
                "finished files are kept.",
                where,
            )
        sys.exit(1)
    except Exception as error:
        log.exception("Error: %s", error)
        sys.exit(1)
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, showing how far it is: a bar on a terminal, sparse lines in a log.

    Parameters
    ----------
    items : iterable
    what : str
        What an item is, in the plural ("images", "iterations").
    total : int, optional
        How many there are; taken from ``len(items)`` if it has one.
    """
    if total is None:
        total = len(items) if hasattr(items, "__len__") else None
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, total=total, leave=False)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - last >= SECONDS_BETWEEN_LINES:
            last = now
            of = f" of {total}, {(now - start) * (total - done) / done:.0f} s left" if total else ""
            log.info("%s: %d%s", what, done, of)
        yield item
