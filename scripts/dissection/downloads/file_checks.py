"""What a downloaded file must look like, by its kind, and the web page that comes instead.

Each check reads the structure of a file without decoding its contents (nothing is unpickled) and
returns what is wrong with it, as the end of a sentence about the file, or None.
"""

import csv
import html
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from dissection.downloads.archives import GZIP, TooLargeError, allowed_size, open_tar
from dissection.errors import first_line

HEAD = 16384  # bytes; a web page gives itself away in these
# Atomic: there are too many ways to take a row of comments for one.
HTML = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*+(?>(?:<\?xml[^>]*>|<!--.*?-->)\s*+)*+"
    rb"<(?:!doctype\s+html|html|head|title|body)\b",
    re.IGNORECASE | re.DOTALL,
)
TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
# In any of Caffe's three forms, also where all stands on one line; not in a comment.
LAYER = re.compile(r"^(?:[^#\n]*[\s};,])?layers?\s*:?\s*[{<]", re.MULTILINE)
# torch.save before version 1.6 starts with its magic number, pickled.
OLD_CHECKPOINT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LAYER_FIELDS = (2, 100)  # of Caffe's NetParameter: `layers` (before 2014) and `layer`
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5  # wire types of Protocol Buffers


def html_page(head: bytes) -> str | None:
    """Return "an HTML page" with its title if that is how the bytes begin.

    Examples
    --------
    >>> html_page(b"<!DOCTYPE html><html><head><title>Not &amp; Found</title>")
    "an HTML page (title 'Not & Found')"
    >>> html_page(b"name: 'CaffeNet'")
    """
    if not HTML.match(head):
        return None
    found = TITLE.search(head)
    if found is None:
        return "an HTML page"
    title = " ".join(html.unescape(found[1].decode("utf-8", "replace")).split())
    return f"an HTML page (title {title[:80]!r})"


def web_page_problem(path: Path) -> str | None:
    """Return what is wrong with a file that holds nothing, or a web page."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return "is empty"
    page = html_page(head)
    return page and f"is {page}, not the file itself"


def zip_problem(path: Path) -> str | None:
    """Look for the central directory, which stands at a zip archive's end."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if not entries:
                return "is a zip archive without files"
            # The entry that begins last: what lies before it is there if it is.
            with archive.open(max(entries, key=lambda entry: entry.header_offset)):
                return None
    except RuntimeError:  # encrypted, or compressed in an unknown way: the structure is sound
        return None
    except Exception as error:  # zipfile names no fixed set
        return f"is no whole zip archive ({first_line(error)})"


def tar_problem(path: Path) -> str | None:
    """Walk over the entries up to the end that every tar archive has."""
    return _tar_problem(path, compressed=False)


def tar_gz_problem(path: Path) -> str | None:
    """Walk over the entries as `tar_problem` does; gzip's checksum shows any damage."""
    return _tar_problem(path, compressed=True)


def _tar_problem(path: Path, compressed: bool) -> str | None:
    kind = "tar.gz" if compressed else "tar"
    with path.open("rb") as file:
        if (file.read(len(GZIP)) == GZIP) != compressed:
            is_or_not = "not " if compressed else ""
            return f"is no {kind} archive (it is {is_or_not}compressed by gzip)"
    try:
        with open_tar(path, allowed_size(path)) as tar:
            if not sum(entry.isreg() for entry in tar.entries()):
                return f"is a {kind} archive without files"
    except TooLargeError:
        return f"holds more than a sound {kind} archive of its size would"
    except Exception as error:  # tarfile names no fixed set
        return f"is no whole {kind} archive ({first_line(error)})"
    return None


def npy_problem(path: Path) -> str | None:
    """Read the head of a NumPy file, which must be an array of numbers as long as the file."""
    import numpy as np  # most downloads need it not

    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # arrays of Python objects, which are pickled, among them
        return f"is no whole .npy file of numbers ({first_line(error)})"
    end, size = array.offset + array.nbytes, path.stat().st_size
    return None if end == size else f"has {size - end:,} bytes after its array"


def csv_problem(path: Path) -> str | None:
    """Read all rows, which must have as many fields as the first, up to the last line's end."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            columns = len(next(rows, []))
            for row in rows:
                if row and len(row) != columns:
                    return (
                        f"is no whole CSV table (line {rows.line_num} has {len(row)} fields, "
                        f"line 1 has {columns})"
                    )
            if rows.line_num < 2:
                return "is no CSV table with rows"
    except (UnicodeDecodeError, csv.Error) as error:
        return f"is no CSV table ({first_line(error)})"
    with path.open("rb") as file:
        file.seek(-1, 2)
        return None if file.read() in (b"\n", b"\r") else "is cut off in its last line"


def checkpoint_problem(path: Path) -> str | None:
    """Recognise what torch.save writes: a zip archive with data.pkl, or the older pickles."""
    with path.open("rb") as file:
        head = file.read(len(OLD_CHECKPOINT))
    if head == OLD_CHECKPOINT:
        return None
    if not head.startswith(b"PK"):
        return "is no PyTorch checkpoint (it begins neither as a zip archive nor as torch.save's)"
    problem = zip_problem(path)
    if problem is None:
        with zipfile.ZipFile(path) as archive:
            if not any(name.endswith("/data.pkl") for name in archive.namelist()):
                problem = "is a zip archive, but no PyTorch checkpoint (it has no data.pkl)"
    return problem


def text_problem(path: Path) -> str | None:
    """Recognise a table of text."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return "is no text"
    return "is no text" if "\0" in text else None


def prototxt_problem(path: Path) -> str | None:
    """Look for the first layer in Caffe's description of a network."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return "is no prototxt file (it is not text)"
    return None if LAYER.search(text) else "is no prototxt file (it has no 'layer {')"


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while shift < 64:
        byte = file.read(1)
        if not byte:
            raise EOFError
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7
    raise ValueError


def caffemodel_problem(path: Path) -> str | None:
    """Walk over the outermost fields of a NetParameter message; they must end where the file does.

    Source: the encoding of Protocol Buffers, and the field numbers in Caffe's caffe.proto.
    """
    size, layers, start = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        try:
            while (start := file.tell()) < size:
                field, wire_type = divmod(_varint(file), 8)
                if wire_type == VARINT:
                    _varint(file)
                elif wire_type in (EIGHT_BYTES, FOUR_BYTES):
                    file.seek(8 if wire_type == EIGHT_BYTES else 4, 1)
                elif wire_type == BYTES and field > 0:
                    length = _varint(file)
                    file.seek(length, 1)
                    layers += field in LAYER_FIELDS
                else:
                    raise ValueError
                if file.tell() > size:
                    raise EOFError
        except EOFError:
            if layers:
                return f"is cut off in layer {layers} (after {start:,} bytes, of {size:,})"
            return "is no Caffe model, or is cut off before its first layer"
        except (ValueError, OverflowError, OSError):
            return f"is no Caffe model (unreadable at byte {start:,})"
    return None if layers else "is no Caffe model (it has no layers)"


PROBLEMS: dict[str, Callable[[Path], str | None]] = {
    "zip": zip_problem,
    "tar": tar_problem,
    "tar.gz": tar_gz_problem,
    "npy": npy_problem,
    "prototxt": prototxt_problem,
    "caffemodel": caffemodel_problem,
    "checkpoint": checkpoint_problem,
    "csv": csv_problem,
    "text": text_problem,
}
