"""How much an archive may hold, and how to read a tar or tar.gz up to its very end."""

import gzip
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

GZIP = b"\x1f\x8b"
END = bytes(tarfile.BLOCKSIZE)  # two such blocks end an archive; some writers make only one
HARMLESS = 100_000_000  # bytes that any archive may hold, however small it is itself
LARGEST_READ = 1 << 18  # bytes; no sound header is longer, and files are read in pieces


class TooLargeError(Exception):
    """What comes out of an archive is more than it may hold."""


def allowed_size(archive: Path, max_ratio: float = 30.0) -> float:
    """Return how many bytes a sound archive of this size may hold.

    Images hardly shrink in an archive; tables do, about tenfold.
    """
    return max(HARMLESS, max_ratio * archive.stat().st_size)


@contextmanager
def open_tar(archive: Path, most: float) -> Iterator["TarReader"]:
    """Open an archive for reading; it is decompressed if its first bytes are those of gzip.

    Parameters
    ----------
    archive : Path
    most : float
        Bytes that may come out of the decompression, headers included.

    Raises
    ------
    Exception
        Of any kind, here and from the reader, for a file that is damaged or no archive: tarfile
        names no fixed set.
    TooLargeError
        Here or from the reader, where more than ``most`` comes.
    """
    with archive.open("rb") as file:
        is_compressed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        if not is_compressed:
            yield TarReader(_Bounded(file, most))
            return
        with gzip.open(file) as decompressed:
            yield TarReader(_Bounded(decompressed, most))


class TarReader:
    """The entries of an open archive, and the contents of its files."""

    def __init__(self, stream: "_Bounded") -> None:
        self._stream = stream
        self._tar = tarfile.open(fileobj=stream, mode="r:", encoding="utf-8")  # noqa: SIM115

    def entries(self) -> Iterator[tarfile.TarInfo]:
        """Yield every entry, then make sure that the archive ends as it should.

        By itself tarfile takes a cut between two entries, and a damaged header, for the end.
        """
        for entry in self._tar:
            if entry.size < 0:  # tarfile would go backwards, for ever
                raise tarfile.ReadError(f"{entry.name!r} has a negative size")
            yield entry
        if self._stream.latest != END:
            raise tarfile.ReadError(f"no end after {self._tar.offset:,} bytes")
        while self._stream.read(LARGEST_READ):
            pass  # at its own end, gzip compares the length and the checksum

    def open(self, entry: tarfile.TarInfo) -> IO[bytes]:
        """Open a regular file of the archive; fastest in the order of the entries."""
        content = self._tar.extractfile(entry)
        if content is None:
            raise tarfile.ReadError(f"{entry.name!r} is no regular file")
        return content


class _Bounded:
    """What tarfile reads from. ``latest`` is what it read last."""

    def __init__(self, file: IO[bytes], most: float) -> None:
        self._file = file
        self._most = most
        self.latest = b""

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, position: int) -> int:
        # In a compressed file the way there costs as much as reading.
        if position > self._most:
            raise TooLargeError
        return self._file.seek(position)

    def read(self, size: int) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        self.latest = self._file.read(size)
        if self._file.tell() > self._most:
            raise TooLargeError
        return self.latest
