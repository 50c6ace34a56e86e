"""The settings of one network's training, and how many iterations they make."""

from collections.abc import Mapping
from typing import Any

# Settings that change no weights: another value of theirs trains nothing anew.
NEUTRAL = ("checkpoint_iterations", "workers")


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
    """Return the iterations of a training: ``iterations``, or else those of the epochs.

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
