"""The packed labels of a data set: flat, memory-mapped arrays, read once and used often."""

import json
from pathlib import Path

import numpy as np

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.jobs.arrays import ARRAY_FILE_ERRORS, release
from dissection.labels.segments import FIRST_LABEL, FIRST_PIXEL, FIRST_SEGMENT, Segments

FORMAT = 1
DTYPES = {
    "sizes": np.int32,
    "starts": np.int64,
    "present": np.bool_,
    "pixels": np.uint16,
    "areas": np.int32,
    "lengths": np.uint16,
    "labels": np.uint16,
    "whole": np.uint16,
}


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
            if description["format"] != FORMAT or description["categories"] != list(CATEGORIES):
                raise ValueError("it was made by another version")
            self.names: list[str] = description["names"]
            self.primary = np.array(description["primary"], np.int8)
            self._maps = {name: self._open(name, description["shapes"][name]) for name in DTYPES}
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

    def release(self) -> None:
        """Hand the pages read so far back, so that resident memory stays small."""
        for array in self._maps.values():
            release(array)

    def _open(self, name: str, shape: list[int]) -> np.ndarray:
        array = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        if array.shape != tuple(shape) or array.dtype != DTYPES[name]:
            raise ValueError(f"{name}.npy has {array.shape} entries, not {tuple(shape)}")
        return array

    def _check(self) -> None:
        """Check that the arrays agree, so that no compiled loop can leave them."""
        s = self.segments
        heights, widths = s.sizes.astype(np.int64).T
        steps, ends = np.diff(s.starts, axis=0), s.starts[1:]
        label_ends = np.cumsum(s.lengths, dtype=np.int64)
        agree = (
            s.starts.shape == (len(s.sizes) + 1, 4)
            and s.present.shape == (len(s.sizes), len(CATEGORIES))
            and len(s.lengths) == len(s.areas)
            and (s.starts[0] == 0).all()
            and (steps >= [1, 1, 0, 0]).all()
            and (s.starts[-1] == [len(s.pixels), len(s.areas), len(s.labels), len(s.whole)]).all()
            and (steps[:, FIRST_PIXEL] == heights * widths).all()
            and (ends[:, FIRST_LABEL] == label_ends[ends[:, FIRST_SEGMENT] - 1]).all()
            and max(s.labels.max(initial=0), s.whole.max(initial=0)) < len(self.names)
            and len(self.primary) == len(self.names)
        )
        if not agree:
            raise ValueError("its files do not belong together")
