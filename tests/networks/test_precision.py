"""Networks of another precision run in float32, from every kind of source."""

import pytest
import torch
from torch import nn

from dissection.errors import InputError
from dissection.networks.load import load_network
from dissection.networks.precision import use_float32

SIZE = (12, 10)
TYPES = (torch.float16, torch.bfloat16, torch.float64)


class Model(nn.Module):
    """With buffers, tensors and types in its code."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.register_buffer("scale", torch.rand(6, 1, 1))
        self.last = nn.Conv2d(6, 8, 3)
        self.dtype = dtype

    def forward(self, x):
        x = self.norm(self.first(x)) * self.scale
        x = x + torch.ones(6, 1, 1, dtype=self.dtype) + torch.tensor([0.5], dtype=self.dtype)
        return self.last(torch.relu(x.to(self.dtype)))


class Asking(Model):
    """Its code asks for the type of its weights."""

    def forward(self, x):
        dtype = self.first.weight.dtype
        x = self.norm(self.first(x)) * self.scale + torch.ones(6, 1, 1, dtype=dtype)
        return self.last(torch.relu(x.to(dtype)))


class Stubborn(Model):
    """Its code names a type wherever it runs."""

    def forward(self, x):
        return self.last(self.first(x).to(torch.bfloat16))


def of_type(dtype, kind=Model):
    torch.manual_seed(0)
    return kind(dtype).eval().to(dtype)


def from_file(kind, made, folder, dtype):
    example = (torch.randn(2, 3, *SIZE, dtype=dtype),)
    file = folder / "net.pt2"
    if kind == "exported":
        images = torch.export.Dim("images")
        program = torch.export.export(made, example, dynamic_shapes=({0: images},))
        torch.export.save(program, file)
    else:
        script = torch.jit.trace(made, example) if "traced" in kind else torch.jit.script(made)
        script = torch.jit.freeze(script) if "frozen" in kind else script
        script.save(file)
        kind = "torchscript"
    return load_network({kind: {"input_size": SIZE}}, [file])


@pytest.mark.filterwarnings("ignore")  # of torch, about TorchScript
@pytest.mark.parametrize("kind", ["exported", "traced", "scripted", "traced frozen"])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_files_of_another_precision(tmp_path, caplog, kind, dtype):
    made = of_type(dtype, Asking if kind == "scripted" else Model)
    with caplog.at_level("INFO", "dissection"):
        net = from_file(kind, made, tmp_path, dtype)
    assert f"weights of {str(dtype)[6:]}: it is run in float32" in caplog.text
    made.dtype = torch.float32
    with torch.inference_mode():
        x = torch.randn(3, 3, *SIZE)
        found, expected = net.model(x), made.float()(x)
    assert found.dtype == torch.float32
    # Freezing folds the normalisation into the weights, which are rounded to the type once more.
    rounded = max(1e-5, torch.finfo(dtype).eps if "frozen" in kind else 0)
    torch.testing.assert_close(found, expected, rtol=rounded, atol=4 * rounded)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_factory_s_network(caplog, dtype):
    made = of_type(dtype)
    made.dtype = torch.float32
    with caplog.at_level("INFO", "dissection"):
        use_float32(made, SIZE)
    assert {tensor.dtype for tensor in made.state_dict().values()} == {torch.float32, torch.int64}
    assert made(torch.rand(2, 3, *SIZE)).dtype == torch.float32
    assert "it is run in float32" in caplog.text


def test_a_network_of_float32_is_left_alone(caplog):
    made = of_type(torch.float32)
    before = {name: tensor.data_ptr() for name, tensor in made.state_dict().items()}
    with caplog.at_level("INFO", "dissection"):
        use_float32(made, SIZE)
    assert {name: tensor.data_ptr() for name, tensor in made.state_dict().items()} == before
    assert not caplog.text


def test_what_cannot_be_turned_is_refused():
    with pytest.raises(InputError, match=r"weights of float16 and does not run.*model\.float"):
        use_float32(of_type(torch.float16, Stubborn), SIZE)


@pytest.mark.filterwarnings("ignore")
def test_a_script_that_keeps_a_type_in_an_attribute_is_refused(tmp_path):
    """It could be any number."""
    reason = r"turned into float32 \(RuntimeError: .*type.*\)\. Turn"
    with pytest.raises(InputError, match=reason):
        from_file("scripted", of_type(torch.float64), tmp_path, torch.float64)
