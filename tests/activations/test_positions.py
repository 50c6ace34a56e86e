"""What of a network's operations positions are followed through, and what is refused, and why.

Everything that is followed is checked against gradients: which pixels reach a position of the map.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from dissection.activations.receptive_field import trace_layers
from dissection.errors import InputError
from dissection.networks.layers import Layer

torch.set_num_threads(1)

SIZE = (44, 36)
H, W, C = 22, 18, 4  # of the map that operations get


class Network(nn.Module):
    def __init__(self, operation):
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Conv2d(3, C, 3, stride=2, padding=1)
        self.wide = nn.Conv2d(C, C, 5, padding=2)
        self.linear = nn.Linear(C, C)
        self.merge = nn.Linear(4 * C, C)
        self.over_tokens = nn.Linear(H * W, H * W)
        self.attention = nn.MultiheadAttention(C, 2, batch_first=True)
        self.end = nn.Identity()
        self.operation = operation
        for parameter in self.parameters():  # so that nothing cancels out
            parameter.data.abs_().add_(0.01)

    def forward(self, image):
        return self.end(self.operation(self, self.first(image)))


def tokens(x):
    return x.flatten(2).transpose(1, 2)


def as_map(t):
    return t.transpose(1, 2).unflatten(2, (H, W))


def with_class(t, before=1, behind=0):
    parts = [torch.ones(len(t), before, C), t, torch.ones(len(t), behind, C)]
    return torch.cat(parts, 1)


def heads(t):
    return t.unflatten(2, (2, C // 2)).transpose(1, 2)


def attended(query, rest):
    """By hand; what is gathered is cut off the gradient, which shows the query's place alone."""
    key = value = heads(rest.detach())
    weights = (heads(query) @ key.transpose(-2, -1)).softmax(-1)
    return (weights @ value).transpose(1, 2).flatten(2)


def non_local(net, x):
    """With values times weights instead of weights times values."""
    key = value = x.detach().flatten(2)
    weights = torch.bmm(x.flatten(2).transpose(1, 2), key).softmax(-1)
    return torch.bmm(value, weights.transpose(1, 2)).view(x.shape)


def windows(x, size=2):
    b, c, h, w = x.shape
    x = x.view(b, c, h // size, size, w // size, size).permute(0, 2, 4, 3, 5, 1)
    return x.reshape(-1, size * size, c)


def unwindowed(t, h=H, w=W, size=2):
    x = t.view(-1, h // size, w // size, size, size, t.shape[-1])
    return x.permute(0, 5, 1, 3, 2, 4).reshape(len(x), t.shape[-1], h, w)


def shifted_windows(net, x):
    x = torch.roll(x, (-1, -1), (2, 3))
    t = windows(x)
    return torch.roll(unwindowed(attended(t, t)), (1, 1), (2, 3))


def padded_windows(net, x):
    t = windows(F.pad(x, (0, 2, 0, 0)))
    return unwindowed(t.relu(), w=W + 2)[..., :W]


def merged_patches(net, x):
    x = x.permute(0, 2, 3, 1).reshape(1, H // 2, 2, W // 2, 2, C).permute(0, 1, 3, 4, 2, 5)
    return net.merge(F.layer_norm(x.flatten(3), (4 * C,)).flatten(3).abs() + x.flatten(3))


def written(net, x):
    out = torch.zeros_like(x)
    out[:] = x
    return out + 1


# What is followed, and whether the gradients show the fields exactly.
FOLLOWED = {
    "tokens": (lambda net, x: tokens(x), True),
    "tokens, units first": (lambda net, x: x.flatten(2), True),
    "tokens behind a class": (lambda net, x: with_class(tokens(x)), True),
    "tokens among registers": (lambda net, x: with_class(tokens(x), 2, 3), True),
    "class taken away": (lambda net, x: with_class(tokens(x))[:, 1:], True),
    "class padded": (lambda net, x: F.pad(tokens(x), (0, 0, 1, 0)), True),
    "tokens and back": (lambda net, x: as_map(net.linear(tokens(x))), True),
    "linear over units": (lambda net, x: net.linear(x.permute(0, 2, 3, 1)), True),
    "rows and columns exchanged": (lambda net, x: x.mT, True),
    "attention": (
        lambda net, x: F.scaled_dot_product_attention(
            heads(tokens(x)), *[heads(tokens(x)).detach()] * 2
        ).transpose(1, 2).flatten(2),
        True,
    ),
    "attention by hand": (lambda net, x: attended(tokens(x), with_class(tokens(x))), True),
    "torch's attention": (
        lambda net, x: net.attention(tokens(x), *[tokens(x).detach()] * 2, need_weights=False)[0],
        True,
    ),
    "non-local block": (non_local, True),
    "attention beside a path": (
        lambda net, x: x + as_map(attended(tokens(x), tokens(x))), True,
    ),
    "tokens mixed beside a path": (
        lambda net, x: tokens(x) + net.over_tokens(x.flatten(2)).mT.detach(), True,
    ),
    "covariance of units": (
        lambda net, x: (x.flatten(2) @ tokens(x)).detach() @ x.flatten(2), True,
    ),
    "windows": (lambda net, x: unwindowed(windows(x).relu()), True),
    "shifted windows": (shifted_windows, True),
    "padded windows": (padded_windows, True),
    "merged patches": (merged_patches, True),
    "pixel_shuffle": (lambda net, x: F.pixel_shuffle(x, 2), True),
    "pixel_unshuffle": (lambda net, x: F.pixel_unshuffle(x, 2), True),
    "unfold": (lambda net, x: F.unfold(x, (3, 2), padding=1, stride=2), True),
    "unfold of a tensor": (lambda net, x: x.unfold(2, 3, 2).unfold(3, 2, 1).sum((-1, -2)), True),
    "einsum as 1 x 1": (
        lambda net, x: torch.einsum("bchw,oc->bohw", x, net.linear.weight), True,
    ),
    "mirrored twice": (lambda net, x: net.wide(x.flip(3)).flip(3), True),
    "mirrored windows": (
        lambda net, x: F.avg_pool2d(F.pad(x.flip(2), (0, 0, 1, 2)), 3, 2).flip(2), True,
    ),
    "rolled and back": (lambda net, x: torch.roll(torch.roll(x, 3, 2).relu(), -3, 2), True),
    "shape alone": (lambda net, x: x + torch.ones_like(net.wide(x)), True),
    "emptied in place": (lambda net, x: x + net.wide(x).zero_(), True),
    "written as a whole": (written, True),
    "decoder, corners aligned": (
        lambda net, x: x + F.interpolate(
            F.avg_pool2d(x, 2), size=(H, W), mode="bilinear", align_corners=True
        ),
        False,
    ),
    "decoder, odd sizes": (
        lambda net, x: x + F.interpolate(
            F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)[:, :, :, :9], size=x.shape[2:],
            mode="bilinear",
        ),
        False,
    ),
    "decoder, two steps": (
        lambda net, x: torch.cat([
            x, F.interpolate(F.avg_pool2d(x, 3, 5, 1, ceil_mode=True), size=x.shape[2:])
        ], 1),
        False,
    ),
}  # fmt: skip


def traced(operation):
    net = Network(operation).eval().requires_grad_(False)
    return net, trace_layers(net, {"end": Layer((net.end,))}, SIZE)["end"]


@pytest.mark.parametrize("case", FOLLOWED)
def test_fields_are_those_of_gradients(case):
    operation, exact = FOLLOWED[case]
    net, (geometry, layout) = traced(operation)
    net.double()
    torch.set_default_dtype(torch.float64)
    try:
        image = torch.rand(1, 3, *SIZE) + 0.5
        image.requires_grad_(True)
        maps = layout.read(net(image))
        assert maps.shape[2:] == (geometry.height, geometry.width)
        for axis in (0, 1):
            lit = _lit(maps, image, axis)
            stride, centre = geometry.stride[axis], geometry.centre[axis]
            first, last = (
                [pixels[end] - i * stride for i, pixels in enumerate(lit)] for end in (0, -1)
            )
            reach = (geometry.size[axis] - 1) / 2
            assert min(first) >= centre - reach - 1e-6
            assert max(last) <= centre + reach + 1e-6
            if exact:
                inner = [pixels[0] > 0 and pixels[-1] < SIZE[axis] - 1 for pixels in lit]
                assert any(inner)
                box = [
                    choose(end for end, whole in zip(ends, inner, strict=True) if whole)
                    for ends, choose in ((first, min), (last, max))
                ]
                assert sum(box) / 2 == pytest.approx(centre)
    finally:
        torch.set_default_dtype(torch.float32)


def _lit(maps, image, axis):
    """Which rows (columns) of the image reach each row (column) of the map, at its middle."""
    middle = maps.select(3 - axis, maps.shape[3 - axis] // 2).sum((0, 1))
    found = []
    for value in middle:
        (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
        found.append(torch.nonzero(gradient.abs().sum((0, 1, 3 - axis)) > 1e-12)[:, 0].tolist())
    return found


@pytest.mark.parametrize("case", ["tokens", "tokens among registers", "linear over units",
                                  "rows and columns exchanged", "unfold"])  # fmt: skip
def test_maps_are_read_from_outputs_of_several_images(case):
    net, (_, layout) = traced(FOLLOWED[case][0])
    images = torch.rand(3, 3, *SIZE)
    plain = net.first(images)
    expected = {"linear over units": net.linear(plain.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)}
    if case == "unfold":
        rows, columns = (H + 2 - 3) // 2 + 1, (W + 2 - 2) // 2 + 1
        expected[case] = F.unfold(plain, (3, 2), padding=1, stride=2).view(3, -1, rows, columns)
    torch.testing.assert_close(layout.read(net(images)), expected.get(case, plain))


def halves_written(net, x):
    out = torch.empty_like(x)
    out[:, :2], out[:, 2:] = x[:, :2], x[:, 2:]
    return out


LOST = "does not have rows and columns of the image"
DIVIDED = "divided into windows or heads"
REFUSED = {
    "rolled": (lambda net, x: torch.roll(x, 2, 2), "is rolled over the border"),
    "rolled rows in one": (lambda net, x: torch.roll(x, 2), "'roll' moves positions"),
    "rolled beside a path": (lambda net, x: torch.roll(x, 2, 2) + x, "'add' joins a map that was"),
    "rolled, then windows": (lambda net, x: net.wide(torch.roll(x, 2, 2)), "was rolled over"),
    "rolled windows": (lambda net, x: windows(x).roll(1, 0), "'roll' mixes rows or columns"),
    "mirrored": (lambda net, x: x.flip(3), "is a mirror image"),
    "mirrored beside a path": (lambda net, x: x.flip(3) + x, "different strides"),
    "windows": (lambda net, x: windows(x), DIVIDED),
    "heads": (lambda net, x: heads(tokens(x)), DIVIDED),
    "images second": (lambda net, x: tokens(x).transpose(0, 1), DIVIDED),
    "rows among units": (lambda net, x: x.reshape(1, 2 * C, H // 2, W), DIVIDED),
    "one row of windows": (lambda net, x: x.unflatten(2, (2, H // 2))[:, :, 0], "takes the image"),
    "tokens of a query of its own": (
        lambda net, x: F.scaled_dot_product_attention(torch.ones(1, 9, C), tokens(x), tokens(x)),
        LOST,
    ),
    "tokens mixed": (lambda net, x: net.over_tokens(x.flatten(2)), LOST),
    "a class alone": (lambda net, x: with_class(tokens(x))[:, :1], LOST),
    "one token": (lambda net, x: tokens(x)[:, 7:8], "'slice' takes the image apart"),
    "tokens in another order": (
        lambda net, x: tokens(x)[:, torch.randperm(H * W)], "'index' takes the image apart",
    ),
    "tokens divided wrongly": (lambda net, x: tokens(x).reshape(1, -1, 12, C), "'reshape' mixes"),
    "windows put back at other places": (
        lambda net, x: x + windows(x).view(1, H // 2, W // 2, 2, 2, C).permute(
            0, 5, 1, 4, 2, 3
        ).reshape(x.shape),
        "'add' mixes rows with columns",
    ),
    "fold": (
        lambda net, x: F.fold(F.unfold(x, 3, padding=1), (H, W), 3, padding=1),
        "'col2im' is not known",
    ),
    "transform": (lambda net, x: torch.fft.rfft2(x).abs(), "'fft_rfft2' is not known|'_fft"),
    "written in parts": (halves_written, "written one by one"),
    "shape alone": (lambda net, x: torch.ones_like(x), "traced back to the image"),
    "maps of other scales": (lambda net, x: x[:, :, ::2] + x[:, :, :11], "different strides"),
    "an interpolated map of another scale": (
        lambda net, x: x[:, :, : H // 2] + F.interpolate(F.avg_pool2d(x, 4), (H // 2, W)),
        "different strides",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_loses_positions_is_refused(case):
    operation, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        traced(operation)
