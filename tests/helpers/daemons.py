"""Daemons of a cluster for tests: started, waited for, and killed with all that they run."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def absent(programs: Sequence[str]) -> str:
    """Return those that are not installed, with commas between."""
    return ", ".join(name for name in programs if shutil.which(name, path=PATH) is None)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait, and fail with a message rather than hang."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def launch(
    command: Sequence[str], environment: Mapping[str, str], output: Path
) -> subprocess.Popen:
    """Start a daemon that stays in the foreground; it ends with this process, even if killed."""
    with output.open("ab") as file:
        return subprocess.Popen(
            ("setpriv", "--pdeathsig", "KILL", *command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def end(process: subprocess.Popen, number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal, and kill what it does not end."""
    process.send_signal(number)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def processes_with(**variables: str) -> list[int]:
    """Return the processes that have these variables in their environment."""
    wanted = {f"{name}={value}".encode() for name, value in variables.items()}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if wanted <= set(process.joinpath("environ").read_bytes().split(b"\0")):
                found.append(int(process.name))
    return found


def kill(processes: Sequence[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
