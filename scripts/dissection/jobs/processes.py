"""Work spread over processes, with results, and lines of the log, in the order of the tasks."""

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from dissection.errors import InputError
from dissection.jobs.logs import log
from dissection.jobs.memory import keep_freed_memory

WORTH_A_PROCESS = 50  # small tasks; fewer are done before another process has started

Task = TypeVar("Task")
Result = TypeVar("Result")

_function: Callable | None = None  # of a worker
_lines: list[tuple[int, str]] = []  # level and message of what a worker logs


def map_in_processes(
    function: Callable[[Task], Result], tasks: Iterable[Task], processes: int
) -> Iterator[Result]:
    """Yield the function's results in the order of the tasks, with few of them in waiting.

    Several processes are new interpreters, so a script that asks for them needs the usual
    ``if __name__ == "__main__"``. What they log is logged here.

    Parameters
    ----------
    function : callable
        Sent to every process once; a `functools.partial` can hold what all tasks need.
    tasks : iterable
    processes : int
        1 works in this process.

    Raises
    ------
    InputError
        If a process was killed. Errors of the function arrive as themselves.

    Examples
    --------
    >>> list(map_in_processes(abs, [-1, 2, -3], processes=1))
    [1, 2, 3]
    """
    if processes == 1:
        yield from map(function, tasks)
        return
    # Started anew, not forked: a fork of a process with threads can hang.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (function,))
    waiting: deque[Future[tuple[Result, list[tuple[int, str]]]]] = deque()
    tasks = iter(tasks)
    try:
        while True:
            room = 2 * processes + 1 - len(waiting)
            waiting.extend(pool.submit(_work, task) for task in itertools.islice(tasks, room))
            if not waiting:
                return
            result, lines = waiting.popleft().result()
            for level, message in lines:
                log.log(level, "%s", message)
            yield result
    except BrokenProcessPool as error:
        raise InputError(
            "A process of this job was killed, probably for lack of memory. Give the job more "
            "memory or fewer threads, and run the same command again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def useful_processes(processes: int, tasks: int) -> int:
    """Return how many of the processes are worth their start for so many small tasks.

    Examples
    --------
    >>> useful_processes(8, 20), useful_processes(8, 120), useful_processes(8, 60_000)
    (1, 2, 8)
    """
    return max(1, min(processes, tasks // WORTH_A_PROCESS))


class _Kept(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _lines.append((record.levelno, record.getMessage()))


def _begin(function: Callable) -> None:
    global _function
    _function = function
    log.addHandler(_Kept())
    log.setLevel(logging.INFO)
    keep_freed_memory()


def _work(task: Task) -> tuple[Result, list[tuple[int, str]]]:
    _lines.clear()
    return _function(task), list(_lines)
