"""Which of many files cannot be had, without giving up at the first."""

import queue
import threading
from collections.abc import Callable, Iterable

from dissection.errors import InputError
from dissection.jobs.logs import log

AT_ONCE = 8  # most of the time goes into waiting for hosts that do not answer


def missing_files(names: Iterable[str], fetch: Callable[[str], object]) -> dict[str, str]:
    """Fetch files, several at once, and return why those that cannot be had cannot.

    Parameters
    ----------
    names : iterable of str
    fetch : callable
        Takes a name; raises an `InputError` if the file cannot be had.

    Returns
    -------
    dict of str by name
        The errors' messages, in the order of the names.

    Raises
    ------
    Exception
        The first one of another kind: it is a defect, not a missing file.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    names = list(dict.fromkeys(names))
    for name in names:
        waiting.put(name)
    problems: dict[str, str] = {}
    defects: list[Exception] = []

    def work() -> None:
        while not defects:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                fetch(name)
            except InputError as error:
                log.info("%s", error)
                problems[name] = str(error)
            except Exception as error:
                defects.append(error)

    # Daemons: an interrupted process does not wait for a host that does not answer.
    threads = [threading.Thread(target=work, daemon=True) for _ in names[:AT_ONCE]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if defects:
        raise defects[0]
    return {name: problems[name] for name in names if name in problems}
