"""The networks that the workflow trains itself, small ones and the paper's AlexNet.

Every block that can be dissected is a module of its own whose output comes after its ReLU:
``conv1`` to ``conv5``, or the blocks that the constructors below name.

torchvision is imported where its blocks are used: it takes seconds, and most networks need it not.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from dissection.errors import InputError


@dataclass(frozen=True)
class AlexNetShape:
    """What differs between the paper's AlexNet and its small relative.

    Attributes
    ----------
    input_size : int
        Pixels.
    units, kernels, groups : tuple of int
        Of the five convolutions.
    stride : int
        Of the first convolution; it alone has no padding if ``padded`` is false.
    normalise : bool
        Local response normalisation after the first two pools.
    hidden : tuple of int
        Units of fc6 and fc7.
    """

    input_size: int
    units: tuple[int, ...]
    kernels: tuple[int, ...]
    groups: tuple[int, ...]
    stride: int
    padded: bool
    normalise: bool
    hidden: tuple[int, int]


SHAPES = {
    "alexnet": AlexNetShape(
        64, (24, 48, 64, 64, 96), (5, 3, 3, 3, 3), (1,) * 5, 2, True, False, (512, 256)
    ),
    # CaffeNet, the AlexNet of the paper.
    "caffenet": AlexNetShape(
        227,
        (96, 256, 384, 384, 256),
        (11, 5, 3, 3, 3),
        (1, 2, 1, 2, 2),
        4,
        False,
        True,
        (4096,) * 2,
    ),
}
ARCHITECTURES = (*SHAPES, "vgg", "googlenet", "resnet")
HEADS = ("fc", "gap", "cells")
# Of the paper's AlexNet, for `build`.
PUBLISHED = {
    **{"architecture": "caffenet", "head": "fc", "dropout": 0.5},
    **{"batch_norm": False, "width": 1},
}
PUT_AFTER_POOL = 2  # the first two convolutions are followed by a pool


class TrainedNetwork(nn.Module):
    """Features, then a head.

    Attributes
    ----------
    input_size : tuple of int
        Height and width, pixels.
    mean, std, value_range
        Preprocessing of trainings: pixels from 0 to 255 become (p - 115) / 64.
    """

    mean = (115.0, 115.0, 115.0)
    std = (64.0, 64.0, 64.0)
    value_range = 255.0

    def __init__(
        self, features: OrderedDict[str, nn.Module], head: OrderedDict[str, nn.Module], size: int
    ) -> None:
        super().__init__()
        self.input_size = (size, size)
        self._order = [*features, *head]
        for name, module in (features | head).items():
            self.add_module(name, module)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From (n, 3, h, w) to (n, classes), or (n, classes, cells, cells) of the head "cells"."""
        for name in self._order:
            images = getattr(self, name)(images)
        return images

    def until(self, layer: str, images: torch.Tensor) -> torch.Tensor:
        """Run the network up to a layer and return that layer's output."""
        for name in self._order[: self._order.index(layer) + 1]:
            images = getattr(self, name)(images)
        return images

    def after(self, layer: str, maps: torch.Tensor) -> torch.Tensor:
        """Run what follows a layer on that layer's output."""
        for name in self._order[self._order.index(layer) + 1 :]:
            maps = getattr(self, name)(maps)
        return maps


def build(options: Mapping, classes: int) -> TrainedNetwork:
    """Build a network with initial weights drawn from torch's global generator.

    Parameters
    ----------
    options : mapping
        ``architecture`` (one of `ARCHITECTURES`), ``dropout`` (share of units, before fc6 and
        fc7), ``batch_norm`` (after every convolution), ``head`` (fc, gap, cells) and ``width`` (a
        factor on the last convolution's units); other keys are not looked at. vgg, googlenet and
        resnet know none of these but the head "cells".
    classes : int
        Outputs; of each cell for the head "cells".

    Raises
    ------
    InputError
        If there is no such architecture or head.
    """
    name, head = options["architecture"], options["head"]
    if name not in ARCHITECTURES:
        raise InputError(f"There is no architecture '{name}', only {', '.join(ARCHITECTURES)}.")
    if head not in HEADS:
        raise InputError(f"There is no head '{head}', only {', '.join(HEADS)}.")
    size = 64
    if name in SHAPES:
        shape = SHAPES[name]
        size = shape.input_size
        features = _alexnet_features(shape, options["batch_norm"], options["width"])
    else:
        features = {"vgg": _vgg, "googlenet": _googlenet, "resnet": _resnet}[name]()
        head = "gap" if head == "fc" else head
    with torch.no_grad():
        maps = nn.Sequential(features).eval()(torch.zeros(1, 3, size, size))
    if head == "fc":
        ending = _fully_connected(shape, maps, options["dropout"], classes)
    elif head == "gap":
        ending = OrderedDict(
            pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc8=nn.Linear(maps.shape[1], classes)
        )
    else:
        ending = OrderedDict(cells=nn.Conv2d(maps.shape[1], classes, 1))
    network = TrainedNetwork(features, ending, size)
    # At the paper's learning rate its AlexNet diverges from these; torch's own are smaller.
    if name != "caffenet":
        _initialise(network)
        with torch.no_grad():  # begin with nearly equal probabilities
            list(ending.values())[-1].weight.mul_(0.1)
    return network


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def classes_of(state: Mapping[str, torch.Tensor]) -> int:
    """Return the number of classes of saved weights: the last tensor is the last layer's bias."""
    return len(list(state.values())[-1])


def _alexnet_features(
    shape: AlexNetShape, batch_norm: bool, width: int
) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = 3
    for i, (units, kernel, groups) in enumerate(
        zip(shape.units, shape.kernels, shape.groups, strict=True)
    ):
        units *= width if i == len(shape.units) - 1 else 1
        padding = kernel // 2 if shape.padded or i else 0
        convolution = nn.Conv2d(
            inputs, units, kernel, shape.stride if i == 0 else 1, padding, groups=groups
        )
        block: list[nn.Module] = [convolution]
        if batch_norm:
            block.append(nn.BatchNorm2d(units))
        layers[f"conv{i + 1}"] = nn.Sequential(*block, nn.ReLU())
        if i < PUT_AFTER_POOL:
            layers[f"pool{i + 1}"] = _pool(shape)
            if shape.normalise and not batch_norm:
                layers[f"norm{i + 1}"] = nn.LocalResponseNorm(5)
        inputs = units
    return layers


def _pool(shape: AlexNetShape) -> nn.Module:
    return nn.MaxPool2d(3, 2, 1) if shape.padded else nn.MaxPool2d(3, 2, ceil_mode=True)


def _fully_connected(
    shape: AlexNetShape, maps: torch.Tensor, dropout: float, classes: int
) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict(pool5=_pool(shape), flat=nn.Flatten())
    inputs = layers["pool5"](maps).numel()
    for number, units in zip((6, 7), shape.hidden, strict=True):
        if dropout:
            layers[f"drop{number}"] = nn.Dropout(dropout)
        layers[f"fc{number}"] = nn.Sequential(nn.Linear(inputs, units), nn.ReLU())
        inputs = units
    layers["fc8"] = nn.Linear(inputs, classes)
    return layers


def _vgg() -> OrderedDict[str, nn.Module]:
    """VGG in the small: only 3 x 3 convolutions, pools between groups of them."""
    from torchvision.models.vgg import make_layers

    groups: OrderedDict[str, nn.Module] = OrderedDict()
    block: list[nn.Module] = []
    for layer in make_layers([12, "M", 24, "M", 48, 48, "M", 96, 96]):
        convolutions = sum(name.startswith("conv") for name in groups)
        if isinstance(layer, nn.MaxPool2d):
            groups[f"pool{convolutions}"] = layer
        elif isinstance(layer, nn.ReLU):
            # torchvision's works in place, on the output of the convolution before it.
            groups[f"conv{convolutions + 1}"] = nn.Sequential(*block, nn.ReLU())
            block = []
        else:
            block.append(layer)
    return groups


def _googlenet() -> OrderedDict[str, nn.Module]:
    """GoogLeNet in the small: two of torchvision's Inception blocks."""
    from torchvision.models.googlenet import BasicConv2d, Inception

    return OrderedDict(
        conv1=BasicConv2d(3, 24, kernel_size=5, stride=2, padding=2),
        pool1=nn.MaxPool2d(3, 2, 1),
        inception_a=Inception(24, 16, 16, 32, 8, 8, 8),
        pool2=nn.MaxPool2d(3, 2, 1),
        inception_b=Inception(64, 24, 24, 48, 8, 12, 12),
        inception_c=Inception(96, 24, 24, 48, 8, 12, 12),
    )


def _resnet() -> OrderedDict[str, nn.Module]:
    """ResNet in the small: three of torchvision's residual blocks."""
    from torchvision.models.googlenet import BasicConv2d
    from torchvision.models.resnet import BasicBlock

    def widening(inputs: int, units: int, stride: int) -> BasicBlock:
        shortcut = nn.Sequential(
            nn.Conv2d(inputs, units, 1, stride=stride, bias=False), nn.BatchNorm2d(units)
        )
        return BasicBlock(inputs, units, stride=stride, downsample=shortcut)

    return OrderedDict(
        conv1=BasicConv2d(3, 24, kernel_size=5, stride=2, padding=2),
        pool1=nn.MaxPool2d(3, 2, 1),
        layer1=BasicBlock(24, 24),
        layer2=widening(24, 48, stride=2),
        layer3=widening(48, 96, stride=1),
    )
