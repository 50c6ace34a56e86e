"""Whether a network gives an image the same activations whatever is in its batch.

A network in training mode does not: batch normalisation then takes its statistics from the batch,
and dropout draws anew each time. Thresholds would depend on the batch size and on shards.
"""

from collections.abc import Mapping
from typing import Any

import torch

from dissection.errors import InputError
from dissection.networks.layers import Layer, every_call, modules_by_name

# Both runs have batches of one size, so that equal arithmetic is done and even the last bits are
# mostly equal; other rounding is at most 1e-5 of a layer's range in deep networks. What dropout
# or the statistics of a batch change is seldom less than a hundredth.
OF_RANGE = 1e-3
OF_VALUES = 1e-5  # float32 has no more digits of a layer that hardly varies

_Outputs = dict[tuple[str, int], torch.Tensor]  # by layer and number of the call


def check_independence(
    model: torch.nn.Module, layers: Mapping[str, Layer], images: torch.Tensor
) -> None:
    """Refuse a network whose activations for an image depend on chance or on other images.

    The first image is run in a batch of its copies, then with the others.

    Parameters
    ----------
    model : nn.Module
    layers : mapping of Layer, by name
        Those whose outputs count; what comes after them may do what it likes.
    images : float32 (at least 2, 3, height, width)
        Inputs of the network, on its device.

    Raises
    ------
    InputError
        Names the first of all layers whose output differs, and the likeliest cause.
    """
    found = _differences(model, layers, images)
    worst = max(found, key=found.get, default=None)
    if worst is None or found[worst] <= 1:
        return
    modules = modules_by_name(model)
    everywhere = _differences(model, {name: Layer(m) for name, m in modules.items()}, images)
    order = list(everywhere)
    # By chance nothing may differ this time.
    first = next((n for n, place in enumerate(order) if everywhere[place] > 1), None)
    where = ""
    if first is not None:
        name = order[first][0]
        kind = type(modules[name][0]).__name__
        before = f"; '{order[first - 1][0]}' before it does not differ" if first else ""
        where = f" The first layer that differs is '{name}' ({kind}){before}."
    raise InputError(
        f"Layer '{worst[0]}' gives other activations for the same image when it is run again with "
        f"other images in its batch, so that results would depend on batch_size and shards.{where} "
        "Most likely the network is in training mode: if it was traced, scripted or exported, call "
        "model.eval() before that and save it again. Otherwise look there for batch normalisation "
        "without running statistics (track_running_stats=False), for dropout that is always on "
        "(functional.dropout without training=self.training) and for what is computed over the "
        "whole batch."
    )


def _differences(
    model: torch.nn.Module, layers: Mapping[str, Layer], images: torch.Tensor
) -> dict[tuple[str, int], float]:
    """Return how much each call's output differs, 1 being the most that rounding explains.

    In the order in which calls end.
    """
    alone = _outputs(model, layers, images[:1].repeat(len(images), 1, 1, 1))
    together = _outputs(model, layers, images)
    found = {}
    for place, output in together.items():
        if place in alone and alone[place].shape == output.shape:
            one, other = (torch.nan_to_num(x, 0.0, 0.0, 0.0) for x in (alone[place], output[:1]))
            smallest, greatest = (float(x) for x in torch.cat([one, other]).aminmax())
            allowed = OF_RANGE * (greatest - smallest) + OF_VALUES * max(greatest, -smallest)
            difference = float((one - other).abs().max())
            found[place] = difference / allowed if allowed else 0.0
    return found


def _outputs(model: torch.nn.Module, layers: Mapping[str, Layer], batch: torch.Tensor) -> _Outputs:
    found: _Outputs = {}

    def receive(name: str, number: int, output: Any) -> None:
        # Only of outputs with a row for each image is it known what belongs to which.
        rows = output.shape[:1] if isinstance(output, torch.Tensor) and output.numel() else None
        if rows == batch.shape[:1]:
            found[name, number] = output.to("cpu", torch.float32, copy=True)

    with every_call(layers, receive), torch.inference_mode():
        model(batch)
    return found
