"""Fetch a file: sources in turn, going on after a cut connection, checksums.

What has come so far lies beside the target (``NAME.part``, and ``NAME.part.json`` about where it
came from), so that a later run goes on from there, however the earlier one ended.
"""

import hashlib
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from dissection.downloads.file_checks import web_page_problem
from dissection.downloads.first_use_hashes import read_record, recorded_problem
from dissection.downloads.http import SourceError, TemporaryError, transfer
from dissection.downloads.partial_file import PartialFile
from dissection.errors import InputError, first_line
from dissection.jobs.disk_space import megabytes, named_if_full
from dissection.jobs.logs import log

NEWS = 1_000_000  # bytes; a try that brings as many is no failure, even if the connection was cut
FIRST_WAIT, LONGEST_WAIT = 2.0, 120.0  # seconds between tries
WAIT = "DOWNLOAD_WAIT"  # the variable of the environment that gives another first wait


def fetch(
    urls: Sequence[str],
    target: str | Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    sha1: str | None = None,
    size: int | None = None,
    check: Callable[[Path], str | None] | None = None,
    recorded: str | Path | None = None,
    note: str = "",
    timeout: float = 30.0,
    attempts: int = 4,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch a file from the first source that has it; only a file that passes every check is used.

    A file that lies at the target already, put there by hand or by an earlier run, is checked
    in the same way and nothing is fetched. Proxies named in the environment are used, and the
    seconds before a second try that ``DOWNLOAD_WAIT`` gives there; every further try waits twice
    as long as the one before.

    Parameters
    ----------
    urls : sequence of str
        Sources of the same file, the best one first; none of a file that a person has to get.
    target : str or Path
        Where the file goes; its folder is made.
    sha256, md5, sha1 : str, optional
        Published checksums, lower case. A sha256 may be given by its head alone.
    size : int, optional
        Published size, bytes.
    check : callable, optional
        Takes the file's path; returns what is wrong with its structure ("is cut off") or None.
    recorded : str or Path, optional
        Record of hashes. Unless the whole sha256 is published, the file's is recorded there
        when it is first used and checked ever after; see `dissection.downloads.first_use_hashes`.
    note : str
        What a person should know who has to get the file by other means.
    timeout : float
        Seconds without an answer, or with hardly a byte, after which a try has failed.
    attempts : int
        Tries of one source in a row that bring (almost) nothing new, before the next source.
    sleep : callable
        Waits between tries.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    InputError
        If no source has the file (the message has every source with its reason, the checksum,
        and where to put a file that was fetched by other means), if the file at the target is
        not the right one, if the disk is full or cannot be used, or if ``DOWNLOAD_WAIT`` is no
        number of seconds.
    """
    target = Path(target)
    expected = _Expected(
        {
            algorithm: digest
            for algorithm, digest in (("sha256", sha256), ("md5", md5), ("sha1", sha1))
            if digest is not None
        },
        size,
        check,
        None if recorded is None else Path(recorded),
        target,
        note,
    )
    try:
        with named_if_full(f"{target.name}; what has come is kept"):
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                with PartialFile(target) as partial:
                    # While this process waited its turn, another one may have finished the file.
                    if not target.exists():
                        _fetch_from_any(urls, partial, expected, timeout, attempts, sleep)
                        return target
            problem = expected.problem(target, "a file that was put there")
    except OSError as error:
        raise InputError(
            f"{target} cannot be written or read ({first_line(error)}). See to the disk and to "
            "who may write there, then run the same command again."
        ) from error
    if problem:
        raise InputError(
            f"{target} cannot be used: it {problem}. Delete it, then run the same command again "
            f"to fetch it, or put the right file there. Sources: {', '.join(urls) or 'none'}"
        )
    return target


def _first_wait() -> float:
    given = os.environ.get(WAIT, "") or FIRST_WAIT
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_WAIT:
        raise InputError(
            f"{WAIT} is {given!r} in the environment; it should be the seconds before a second "
            f"try of a download, at most {LONGEST_WAIT:.0f}."
        )
    return seconds


@dataclass(frozen=True)
class _Expected:
    """What is known of a file in advance."""

    digests: dict[str, str]
    size: int | None
    check: Callable[[Path], str | None] | None
    recorded: Path | None
    target: Path
    note: str

    @property
    def name_in_record(self) -> str:
        folder = self.recorded.parent.resolve()
        path = self.target.resolve()
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name

    @property
    def is_recorded(self) -> bool:
        return self.recorded is not None and len(self.digests.get("sha256", "")) < 64

    def problem(self, path: Path, source: str) -> str | None:
        """Return what is wrong with a file, as the end of a sentence about it, or None."""
        if not path.is_file():
            return "is no file"
        problem = web_page_problem(path)
        if problem:
            return problem
        if self.size is not None and path.stat().st_size != self.size:
            return f"has {path.stat().st_size:,} bytes instead of {self.size:,}"
        found = _digests(path, {*self.digests, *(["sha256"] if self.is_recorded else [])})
        for algorithm, digest in self.digests.items():
            if not found[algorithm].startswith(digest):
                head = f", which should begin with {digest}" if len(digest) < 32 else ""
                return f"has the {algorithm} {found[algorithm]}{head or f' instead of {digest}'}"
        problem = self.check and self.check(path)
        if not problem and self.is_recorded:
            problem = recorded_problem(self.recorded, self.name_in_record, found["sha256"], source)
        return problem or None

    def description(self) -> str:
        """Say by what a person can know the right file."""
        known = [
            f"{algorithm} that begins with {digest}"
            if algorithm == "sha256" and len(digest) < 64
            else f"{algorithm} {digest}"
            for algorithm, digest in self.digests.items()
        ]
        if self.size is not None:
            known.append(f"{self.size:,} bytes")
        entry = read_record(self.recorded).get(self.name_in_record) if self.is_recorded else None
        if entry:
            known.append(f"sha256 {entry['sha256']} (recorded when it was first used)")
        if not known:
            later = f"; {self.recorded} will keep that of the first file" if self.recorded else ""
            known.append(f"no checksum is published{later}")
        return ", ".join(known)


def _digests(path: Path, algorithms: set[str]) -> dict[str, str]:
    hashes = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms}
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            for digest in hashes.values():
                digest.update(block)
    return {algorithm: digest.hexdigest() for algorithm, digest in hashes.items()}


def _fetch_from_any(
    urls: Sequence[str],
    partial: PartialFile,
    expected: _Expected,
    timeout: float,
    attempts: int,
    sleep: Callable[[float], None],
) -> None:
    reasons = {}
    with requests.Session() as session:
        session.headers["User-Agent"] = "netdissect-workflow"
        # Compressed on the way, sizes and ranges would not be those of the file.
        session.headers["Accept-Encoding"] = "identity"
        # A source that has sent a part comes first: another one would begin at the first byte.
        for url in sorted(urls, key=lambda url: url != partial.url):
            try:
                _fetch_from(url, session, partial, expected, timeout, attempts, sleep)
            except SourceError as error:
                log.info("%s: %s", url, error)
                reasons[url] = str(error)
            else:
                partial.publish()
                log.info("%s is complete and checked", partial.target)
                return
    kept = (
        f"\n{megabytes(partial.size)} of it are kept in {partial.path}; the next run goes on there."
        if partial.size
        else ""
    )
    tried = "".join(f"\n  {url}: {reasons[url]}" for url in urls)
    note = f"\n{expected.note}" if expected.note else ""
    raise InputError(
        f"{partial.target.name} could not be fetched:{tried or ' it has no address'}\n"
        f"The file to look for: {expected.description()}.{note}\nPut it at {partial.target} by "
        f"hand, or try again later; then run the same command again.{kept}"
    )


def _fetch_from(
    url: str,
    session: requests.Session,
    partial: PartialFile,
    expected: _Expected,
    timeout: float,
    attempts: int,
    sleep: Callable[[float], None],
) -> None:
    """Bring the whole file from one source and check it, in several tries if need be."""
    first_wait, failures, started_over = _first_wait(), 0, False
    furthest = partial.size if partial.url == url else 0
    while True:
        joined = partial.url == url
        try:
            if not (joined and partial.is_complete):
                transfer(url, session, partial, expected.size, timeout)
        except TemporaryError as error:
            failures = 1 if partial.size >= furthest + NEWS else failures + 1
            furthest = max(furthest, partial.size)
            at = f" after {megabytes(partial.size)}" if partial.size else ""
            if failures >= attempts:
                raise SourceError(f"{error}{at} ({attempts} tries)") from error
            wait = max(first_wait * 2 ** (failures - 1), error.wait)
            if wait > LONGEST_WAIT:
                raise SourceError(f"{error}; asked to wait {wait:.0f} s") from error
            log.info("%s: %s%s; trying again in %.0f s", url, error, at, wait)
            sleep(wait)
            continue
        problem = expected.problem(partial.path, url)
        if problem is None:
            return
        partial.clear()
        if started_over or not joined:
            raise SourceError(f"what the server sent {problem}")
        # The parts of two tries do not fit together, or the first was damaged on the disk.
        log.info("%s: the joined file %s; starting over", url, problem)
        started_over = True
