"""One process at a time: exclusive locks on open files."""

import errno
import fcntl
from typing import IO

from dissection.jobs.logs import log

# Some shared file systems of clusters come without locks.
NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}


def take_lock(file: IO, waiting_for: str) -> None:
    """Wait until no other process holds the lock of an open file, then hold it.

    It ends when the file is closed, also if the process is killed. Where the file system has no
    locks, a line in the log says so and nothing is locked.

    Parameters
    ----------
    file : open file
        Opened for writing.
    waiting_for : str
        What another process is doing, for the log: "the download of broden1_227.zip".
    """
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("Waiting for another process: %s", waiting_for)
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        log.info("Start no second run now: the file system has no locks for %s", waiting_for)
