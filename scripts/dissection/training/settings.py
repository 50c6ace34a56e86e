"""The settings of one network's training, and how many iterations they make."""

from collections.abc import Mapping
from typing import Any

# Settings that change no weights: another value of theirs trains nothing anew.
NEUTRAL = ("checkpoint_iterations", "workers")
PLATEAUS = 3  # of the schedule "plateau": at the last one the training ends


def own_settings(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of all trainings with a network's own ones over them.

    Examples
    --------
    >>> own_settings({"batch_size": 32, "iterations": 900}, {"epochs": 2})
    {'batch_size': 32, 'epochs': 2}
    """
    # A length in epochs of its own counts more than one in iterations for all.
    kept = {k: v for k, v in shared.items() if k != "iterations" or "epochs" not in own}
    return {**kept, **own}


def last_iteration(settings: Mapping[str, Any], images: int) -> int:
    """Return the most iterations of a training: ``iterations``, or else those of the epochs.

    Parameters
    ----------
    settings : mapping
        ``batch_size``, and ``iterations`` or ``epochs``.
    images : int
        Of the training set. Those that fill no batch are left out of an epoch.

    Examples
    --------
    >>> last_iteration({"batch_size": 32, "epochs": 2}, images=100)
    6
    """
    if "iterations" in settings:
        return settings["iterations"]
    return images // settings["batch_size"] * settings["epochs"]


def certain_iterations(settings: Mapping[str, Any], images: int) -> int:
    """Return the fewest iterations of a training: one that waits for plateaus may end earlier.

    Examples
    --------
    >>> settings = {"batch_size": 32, "epochs": 60, "schedule": "plateau", "patience": 5}
    >>> certain_iterations(settings, images=64), last_iteration(settings, images=64)
    (32, 120)
    """
    last = last_iteration(settings, images)
    if settings.get("schedule") != "plateau":
        return last
    # The first epoch is always better than nothing.
    epochs = 1 + PLATEAUS * settings["patience"]
    return min(last, images // settings["batch_size"] * epochs)


def decisive_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that weights depend on, without those that others make idle.

    Examples
    --------
    >>> decisive_settings({"iterations": 9, "epochs": 2, "workers": 4, "momentum": 0.9})
    {'iterations': 9}
    >>> decisive_settings({"optimizer": "sgd", "momentum": 0.9, "epochs": 2})
    {'optimizer': 'sgd', 'momentum': 0.9, 'epochs': 2}
    """
    idle = {
        "epochs": "iterations" in settings,
        "momentum": settings.get("optimizer") != "sgd",
        "step_size": settings.get("schedule") != "step",
        "patience": settings.get("schedule") != "plateau",
    }
    return {k: v for k, v in settings.items() if k not in NEUTRAL and not idle.get(k)}
