"""Two groups of networks: how far their means differ, and whether their accuracies do, too."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

TIMES_SPREAD = 2.0


class Accuracy(NamedTuple):
    """What a network that was trained here gets right.

    task : str, what it learned; accuracies in other tasks are no measure for it
    share : float, of the held-out images
    images : int, held out
    """

    task: str
    share: float
    images: int


def difference_of_means(
    groups: Sequence[Sequence[float]], images: Sequence[float], baseline: Sequence[float]
) -> tuple[float, float]:
    """Return how much greater the first group's mean is, and the standard error of that.

    Parameters
    ----------
    groups : two sequences of float
        A value a network.
    images : two floats
        For each group the variance by the choice of images. All networks see the same ones: more
        networks do not average that part away. Taking it as independent between the groups
        makes the standard error larger, never smaller.
    baseline : sequence of float
        Values of networks that differ in nothing but their seed.

    Returns
    -------
    size, spread : float
        Where both groups have several networks, ``spread`` is that of Welch ("The generalization
        of 'Student's' problem when several different population variances are involved",
        Biometrika 34, 1947): the square root of the sum of s² / n of each group, s² its own sample
        variance, with the images' variances added. His degrees of freedom are not used; what is
        judged is the number of spreads. A group of several tasks varies more than seeds do, which
        makes its spread larger, too.

        Where a group has one network, s² of both is the baseline's: not a number if that has one.

    Examples
    --------
    >>> difference_of_means([[5, 7], [1, 3, 2]], [0, 0], [])  # (2 / 2 + 1 / 3) ** 0.5
    (4.0, 1.1547005383792515)
    """
    several = all(len(group) > 1 for group in groups)
    means, variance = [], 0.0
    for group, chosen in zip(groups, images, strict=True):
        means.append(np.mean(group))
        seeds = group if several else baseline
        between = np.var(seeds, ddof=1) if len(seeds) > 1 else math.nan
        variance += between / len(group) + chosen
    return float(means[0] - means[1]), float(np.sqrt(variance))


def confounding(
    groups: Sequence[Sequence[str]], baseline: Sequence[str], accuracies: Mapping[str, Accuracy]
) -> str:
    """Say how the held-out accuracies of two groups of networks differ, if they clearly do.

    They do if their means differ by more than two standard errors: those of
    `difference_of_means`, where the choice of the held-out images has the binomial variance
    p (1 - p) / images. If nothing tells the variance between seeds, the images' alone counts.

    Parameters
    ----------
    groups : two sequences of str
        Networks.
    baseline : sequence of str
        Networks that differ in nothing but their seed.
    accuracies : mapping of network to Accuracy

    Returns
    -------
    str
        Empty if the accuracies do not differ, or cannot be compared: some network has none (it
        was not trained here, or not at all), or they learned different tasks.
    """
    names = [name for group in groups for name in group]
    if not all(name in accuracies for name in names):
        return ""
    if len({accuracies[name].task for name in names}) > 1:
        return ""
    shares = [[accuracies[name].share for name in group] for group in groups]
    chosen = [
        float(np.mean([a.share * (1 - a.share) / a.images for a in map(accuracies.get, group)]))
        for group in groups
    ]
    seeds = [accuracies[name].share for name in baseline if name in accuracies]
    size, spread = difference_of_means(shares, chosen, seeds)
    if math.isnan(spread):
        spread = math.sqrt(sum(chosen))
    if abs(size) <= TIMES_SPREAD * spread:
        return ""
    first, second = (f"{np.mean(group) * 100:.1f} %" for group in shares)
    return f"held-out accuracy {first} against {second}"
