"""How a training's steps are made: the optimizer, and its learning rate over the iterations."""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

WARM_UP = 0.15  # of the iterations, until the learning rate is at its greatest
DROP = 0.1  # factor on the learning rate at each step of the schedule "step"


def make_optimizer(parameters: Iterable[nn.Parameter], settings: Mapping) -> torch.optim.Optimizer:
    """Make the optimizer that the settings name.

    Parameters
    ----------
    parameters : iterable of Parameter
    settings : mapping
        ``optimizer`` ("adamw" if it is not given, or "sgd"), ``learning_rate``,
        ``weight_decay``; of sgd also ``momentum``.
    """
    rates = {"lr": settings["learning_rate"], "weight_decay": settings["weight_decay"]}
    if settings.get("optimizer") == "sgd":
        return torch.optim.SGD(parameters, momentum=settings["momentum"], fused=True, **rates)
    return torch.optim.AdamW(parameters, fused=True, **rates)


def rate_factor(settings: Mapping, last: int) -> Callable[[int], float]:
    """Return the learning rate's factor as a function of the iteration.

    Parameters
    ----------
    settings : mapping
        ``schedule`` ("one_cycle" if it is not given, or "step"); of step also ``step_size``.
    last : int
        Iterations of the whole training.
    """
    if settings.get("schedule") == "step":
        return lambda iteration: steps_down(iteration, settings["step_size"])
    return lambda iteration: one_cycle(iteration, max(last, 1))


def steps_down(iteration: int, step_size: int) -> float:
    """Return a factor that is divided by ten every ``step_size`` iterations.

    Examples
    --------
    >>> steps_down(99_999, 100_000), steps_down(100_000, 100_000)
    (1.0, 0.1)
    """
    return DROP ** (iteration // step_size)


def one_cycle(iteration: int, last: int) -> float:
    """Return a factor that goes up over the first 15 % of the iterations, then down.

    Both ways along half a cosine, from 1/25 to 1 and to nearly 0.

    Examples
    --------
    >>> one_cycle(0, 100), one_cycle(15, 100), round(one_cycle(100, 100), 6)
    (0.04, 1.0, 0.0)
    """
    peak = WARM_UP * last
    if iteration < peak:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * iteration / peak)) / 2
    return (1 + math.cos(math.pi * min((iteration - peak) / (last - peak), 1))) / 2
