"""Geometry of receptive fields, against fields measured by changing the input."""

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from receptive_fields import receptive_field
from torch import nn
from torch.nn import functional as F  # noqa: N812

from dissection.errors import InputError
from dissection.training.architectures import PUBLISHED, build

torch.set_num_threads(1)


# ---- fields measured on the network itself ---------------------------------------------------


def make_positive(model):
    """Weights and biases for which every input pixel of a field raises the output."""
    with torch.no_grad():
        for module in model.modules():
            weight = getattr(module, "weight", None)
            if isinstance(weight, torch.Tensor):
                fan_in = 1 if weight.ndim < 2 else weight[0].numel()
                weight.fill_(1 / fan_in)
            if isinstance(getattr(module, "bias", None), torch.Tensor):
                module.bias.fill_(0.01)
    return model.eval()


def measured(model, layer, size):
    """Shape of the layer's map; the input rows that reach each row of it; the same of columns."""
    model.double()
    outputs = []
    handle = layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    fields = []
    for axis in (2, 3):
        # Image k has row (column) k lit, brightly enough to win every maximum.
        images = torch.zeros(size[axis - 2] + 1, 3, *size, dtype=torch.float64)
        for k in range(size[axis - 2]):
            images[k].select(axis - 1, k).fill_(1e6)
        with torch.no_grad():
            model(images)
        maps = outputs.pop()
        changed = (maps[:-1] != maps[-1:]).amax(dim=(1, 5 - axis))  # (image, position)
        fields.append([torch.nonzero(column)[:, 0].tolist() for column in changed.T])
    handle.remove()
    model.float()
    return maps.shape[2:], fields


def assert_agrees(geometry, shape, fields, size):
    """Compare with measured fields: in the middle exactly, towards the border as bounds."""
    assert (geometry.height, geometry.width) == tuple(shape)
    for axis in (0, 1):
        middle = shape[axis] // 2
        for position, found in enumerate(fields[axis]):
            centre = geometry.centre[axis] + geometry.stride[axis] * position
            reach = (geometry.size[axis] - 1) / 2
            if position == middle:
                assert (found[0], found[-1]) == (centre - reach, centre + reach)
            assert all(abs(pixel - centre) <= reach for pixel in found)


class Branches(nn.Module):
    def __init__(self, join, *branches):
        super().__init__()
        self.join = join
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        maps = [branch(x) for branch in self.branches]
        return torch.cat(maps, 1) if self.join == "cat" else sum(maps)


class Padded(nn.Module):
    def __init__(self, pad, mode):
        super().__init__()
        self.pad, self.mode = pad, mode

    def forward(self, x):
        return F.pad(x, self.pad, mode=self.mode)


@st.composite
def convolutions(draw, channels):
    kernel = draw(st.tuples(*[st.integers(1, 4)] * 2))
    dilation = draw(st.tuples(*[st.integers(1, 2)] * 2))
    padding = draw(st.one_of(st.tuples(*[st.integers(0, 3)] * 2), st.sampled_from(["valid"])))
    stride = draw(st.tuples(*[st.integers(1, 2)] * 2))
    groups = draw(st.sampled_from([1, channels]))
    return nn.Conv2d(
        channels, channels, kernel, stride, padding, dilation, groups, bias=draw(st.booleans())
    )


@st.composite
def pools(draw):
    kernel = draw(st.integers(1, 3))
    arguments = {
        "stride": draw(st.integers(1, 2)),
        "padding": draw(st.integers(0, kernel // 2)),
        "ceil_mode": draw(st.booleans()),
    }
    if draw(st.booleans()):
        return nn.AvgPool2d(kernel, count_include_pad=draw(st.booleans()), **arguments)
    return nn.MaxPool2d(kernel, dilation=draw(st.integers(1, 2)), **arguments)


@st.composite
def branches(draw, channels):
    def branch():
        kernel, dilation = draw(st.sampled_from([(1, 1), (2, 2), (3, 1), (3, 2), (4, 2)]))
        if draw(st.booleans()):
            return nn.MaxPool2d(3, stride=1, padding=1)
        return nn.Conv2d(channels, channels, kernel, padding="same", dilation=dilation)

    parts = [branch() for _ in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        return nn.Sequential(Branches("cat", *parts), nn.Conv2d(channels * len(parts), channels, 1))
    return Branches("add", nn.Identity(), *parts)


@st.composite
def networks(draw):
    channels = 2
    layers = [nn.Conv2d(3, channels, 1)]
    for _ in range(draw(st.integers(1, 3))):
        layers.append(
            draw(
                st.one_of(
                    convolutions(channels),
                    pools(),
                    branches(channels),
                    st.builds(
                        Padded,
                        st.tuples(*[st.integers(-1, 2)] * 4),
                        st.just("constant"),
                    ),
                )
            )
        )
        layers.append(
            draw(
                st.sampled_from(
                    [nn.ReLU(inplace=True), nn.BatchNorm2d(channels), nn.Dropout(), nn.Identity()]
                )
            )
        )
    return nn.Sequential(*layers)


@settings(deadline=None, max_examples=40)
@given(networks())
def test_random_networks(model):
    size = (75, 71)
    model = make_positive(model)
    geometry = receptive_field(model, model[-1], size)
    assume(max(geometry.size) < 40)  # whole in the middle of the image
    assert_agrees(geometry, *measured(model, model[-1], size), size)


class Functional(nn.Module):
    """Written with functions alone, as importers of other formats do."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 5)
        self.two = nn.Conv2d(4, 4, 3)
        self.end = nn.Identity()

    def forward(self, x):
        x = F.pad(x, (1, 2, 0, 3))
        x = F.relu_(F.conv2d(x, self.one.weight, self.one.bias, stride=2, padding=1))
        x = F.local_response_norm(F.max_pool2d(x, 3, 2, ceil_mode=True), 3)
        x = x[:, :, 1:, ::2]
        return self.end(F.conv2d(x, self.two.weight, padding="same", dilation=2))


class ChannelShuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.split = nn.Conv2d(2, 2, 5, padding=2)
        self.end = nn.Identity()

    def forward(self, x):
        one, two = self.convolution(x).chunk(2, dim=1)
        x = torch.stack([one, self.split(two)], dim=1)  # (images, 2, 2, height, width)
        x = x.transpose(1, 2).flatten(1, 2)
        x[x < 0] = 0
        return self.end(x[:, torch.tensor([3, 1, 2, 0])])


class ChannelsLast(nn.Module):
    """Normalisation and a linear map over units, with units as the last dimension."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, stride=3, padding=1)
        self.linear = nn.Linear(4, 6)
        self.end = nn.MaxPool2d(2)

    def forward(self, x):
        x = self.convolution(x).permute(0, 2, 3, 1)
        return self.end(F.gelu(self.linear(x)).movedim(-1, 1))


class Gate(nn.Module):
    """Squeeze and excitation: a factor for each unit from the whole image."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.gate = nn.Linear(4, 4)
        self.end = nn.Identity()

    def forward(self, x):
        x = self.convolution(x)
        gate = torch.sigmoid(self.gate(x.mean((2, 3))))
        return self.end(x * gate[:, :, None, None])


@pytest.mark.parametrize("model", [Functional(), ChannelShuffle(), ChannelsLast()])
def test_networks_written_in_other_ways(model):
    size = (60, 63)
    model = make_positive(model)
    geometry = receptive_field(model, model.end, size)
    assert_agrees(geometry, *measured(model, model.end, size), size)


def test_a_gate_from_the_whole_image_has_no_place():
    model = Gate().eval()
    before = receptive_field(model, model.convolution, (32, 32))
    after = receptive_field(model, model.end, (32, 32))
    assert before == after
    assert after.size == (3, 3)


@pytest.mark.parametrize(
    ("layer", "centre", "stride"),
    [
        (nn.AdaptiveAvgPool2d(1), (19.5, 29.5), (40, 60)),
        (nn.AdaptiveMaxPool2d((4, 6)), (4.5, 4.5), (10, 10)),
        (nn.AdaptiveAvgPool2d((16, 24)), (0.75, 0.75), (2.5, 2.5)),
        (nn.Upsample(scale_factor=2), (-0.25, -0.25), (0.5, 0.5)),
        (nn.Upsample(scale_factor=2, mode="bilinear"), (-0.25, -0.25), (0.5, 0.5)),
        (nn.Upsample(size=(79, 119), mode="bilinear", align_corners=True), (0, 0), (0.5, 0.5)),
        (nn.Upsample(size=(20, 20)), (0, 0), (2, 3)),
        (nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), (-0.25, -0.25), (0.5, 0.5)),
        (nn.ConvTranspose2d(3, 2, 2, stride=2), (-0.25, -0.25), (0.5, 0.5)),
        (nn.ReflectionPad2d((1, 2, 3, 4)), (-3, -1), (1, 1)),
        (nn.ReplicationPad2d((1, 2, 3, 4)), (-3, -1), (1, 1)),
        (nn.CircularPad2d((1, 2, 3, 4)), (-3, -1), (1, 1)),
        (nn.ZeroPad2d((-2, 0, 0, -2)), (0, 2), (1, 1)),
        (nn.PReLU(), (0, 0), (1, 1)),
        (nn.Hardswish(inplace=True), (0, 0), (1, 1)),
        (nn.InstanceNorm2d(3), (0, 0), (1, 1)),
        (nn.GroupNorm(3, 3), (0, 0), (1, 1)),
    ],
    ids=str,
)
def test_centre_and_stride_of_one_operation(layer, centre, stride):
    model = nn.Sequential(layer).eval()
    geometry = receptive_field(model, model[0], (40, 60))
    assert geometry.centre == pytest.approx(centre)
    assert geometry.stride == pytest.approx(stride)


def test_upsampling_and_its_transposed_convolution_measure_where_they_say():
    # The centre of mass of what an output pixel takes from the input, averaged over a period.
    for layer in (
        nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False),
        nn.Upsample(scale_factor=2),
        nn.Upsample(scale_factor=3),
        nn.Upsample(scale_factor=2, mode="bilinear"),
    ):
        model = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), layer)
        make_positive(model)
        geometry = receptive_field(model, layer, (20, 20))
        model.double()
        period = round(1 / geometry.stride[0])
        centres = []
        for position in range(8 * period, 9 * period):
            image = torch.ones(1, 3, 20, 20, dtype=torch.float64, requires_grad=True)
            model(image)[0, 0, position].sum().backward()
            weight = image.grad.sum((0, 1, 3))
            centre = (weight * torch.arange(20)).sum() / weight.sum()
            centres.append(centre.item() - geometry.stride[0] * position)
        assert np.mean(centres) == pytest.approx(geometry.centre[0])


# ---- the networks of the paper and of torchvision --------------------------------------------


def torchvision_model(name):
    arguments = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    return torchvision.models.get_model(name, weights=None, **arguments).eval()


def test_published_centres():
    # CaffeNet conv5 at 227 is centred at 17 + 16 i, ResNet layer4 at 224 at 32 i.
    model = build(PUBLISHED, 10).eval()
    conv5 = receptive_field(model, model.conv5, (227, 227))
    assert (conv5.height, conv5.width) == (13, 13)
    assert (conv5.centre, conv5.stride) == ((17, 17), (16, 16))
    assert conv5.size == (163, 163)
    for name in ("resnet18", "resnet50"):
        model = torchvision_model(name)
        layer4 = receptive_field(model, model.layer4, (224, 224))
        assert (layer4.height, layer4.centre, layer4.stride) == (7, (0, 0), (32, 32))


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("alexnet", "features.11", (227, 227)),
        ("vgg16", "features.22", (100, 110)),
        ("googlenet", "inception4a", (200, 213)),
        ("densenet121", "features.transition1", (120, 100)),
        ("resnet18", "layer2.1", (150, 131)),
        ("squeezenet1_1", "features.7", (100, 120)),
    ],
)
def test_fields_of_torchvision_networks_are_those_of_their_gradients(name, layer, size):
    model = torchvision_model(name)
    for module in list(model.modules()):
        for key, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):  # a maximum has a gradient at one pixel alone
                average = nn.AvgPool2d(
                    child.kernel_size, child.stride, child.padding, child.ceil_mode
                )
                setattr(module, key, average)
    make_positive(model)
    geometry = receptive_field(model, model.get_submodule(layer), size)
    model.double()
    outputs = []
    model.get_submodule(layer).register_forward_hook(lambda *call: outputs.append(call[-1]))
    image = torch.ones((1, 3, *size), dtype=torch.float64, requires_grad=True)
    model(image)
    position = (geometry.height // 2, geometry.width // 2 - 1)
    assert outputs[0].shape[2:] == (geometry.height, geometry.width)
    outputs[0][0, :, position[0], position[1]].sum().backward()
    for axis in (0, 1):
        lit = torch.nonzero(image.grad.sum((0, 1, 3 - axis)))[:, 0]
        centre = geometry.centre[axis] + geometry.stride[axis] * position[axis]
        reach = (geometry.size[axis] - 1) / 2
        assert centre - reach > 0 or centre + reach < size[axis] - 1
        assert lit[0].item() == max(0, centre - reach)
        assert lit[-1].item() == min(size[axis] - 1, centre + reach)


# ---- refusals --------------------------------------------------------------------------------


class Odd(nn.Module):
    def __init__(self, operation):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)
        self.unused = nn.Conv2d(3, 4, 3)
        self.end = nn.Identity()
        self.operation = operation

    def forward(self, x):
        return self.end(self.operation(self.convolution(x)))


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda x: x.cumsum(2), "'end'.*'cumsum' is not known"),
        (lambda x: torch.cat([x, x], 2), "'cat' puts maps side by side"),
        (lambda x: x + x.mT, "'add' mixes rows with columns"),
        (lambda x: x[:, :, ::2] + x[:, :, :8], "different strides \\(1 and 2 pixels\\)"),
        (lambda x: x.index_put_((torch.tensor([0]),), torch.ones(4, 16, 16)), "writes into a part"),
        (lambda x: x.mean((2, 3)), "shape \\(1, 4\\)"),
        (lambda x: x.flatten(1), "shape \\(1, 1024\\)"),
        (lambda x: [x, x], "is a list"),
        (lambda x: torch.ones(1, 4, 8, 8), "traced back to the image"),
    ],
)
def test_a_layer_that_has_no_receptive_fields_is_refused(operation, message):
    model = Odd(operation).eval()
    with pytest.raises(InputError, match=message):
        receptive_field(model, model.end, (16, 16))
    # The layer before is not touched by what comes later.
    assert receptive_field(model, model.convolution, (16, 16)).size == (3, 3)


def test_a_layer_that_is_not_used_is_refused():
    model = Odd(torch.relu).eval()
    with pytest.raises(InputError, match="'unused' is not used"):
        receptive_field(model, model.unused, (16, 16))


def test_a_module_used_twice_has_the_field_of_its_last_use():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3, padding=1)
            self.shared = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            return self.shared(self.shared(self.first(x)))

    model = Twice().eval()
    assert receptive_field(model, model.shared, (16, 16)).size == (7, 7)


def test_hooks_are_gone_afterwards():
    model = Odd(torch.relu).eval()
    receptive_field(model, model.end, (16, 16))
    assert not model.end._forward_hooks
