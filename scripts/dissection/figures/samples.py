"""Images that show what is in a data set. Light: nothing is drawn here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dissection.categories import CATEGORIES
from dissection.jobs.logs import progress

CANDIDATES = 400  # images, evenly spaced over the data set, that samples are chosen from


@dataclass(frozen=True)
class Sample:
    """An image with its labels.

    Attributes
    ----------
    name : str
    image : uint8 (height, width, 3)
    maps : mapping from category to uint16 (channels, sh, sw)
        Label maps, dominant channel first.
    whole : mapping from category to list of int
        Labels of the whole image.
    """

    name: str
    image: np.ndarray
    maps: Mapping[str, np.ndarray]
    whole: Mapping[str, Sequence[int]]

    def labels(self, category: str) -> set[int]:
        """The labels of a category that the image has."""
        found = set(self.whole.get(category, ()))
        if category in self.maps:
            found |= set(np.unique(self.maps[category]).tolist()) - {0}
        return found


def dominant_labels(maps: np.ndarray) -> np.ndarray:
    """Each pixel's first label among the channels of a label map.

    Parameters
    ----------
    maps : uint16 (channels, height, width)

    Returns
    -------
    uint16 (height, width)

    Examples
    --------
    >>> dominant_labels(np.array([[[0, 1]], [[2, 2]]]))
    array([[2, 1]])
    """
    first = (maps != 0).argmax(axis=0)
    return np.take_along_axis(maps, first[None], axis=0)[0]


def choose_samples(labels: Sequence[Mapping[str, set[int]]], count: int) -> list[int]:
    """Choose images that together show all categories, and many concepts.

    One after the other: the image with the most categories that no chosen one has, then the
    one with the most labels that none has, then the first. Once all categories are shown, they
    count again from the start.

    Parameters
    ----------
    labels : sequence of mapping from category to set of int
        Labels of each image.
    count : int

    Returns
    -------
    list of int
        Positions in ``labels``, in the order of choice; fewer than count if there are fewer.

    Examples
    --------
    >>> choose_samples([{"color": {1}}, {"color": {1}, "object": {2}}, {"texture": {3}}], 2)
    [1, 2]
    """
    categories = [{c for c, numbers in image.items() if numbers} for image in labels]
    concepts = [set().union(*image.values()) for image in labels]
    everything = set().union(*categories)
    chosen: list[int] = []
    shown: set[str] = set()
    seen: set[int] = set()
    for _ in range(min(count, len(labels))):
        if shown >= everything:
            shown = set()
        worth = [
            (i not in chosen, len(categories[i] - shown), len(concepts[i] - seen), -i)
            for i in range(len(labels))
        ]
        best = -max(worth)[-1]
        chosen.append(best)
        shown = shown | categories[best]
        seen |= concepts[best]
    return chosen


def choose_images(
    load_labels: Callable[[int], tuple[Mapping[str, np.ndarray], Mapping[str, Sequence[int]]]],
    images: int,
    count: int,
) -> list[int]:
    """Choose images of a data set by `choose_samples`, from some of them; always the same.

    Parameters
    ----------
    load_labels : callable
        From the number of an image to its label maps and its labels as a whole, as in `Sample`.
    images : int
        How many there are.
    count : int
    """
    candidates = np.unique(np.linspace(0, images - 1, min(CANDIDATES, images)).astype(int))
    labels = []
    for i in progress(candidates, "images looked at"):
        sample = Sample("", np.empty(0), *load_labels(int(i)))
        labels.append({category: sample.labels(category) for category in CATEGORIES})
    return candidates[choose_samples(labels, count)].tolist()
