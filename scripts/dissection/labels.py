"""Pack the label maps of a data set into flat, memory-mapped arrays: read once, used often."""

from __future__ import annotations

import json
import mmap
import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.files import ARRAY_FILE_ERRORS, whole_folder
from dissection.logs import progress
from dissection.segments import Segments, pack_image

if TYPE_CHECKING:  # to be loaded, it takes longer than some jobs that read packed labels
    from dissection.broden import Broden

FORMAT = 1
IMAGES_A_TASK = 64
IMAGES_A_PROCESS = 4000  # for fewer, starting one more process takes longer than it saves

_DTYPES = {
    "sizes": np.int32,
    "starts": np.int64,
    "present": np.bool_,
    "pixels": np.uint16,
    "areas": np.int32,
    "lengths": np.uint16,
    "labels": np.uint16,
    "whole": np.uint16,
}
_COLUMNS = {"sizes": 2, "starts": 4, "present": len(CATEGORIES)}


def pack_labels(broden: Broden, folder: str | Path, processes: int = 1) -> None:
    """Read every label map once and write a label store; see `LabelStore`.

    The files are the same, byte by byte, whatever the number of processes. Large data sets are
    read by several new interpreters, so a script that calls this needs the usual
    ``if __name__ == "__main__"``.

    Parameters
    ----------
    broden : Broden
    folder : path
        Replaced as a whole, and only if all images could be read.
    processes : int
        At most.

    Raises
    ------
    InputError
        If a label map cannot be used, or if an image has more than 65,535 segments.
    """
    with whole_folder(folder) as partial, ExitStack() as stack:
        files = {name: stack.enter_context(_GrowingArray(partial, name)) for name in _DTYPES}
        start = np.zeros((1, 4), np.int64)
        files["starts"].append(start)
        total = -(-len(broden) // IMAGES_A_TASK)
        for packed in progress(_packed(broden, processes), "pieces of the labels", total):
            starts = start + np.cumsum(packed.starts, axis=0)
            for name, array in packed._replace(starts=starts)._asdict().items():
                files[name].append(array)
            start = starts[-1:]
        description = {
            "format": FORMAT,
            "categories": CATEGORIES,
            "shapes": {name: file.shape for name, file in files.items()},
            "names": broden.names,
            "primary": broden.primary.tolist(),
        }
        text = json.dumps(description, ensure_ascii=False)
        (partial / "store.json").write_text(text + "\n", encoding="utf-8")


class LabelStore:
    """The packed labels of a data set, memory-mapped.

    Parameters
    ----------
    folder : path
        Written by `pack_labels`: ``store.json`` and one ``.npy`` file an array of `Segments`.

    Attributes
    ----------
    folder : Path
    names : list of str, L + 1
    primary : int8 (L + 1,)
        As in `Broden`.
    sizes : int32 (images, 2)
        Height and width of each image's labels.
    segments : Segments

    Raises
    ------
    InputError
        If the folder is no complete label store.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            description = json.loads((self.folder / "store.json").read_text(encoding="utf-8"))
            if description["format"] != FORMAT or tuple(description["categories"]) != CATEGORIES:
                raise ValueError("it was made by another version")
            self.names: list[str] = description["names"]
            self.primary = np.array(description["primary"], np.int8)
            self._maps = {name: self._open(name, description["shapes"][name]) for name in _DTYPES}
            # Plain read-only views: compiled loops then know one type of array, mapped or not.
            self.segments = Segments(**{name: np.asarray(m) for name, m in self._maps.items()})
            self.sizes = self.segments.sizes
            self._check()
        except ARRAY_FILE_ERRORS as error:
            raise InputError(
                f"{self.folder} is not a complete label store ({error}). Delete the folder and "
                "pack the labels again."
            ) from error
        self.release()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.sizes)

    @property
    def n_labels(self) -> int:
        """L, the largest label number."""
        return len(self.names) - 1

    def concept_mask(self, i: int, label: int) -> np.ndarray:
        """Return L_c of image i: bool (height, width), where the label is."""
        s, (begin, end) = self.segments, self.segments.starts[i : i + 2]
        if label in s.whole[begin[3] : end[3]]:
            return np.ones(s.sizes[i], bool)
        segment_of_label = np.repeat(np.arange(end[1] - begin[1]), s.lengths[begin[1] : end[1]])
        has_label = np.zeros(end[1] - begin[1], bool)
        has_label[segment_of_label[s.labels[begin[2] : end[2]] == label]] = True
        return has_label[s.pixels[begin[0] : end[0]]].reshape(s.sizes[i])

    def release(self) -> None:
        """Hand the pages read so far back, so that resident memory stays small."""
        for array in self._maps.values():
            # Only the mapping goes; the pages stay in the system's cache for the next reader.
            if isinstance(array.base, mmap.mmap):
                array.base.madvise(mmap.MADV_DONTNEED)

    def _open(self, name: str, shape: list[int]) -> np.ndarray:
        array = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        if array.shape != tuple(shape) or array.dtype != _DTYPES[name]:
            raise ValueError(f"{name}.npy has {array.shape} entries, not {tuple(shape)}")
        return array

    def _check(self) -> None:
        """Check that the arrays agree, so that no compiled loop can leave them."""
        s = self.segments
        heights, widths = s.sizes.astype(np.int64).T
        steps = np.diff(s.starts, axis=0)
        label_ends = np.cumsum(s.lengths, dtype=np.int64)
        agree = (
            s.starts.shape == (len(s.sizes) + 1, 4)
            and s.present.shape == (len(s.sizes), len(CATEGORIES))
            and len(s.lengths) == len(s.areas)
            and (s.starts[0] == 0).all()
            and (steps >= [1, 1, 0, 0]).all()
            and (s.starts[-1] == [len(s.pixels), len(s.areas), len(s.labels), len(s.whole)]).all()
            and (steps[:, 0] == heights * widths).all()
            and (s.starts[1:, 2] == label_ends[s.starts[1:, 1] - 1]).all()
            and max(s.labels.max(initial=0), s.whole.max(initial=0)) < len(self.names)
            and len(self.primary) == len(self.names)
        )
        if not agree:
            raise ValueError("its files do not belong together")


def _packed(broden: Broden, processes: int) -> Iterator[Segments]:
    """Yield packed images, some at a time; in several processes, with few results in waiting."""
    tasks = (
        range(start, min(start + IMAGES_A_TASK, len(broden)))
        for start in range(0, len(broden), IMAGES_A_TASK)
    )
    processes = min(processes, len(broden) // IMAGES_A_PROCESS)
    if processes < 2:
        yield from (_pack_images(broden, images) for images in tasks)
        return
    # Started anew, not forked: a fork of a process with threads can hang.
    with ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(broden,),
    ) as pool:
        waiting: deque = deque()
        for images in tasks:
            waiting.append(pool.submit(_pack_task, images))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_worker_broden: Broden | None = None


def _start_worker(broden: Broden) -> None:
    global _worker_broden
    _worker_broden = broden


def _pack_task(images: range) -> Segments:
    return _pack_images(_worker_broden, images)


def _pack_images(broden: Broden, images: range) -> Segments:
    # A few long arrays go from process to process faster than many short ones.
    return Segments(
        *map(np.concatenate, zip(*(pack_image(broden, i) for i in images), strict=True))
    )


class _GrowingArray:
    """A ``.npy`` file whose number of rows is known only at the end."""

    def __init__(self, folder: Path, name: str) -> None:
        self.dtype = np.dtype(_DTYPES[name])
        self.shape = (0, _COLUMNS[name]) if name in _COLUMNS else (0,)
        self.file = (folder / f"{name}.npy").open("wb")
        self._write_header()

    def __enter__(self) -> _GrowingArray:
        return self

    def append(self, array: np.ndarray) -> None:
        if array.dtype != self.dtype or array.shape[1:] != self.shape[1:]:
            raise TypeError(f"{array.dtype} {array.shape} does not fit {self.dtype} {self.shape}")
        self.file.write(np.ascontiguousarray(array).data)
        self.shape = (self.shape[0] + len(array), *self.shape[1:])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.seek(0)
        self._write_header()
        self.file.close()

    def _write_header(self) -> None:
        # NumPy leaves room in a header for the first dimension to grow.
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(self.file, header)
