"""Arrays in files: written piece by piece, read through a memory map in bounded memory."""

from __future__ import annotations

import mmap
import zlib
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from zipfile import BadZipFile, ZipFile

import numpy as np

# What NumPy raises for a .npy or .npz file that is missing, damaged or cut off, wherever that is.
ARRAY_FILE_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    BadZipFile,
    zlib.error,
)


class GrowingArray:
    """A ``.npy`` file that is written from its first row on; how many there are shows at the end.

    Unlike a memory map it reports a full disk as an error.

    Parameters
    ----------
    path : path
    dtype : dtype
    row : tuple of int
        Shape of a row.

    Attributes
    ----------
    shape : tuple of int
        Of what has been written so far.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.npy"
    >>> with GrowingArray(path, "uint8", (2,)) as file:
    ...     file.append(np.array([[1, 2]], np.uint8))
    ...     file.append(np.array([[3, 4], [5, 6]], np.uint8))
    >>> np.load(path).tolist()
    [[1, 2], [3, 4], [5, 6]]
    """

    def __init__(self, path: str | Path, dtype: np.typing.DTypeLike, row: tuple[int, ...]) -> None:
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.shape = (0, *row)
        self._path = Path(path)

    def __enter__(self) -> GrowingArray:
        self._file = self._path.open("wb")
        self._write_header()
        return self

    def append(self, rows: np.ndarray) -> None:
        """Write some rows."""
        if rows.dtype != self.dtype or rows.shape[1:] != self.shape[1:]:
            raise TypeError(f"{rows.dtype} {rows.shape} does not fit {self.dtype} {self.shape}")
        self._file.write(np.ascontiguousarray(rows).data)
        self.shape = (self.shape[0] + len(rows), *self.shape[1:])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if error is None:
                self._file.seek(0)
                self._write_header()

    def _write_header(self) -> None:
        # NumPy leaves room in a header for the first dimension to grow.
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(self._file, header)


def array_shape(path: str | Path, name: str | None = None) -> tuple[int, ...]:
    """Return the shape of the array in a ``.npy`` file, or of one by name in a ``.npz`` file.

    Nothing but the array's header is read. A damaged file raises one of `ARRAY_FILE_ERRORS`.
    """
    with ExitStack() as stack:
        if name is None:
            file = stack.enter_context(Path(path).open("rb"))
        else:
            file = stack.enter_context(ZipFile(path)).open(f"{name}.npy")
        np.lib.format.read_magic(file)
        return np.lib.format.read_array_header_1_0(file)[0]


def release(array: np.ndarray) -> None:
    """Hand the pages of a memory-mapped array back, so that resident memory stays small.

    Nothing happens to another array, or to one that can be written to: there a private
    (copy-on-write) page would lose what was written.
    """
    pages = getattr(array, "_mmap", None)
    if pages is not None and not array.flags.writeable:
        # Only the mapping goes; the pages stay in the system's cache for the next reader.
        pages.madvise(mmap.MADV_DONTNEED)
