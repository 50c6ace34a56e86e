"""The part of a file that has come so far, and where it came from."""

import json
import os
import re
from pathlib import Path
from typing import Self

import requests

from dissection.jobs.files import whole_file
from dissection.jobs.locks import take_lock

OVERLAP = 1 << 16  # bytes compared before going on, where the server gives no version
NOWHERE = {"url": None, "etag": None, "last_modified": None, "size": None}
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
# What can be sent back as it came (RFC 9110, sections 8.8.2 and 8.8.3, and no other letters).
VERSIONS = {
    "etag": ("ETag", re.compile(r'(W/)?"[!#-~]*"')),
    "last_modified": ("Last-Modified", re.compile(r"[!-~][ -~]*")),
}


class PartialFile:
    """The part of a file that has come so far, held by one process at a time.

    Entered as a context, it waits for other processes that bring the same file. What is there
    stays there when the context ends, for the next one.

    Parameters
    ----------
    target : Path
        Where the finished file goes. The part lies beside it as ``NAME.part``, with its source
        (URL, ETag, Last-Modified, size) in ``NAME.part.json``.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._source_path = target.with_name(f"{target.name}.part.json")

    def __enter__(self) -> Self:
        while True:
            # Unbuffered: what a killed process has received is in the file. "a": never elsewhere
            # than at the end.
            self._file = self.path.open("ab+", buffering=0)
            take_lock(self._file, f"the download of {self.target.name}")
            try:
                if os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):
                    break
            except FileNotFoundError:
                pass
            self._file.close()  # the process that had the lock renamed or removed this file
        try:
            self._source = json.loads(self._source_path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError, RecursionError):
            self._source = None
        if not _is_source(self._source):
            self.clear()
        return self

    def __exit__(self, *_: object) -> None:
        if self._file.closed:
            return
        if self.size == 0:
            self._source_path.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes that have come."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def url(self) -> str | None:
        """Where the bytes came from."""
        return self._source["url"] if self.size else None

    @property
    def is_complete(self) -> bool:
        """Whether every byte that was announced has come."""
        return bool(self.size) and self.size == self._source["size"]

    @property
    def announced_size(self) -> int | None:
        """Bytes of the whole file, if its source has said so."""
        return self._source["size"]

    def clear(self) -> None:
        """Give up what has come."""
        # A file that is empty may have the wrong source beside it; the reverse would mix versions.
        if self.size:
            self._file.truncate(0)
        self._source = NOWHERE

    def start(self, response: requests.Response, url: str, size: int | None) -> None:
        """Begin anew with the version of the file that a response announces."""
        self.clear()
        self._source = {"url": url, "size": size, **_version(response)}
        with whole_file(self._source_path) as path:
            path.write_text(json.dumps(self._source, indent=1) + "\n", encoding="utf-8")

    def append(self, piece: bytes) -> None:
        """Add the next bytes; on a full disk, as many as it takes."""
        rest = memoryview(piece)
        while rest:
            rest = rest[self._file.write(rest) :]

    def tail(self, start: int) -> bytes:
        """Return the bytes from ``start`` on."""
        self._file.seek(start)
        return self._file.read()

    def request(self, url: str) -> tuple[int, dict[str, str]]:
        """Return the first byte to ask this source for, and the request's headers.

        Source: RFC 9110, sections 13.1.5 (If-Range) and 14.2 (Range).
        """
        if self.url == url:
            etag = self._source["etag"]
            # A weak validator says that two versions mean the same, not that they are the same.
            strong = etag if etag and not etag.startswith("W/") else None
            version = strong or self._source["last_modified"]
            if version:
                return self.size, {"Range": f"bytes={self.size}-", "If-Range": version}
            if self._source["size"] and self.size > OVERLAP:
                start = self.size - OVERLAP
                return start, {"Range": f"bytes={start}-"}
        return 0, {}

    def is_continued_by(self, response: requests.Response, start: int) -> bool:
        """Return whether an answer to a request for a range is the rest of the same version."""
        announced = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if response.status_code != 206 or not announced or announced[1] != str(start):
            return False
        size = self._source["size"]
        if size is not None and announced[2] not in (str(size), "*"):
            return False
        version = _version(response).items()
        return all(value in (None, self._source[key]) for key, value in version)

    def publish(self) -> None:
        """Make the finished file the target."""
        os.fsync(self._file.fileno())
        self.path.replace(self.target)
        self._source_path.unlink(missing_ok=True)
        self._file.close()


def _is_source(content: object) -> bool:
    """Return whether the contents of ``NAME.part.json`` are what `PartialFile.start` writes."""
    return (
        isinstance(content, dict)
        and content.keys() == NOWHERE.keys()
        and all(
            value is None or isinstance(value, int if key == "size" else str)
            for key, value in content.items()
        )
    )


def _version(response: requests.Response) -> dict[str, str | None]:
    """Return how a server names the version of a file, as far as it can be asked for again."""
    version: dict[str, str | None] = {}
    for key, (header, form) in VERSIONS.items():
        value = response.headers.get(header)
        version[key] = value if value is not None and form.fullmatch(value) else None
    return version
