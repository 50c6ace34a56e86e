"""One try to bring a file over HTTP, from its first byte or from where the last one stopped."""

import math
import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
import urllib3

from dissection.downloads.file_checks import HEAD, html_page
from dissection.downloads.partial_file import PartialFile
from dissection.errors import InputError, first_line
from dissection.jobs.disk_space import require_room
from dissection.jobs.logs import log, progress

MEGABYTE = 1_000_000
PIECE = 1 << 18  # bytes read at once
SLOWEST = 100  # bytes/s; a connection that is slower counts as stalled
# Besides errors of the server (5xx): timeout, too early, too many requests.
TEMPORARY_STATUS = {408, 425, 429}
COMPRESSIONS = {"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"}
LARGEST = 2**63  # bytes of a file
ANSWERS_WITHIN = 10  # times the timeout, which each redirect and each byte of a header may take
LONGEST_REASON = 200  # characters
# Where the environment may say whom to trust, as requests reads it.
TRUST = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class TemporaryError(Exception):
    """This try failed; another one may not. ``wait``: seconds that the server asked for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class SourceError(Exception):
    """This source will not do, however often it is tried."""


def transfer(
    url: str,
    session: requests.Session,
    partial: PartialFile,
    size: int | None,
    timeout: float,
) -> None:
    """Ask a source for what is missing, once, and append what comes.

    Parameters
    ----------
    url : str
    session : requests.Session
    partial : PartialFile
        Begun anew if it came from elsewhere or the file at the source has changed.
    size : int or None
        The size that the file must have, bytes.
    timeout : float
        Seconds without an answer, or with hardly a byte, after which the try has failed.

    Raises
    ------
    TemporaryError, SourceError
        With the reason, for a person.
    InputError
        If the disk has too little space for the size that is known.
    OSError
        Only of this machine's disk.
    """
    start, headers = partial.request(url)
    response = _ask(session, url, headers, timeout)
    if start and response.status_code != 200 and not partial.is_continued_by(response, start):
        response.close()
        log.info("%s: the file there has changed; starting over", url)
        partial.clear()
        start, response = 0, _ask(session, url, {}, timeout)
    with response:
        if response.status_code == 200:
            start = 0  # the whole file: it has changed, or the server knows no ranges
        elif not start:
            raise SourceError(f"HTTP status {response.status_code} for the whole file")
        _check_encoding(response, partial.target.name)
        total, length = partial.announced_size if start else None, response.raw.length_remaining
        if length is not None and length > LARGEST:
            raise SourceError("the server announces more than any disk holds")
        if total is None and length is not None:
            total = start + length
        if size is not None and total not in (None, size):
            raise SourceError(f"the file there has {total:,} bytes instead of {size:,}")

        pieces = _pieces(response, timeout)
        known = partial.tail(start) if start else b""
        # Looked at before the part at hand is given up: a web page is no new version of it.
        head = _head(pieces, len(known) or HEAD)
        page = html_page(head)
        if page and not start:
            raise SourceError(f"the server sent {page} instead of the file")
        if head[: len(known)] != known[: len(head)]:
            partial.clear()
            raise TemporaryError("the file there has changed; starting over")
        if total is not None:
            try:
                require_room(partial.path.parent, total - partial.size, partial.target.name)
            except InputError as error:
                if size is None:  # then the server alone says so, and the next one may not
                    raise SourceError(str(error)) from error
                raise
        if start:
            log.info("Going on with %s from %s", partial.path, url)
        else:
            log.info("Fetching %s from %s", partial.target, url)
            partial.start(response, url, total)
        partial.append(head[len(known) :])
        missing = None if total is None else math.ceil((total - partial.size) / MEGABYTE)
        for _ in progress(
            _store(pieces, partial, total or size), f"MB of {partial.target.name}", missing
        ):
            pass
        if total is not None and partial.size < total:
            raise TemporaryError("the connection was cut")


@contextmanager
def _blamed_on_source(timeout: float) -> Iterator[None]:
    """Whatever goes wrong in here is a reason to try again, or to try the next source.

    Only what talks to the source, or reads what it says, may stand in here: an error of the disk
    is no source's. Which errors requests lets through changes with its versions, with what the
    server sends, and with the environment; so it is every one.
    """
    try:
        yield
    except (TemporaryError, SourceError):
        raise
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise TemporaryError(f"no answer within {timeout:g} s") from error
    except requests.exceptions.SSLError as error:
        cause = _cause(error)
        if "certificate" in cause.lower():
            # Never ignored: whoever can change the connection could send any file.
            raise SourceError(
                f"its https certificate is not trusted ({cause}){_trust()}"
            ) from error
        raise TemporaryError(f"no secure connection ({cause})") from error
    except requests.exceptions.ProxyError as error:
        raise TemporaryError(f"no connection through the proxy ({_cause(error)})") from error
    except requests.exceptions.ConnectionError as error:
        raise TemporaryError(f"no connection ({_cause(error)})") from error
    except Exception as error:  # no URL, redirects in a circle, no certificates to compare with, …
        reason = _printable(first_line(error))
        trust = _trust() if "certificate" in reason else ""
        raise SourceError(f"cannot be fetched ({reason}){trust}") from error


def _ask(
    session: requests.Session, url: str, headers: dict[str, str], timeout: float
) -> requests.Response:
    """Return an answer that has a file or a part of it."""
    with _blamed_on_source(timeout):
        response = _get(session, url, headers, timeout)
        status = response.status_code
        if status in (200, 206) or (status == 416 and "Range" in headers):
            return response
        response.close()
        reason = f"HTTP status {status} ({_printable(response.reason or 'no reason')})"
        if status in TEMPORARY_STATUS or status >= 500:
            raise TemporaryError(reason, _retry_after(response))
        raise SourceError(reason)


def _get(
    session: requests.Session, url: str, headers: dict[str, str], timeout: float
) -> requests.Response:
    """Return the answer after all redirects, or raise what requests raises.

    The timeout of requests begins anew with every byte. A thread bounds the whole: nothing else
    ends a header that trickles.
    """
    outcome: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

    def close_redirect(response: requests.Response, **_: object) -> None:
        if response.is_redirect:
            response.close()  # what it says beside the address may be damaged, or without end

    def ask() -> None:
        hooks = {"response": close_redirect}
        try:
            outcome.put(
                session.get(url, headers=headers, stream=True, timeout=timeout, hooks=hooks)
            )
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        result = outcome.get(timeout=ANSWERS_WITHIN * timeout)
    except queue.Empty:
        raise TemporaryError(f"no whole answer within {ANSWERS_WITHIN * timeout:g} s") from None
    if isinstance(result, Exception):
        raise result
    return result


def _check_encoding(response: requests.Response, name: str) -> None:
    """Raise a SourceError if what comes is not the file as it is.

    Only compressions count: stores announce "aws-chunked" and the like, and send the file. Many
    servers announce a file that is itself compressed by gzip in this way too.
    """
    announced = response.headers.get("Content-Encoding", "").lower().split(",")
    compressions = COMPRESSIONS.intersection(map(str.strip, announced))
    if name.endswith((".gz", ".tgz")):
        compressions -= {"gzip", "x-gzip"}
    if compressions:
        raise SourceError("the server compresses the file, though asked not to")


def _retry_after(response: requests.Response) -> float:
    """Return the seconds that a server asks to wait, given as such or as a date."""
    value = response.headers.get("Retry-After", "0")
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _cause(error: BaseException) -> str:
    """Return the innermost error's text: requests wraps those of urllib3, which wrap others."""
    while True:
        reason = getattr(error, "reason", None)
        inner = reason if isinstance(reason, BaseException) else error.__cause__
        inner = inner or error.__context__
        if inner is None:
            break
        error = inner
    said = getattr(error, "verify_message", None) or getattr(error, "strerror", None)
    return _printable(str(said or first_line(error)))


def _trust() -> str:
    """Say which setting of the environment decides which certificates are trusted, if one does."""
    settings = [name for name in TRUST if os.environ.get(name)]
    return f"; {settings[0]} says whom to trust" if settings else ""


def _printable(text: str) -> str:
    """Return what a server said, fit for a line of a log."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def _pieces(response: requests.Response, timeout: float) -> Iterator[bytes]:
    """Yield what comes as it comes; a connection that is cut or stalls is an error."""
    since, received = time.monotonic(), 0
    while True:
        with _blamed_on_source(timeout):
            try:
                piece = response.raw.read1(PIECE, decode_content=False)
            except urllib3.exceptions.ReadTimeoutError as error:
                raise TemporaryError(f"the server sent nothing for {timeout:g} s") from error
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise TemporaryError(f"the connection was cut ({_cause(error)})") from error
        if not piece:
            return
        yield piece
        received += len(piece)
        now = time.monotonic()
        if now - since >= timeout:
            if received < SLOWEST * (now - since):
                raise TemporaryError(f"the server sends less than {SLOWEST} bytes a second")
            since, received = now, 0


def _head(pieces: Iterator[bytes], size: int) -> bytes:
    """Return the first pieces, together at least this long unless the file ends before."""
    head = b""
    while len(head) < size:
        piece = next(pieces, b"")
        if not piece:
            break
        head += piece
    return head


def _store(pieces: Iterator[bytes], partial: PartialFile, size: int | None) -> Iterator[None]:
    """Append the pieces to the file; yield whenever another megabyte has come."""
    received = 0
    for piece in pieces:
        partial.append(piece)
        if size is not None and partial.size > size:  # a length need not be announced
            partial.clear()
            raise SourceError(f"the file there has more than {size:,} bytes")
        received += len(piece)
        while received >= MEGABYTE:
            received -= MEGABYTE
            yield
