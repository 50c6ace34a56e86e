"""How a training's steps are made: the optimizer, and its learning rate over the iterations."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau, StepLR

from dissection.training.settings import PLATEAUS

WARM_UP = 0.15  # of the iterations, until the learning rate is at its greatest
DROP = 0.1  # factor on the learning rate at each step of "step" and each plateau of "plateau"


def make_optimizer(parameters: Iterable[nn.Parameter], settings: Mapping) -> torch.optim.Optimizer:
    """Make the optimizer that the settings name.

    Parameters
    ----------
    parameters : iterable of Parameter
    settings : mapping
        ``optimizer`` ("adamw", or "sgd"), ``learning_rate``,
        ``weight_decay``; of sgd also ``momentum``.
    """
    rates = {"lr": settings["learning_rate"], "weight_decay": settings["weight_decay"]}
    if settings["optimizer"] == "sgd":
        return torch.optim.SGD(parameters, momentum=settings["momentum"], fused=True, **rates)
    return torch.optim.AdamW(parameters, fused=True, **rates)


class Plateau(ReduceLROnPlateau):
    """A schedule that waits until the held-out accuracy has stopped rising.

    So was AlexNet trained: the learning rate was divided by 10 "when the validation error rate
    stopped improving with the current learning rate" (Krizhevsky, Sutskever, Hinton, "ImageNet
    Classification with Deep Convolutional Neural Networks", NIPS 2012, section 5). An accuracy is
    a rise if it exceeds the best one before by more than the standard error of that,
    sqrt(p (1 - p) / images). It has stopped rising when ``patience`` epochs in a row bring no rise:
    then the learning rate falls to a tenth, and the third time the training is over.

    Parameters
    ----------
    optimizer : Optimizer
    patience : int
        At least 1.
    images : int
        Held out.

    Attributes
    ----------
    plateaus : int
        Times that the accuracy has stopped rising.

    Examples
    --------
    >>> optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> schedule = Plateau(optimizer, patience=2, images=100)
    >>> for accuracy in (0.3, 0.5, 0.54, 0.52):
    ...     schedule.step(accuracy)
    >>> optimizer.param_groups[0]["lr"], schedule.over
    (0.1, False)
    """

    def __init__(self, optimizer: torch.optim.Optimizer, patience: int, images: int) -> None:
        super().__init__(
            optimizer, "max", DROP, patience=patience - 1, threshold_mode="abs", eps=0.0
        )
        self.images, self.plateaus = images, 0

    @property
    def over(self) -> bool:
        """Whether the training is at its end."""
        return self.plateaus == PLATEAUS

    def step(self, metrics: float, epoch: int | None = None) -> None:
        """Take the held-out accuracy at the end of an epoch."""
        p = max(self.best, 0.0)  # before the first one: -inf
        self.threshold = math.sqrt(p * (1 - p) / self.images)
        rate = self.optimizer.param_groups[0]["lr"]
        super().step(metrics)
        self.plateaus += self.optimizer.param_groups[0]["lr"] < rate


def make_schedule(
    optimizer: torch.optim.Optimizer, settings: Mapping, last: int, held_out: int = 0
) -> LRScheduler:
    """Make the schedule of the optimizer's learning rate that the settings name.

    Parameters
    ----------
    optimizer : Optimizer
    settings : mapping
        ``schedule`` ("one_cycle", "step" or "plateau"); of step also ``step_size``, of plateau
        ``patience``.
    last : int
        Iterations of the whole training.
    held_out : int
        Images that the accuracy is measured on.

    Returns
    -------
    LRScheduler
        A `Plateau` steps at the end of an epoch, with the accuracy; others at every iteration.
    """
    if settings["schedule"] == "plateau":
        return Plateau(optimizer, settings["patience"], held_out)
    if settings["schedule"] == "step":
        return StepLR(optimizer, settings["step_size"], DROP)
    # torch's OneCycleLR, with its peak at the same iteration, follows the same curve but for the
    # last bits: of the default run's 1,801 rates 171 differ, by up to 2.6e-15 of their size. Put
    # together of SequentialLR and CosineAnnealingLR, which steps from rate to rate, 1,491 differ,
    # by up to 1.5e-12. Either would change trained weights.
    return LambdaLR(optimizer, lambda iteration: one_cycle(iteration, max(last, 1)))


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
