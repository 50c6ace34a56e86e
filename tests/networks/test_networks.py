"""Networks from every source, their preprocessing, their weights and their layers."""

import io
import pickle
import sys
import types
import warnings
import zipfile
from collections import OrderedDict
from typing import ClassVar

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from receptive_fields import receptive_field
from torch import nn

from dissection.errors import InputError
from dissection.networks import torchscript
from dissection.networks.load import Network, find_layer, load_network, torchvision_weights
from dissection.networks.preprocessing import Preprocessing
from dissection.networks.state_dicts import read_state_dict
from dissection.training.architectures import PUBLISHED, build

torch.set_num_threads(1)


def random_image(seed, height, width):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def same_weights(model, other):
    pairs = zip(model.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def small_model():
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 4, 3, stride=2),
            norm1=nn.BatchNorm2d(4),
            relu1=nn.ReLU(inplace=True),
            block=nn.Sequential(nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(inplace=True)),
        )
    )


# ---- preprocessing ---------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 999),
    st.sampled_from(["rgb", "bgr"]),
    st.sampled_from([1.0, 255.0]),
)
def test_preprocessing_is_the_formula(height, width, seed, channels, value_range):
    image = random_image(seed, height, width)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 1.5)
    found = Preprocessing((height, width), mean, std, channels, value_range)(image)
    assert found.dtype == torch.float32
    assert found.shape == (3, height, width)
    for c in range(3):
        plane = image[:, :, c if channels == "rgb" else 2 - c].astype(np.float64)
        expected = (plane / 255 * value_range - mean[c]) / std[c]
        np.testing.assert_array_equal(found[c].numpy(), expected.astype(np.float32))


def test_preprocessing_agrees_with_torchvision_where_nothing_is_cropped():
    entry = torchvision_weights("resnet18", "IMAGENET1K_V1")
    transforms = entry.transforms(resize_size=224)
    image = Image.fromarray(random_image(0, 300, 300))
    network = load_network({"torchvision": {"name": "resnet18", "weights": "IMAGENET1K_V1"}})
    assert network.input_size == (224, 224)
    torch.testing.assert_close(network.preprocess(image), transforms(image), rtol=0, atol=2e-6)


def test_the_whole_image_is_seen():
    # A wide image with a bright left and a dark right edge: a crop would lose them.
    image = np.full((100, 300, 3), 128, np.uint8)
    image[:, :20], image[:, -20:] = 255, 0
    found = Preprocessing((50, 50), (0, 0, 0), (1, 1, 1))(image)
    assert found.shape == (3, 50, 50)
    assert found[:, :, 0].min() == 1
    assert found[:, :, -1].max() == 0


def test_array_and_pil_image_are_the_same_and_grey_is_made_rgb():
    preprocess = Preprocessing((7, 5))
    image = random_image(1, 20, 30)
    assert torch.equal(preprocess(image), preprocess(Image.fromarray(image)))
    grey = Image.fromarray(image[:, :, 0])
    assert preprocess(grey).shape == (3, 7, 5)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_other_arrays_are_refused(image):
    with pytest.raises(InputError, match="must be uint8"):
        Preprocessing((4, 4))(image)


def test_caffe_input_is_bgr_up_to_255_less_the_mean(monkeypatch, tmp_path):
    calls = []

    def load_caffe(prototxt, weights):
        calls.append((prototxt, weights))
        model = small_model()
        model.input_size = (8, 8)
        model.layer_aliases = {"conv5/relu": "block.1"}
        return model

    stub = types.ModuleType("dissection.networks.caffe.load")
    stub.load_caffe = load_caffe
    monkeypatch.setitem(sys.modules, "dissection.networks.caffe.load", stub)
    (tmp_path / "net.prototxt").touch()
    spec = {"caffe": {"prototxt": str(tmp_path / "net.prototxt")}}
    network = load_network(spec, tmp_path / "net.caffemodel")
    assert calls == [(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")]
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :, 0], image[:, :, 1], image[:, :, 2] = 10, 20, 30
    expected = torch.tensor([30 - 109.5388, 20 - 118.6897, 10 - 124.6901])
    torch.testing.assert_close(network.preprocess(image)[:, 3, 3], expected, rtol=1e-7, atol=0)
    assert find_layer(network, "conv5/relu").modules == (network.model.block[1],)
    with pytest.raises(InputError, match=r"other\.prototxt does not exist"):
        load_network({"caffe": {"prototxt": tmp_path / "other.prototxt"}})


# ---- layers ----------------------------------------------------------------------------------


def test_layers_by_dotted_name_and_by_alias():
    model = small_model()
    model.layer_aliases = {"last": "block.1", "conv1": "norm1"}
    assert find_layer(model, "block.0").modules == (model.block[0],)
    assert find_layer(model, "last").modules == (model.block[1],)
    assert find_layer(model, "conv1").modules == (model.norm1,)  # an alias comes first
    network = Network(model, (8, 8), Preprocessing((8, 8)))
    assert find_layer(network, "block").modules == (model.block,)


def test_a_missing_layer_names_the_nearest_and_lists_all():
    with pytest.raises(InputError) as error:
        find_layer(small_model(), "blok.1")
    message = str(error.value)
    assert "no layer 'blok.1'" in message
    assert "Did you mean 'block.1'" in message
    assert "Its layers: conv1, norm1, relu1, block, block.0, block.1." in message


# ---- torchvision and checkpoints -------------------------------------------------------------


def test_random_weights_are_those_of_the_seed():
    one, again, other = (
        load_network({"torchvision": {"name": "resnet18", "seed": seed}}).model
        for seed in (1, 1, 2)
    )
    assert same_weights(one, again)
    assert not same_weights(one, other)
    assert not one.training
    assert not any(parameter.requires_grad for parameter in one.parameters())


@pytest.mark.parametrize("name", ["alexnet", "resnet18"])
def test_torchvision_weights_from_a_file(tmp_path, name):
    torch.manual_seed(5)
    model = torchvision.models.get_model(name, weights=None).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    network = load_network({"torchvision": {"name": name}}, tmp_path / "weights.pth")
    assert same_weights(network.model, model)
    image = network.preprocess(random_image(2, 200, 300))[None]
    with torch.inference_mode():
        assert torch.equal(network.model(image), model(image))


def test_googlenet_takes_torchvision_s_file_and_its_scaling(tmp_path):
    model = torchvision.models.googlenet(weights=None, init_weights=False, aux_logits=True)
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    network = load_network({"torchvision": {"name": "googlenet"}}, tmp_path / "weights.pth")
    assert network.model.transform_input
    assert same_weights(network.model, model)
    assert network.model(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    inception = load_network({"torchvision": {"name": "inception_v3", "weights": "DEFAULT"}})
    assert inception.input_size == (299, 299)


def test_unknown_networks_and_weights_of_torchvision_are_refused():
    with pytest.raises(InputError, match=r"no network 'resnet19'. Near: .*resnet18"):
        load_network({"torchvision": {"name": "resnet19"}})
    with pytest.raises(InputError, match="no weights 'V7' for resnet18; it has IMAGENET1K_V1"):
        load_network({"torchvision": {"name": "resnet18", "weights": "V7"}})
    with pytest.raises(InputError, match="no network 'resnet19'"):
        load_network({"checkpoint": {"architecture": "resnet19"}})


def renamed(state, rename):
    return OrderedDict((rename(key), value) for key, value in state.items())


def test_places_checkpoint_with_the_prefixes_of_several_gpus(tmp_path):
    model = torchvision.models.alexnet(num_classes=365)
    # As DataParallel over the features alone names them.
    state = renamed(model.state_dict(), lambda key: key.replace("features.", "features.module."))
    content = {"epoch": 90, "arch": "alexnet", "state_dict": state, "best_prec1": 53.2}
    torch.save(content, tmp_path / "alexnet_places365.pth.tar")
    network = load_network(
        {"checkpoint": {"architecture": "alexnet"}}, tmp_path / "alexnet_places365.pth.tar"
    )
    assert same_weights(network.model, model)
    torch.save({"state_dict": renamed(model.state_dict(), "module.{}".format)}, tmp_path / "b")
    network = load_network({"checkpoint": {"architecture": "alexnet"}}, tmp_path / "b")
    assert same_weights(network.model, model)


class Python2Pickler(pickle._Pickler):
    """Writes text as Python 2 wrote its byte strings."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_str(self, text):
        data = text.encode("latin1")
        self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
        self.memoize(text)

    dispatch[str] = save_str


def test_old_checkpoint_of_python_2(tmp_path):
    model = torchvision.models.resnet18(num_classes=365)
    state = {
        f"module.{key}": value
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")  # not yet known then
    }
    python2 = types.ModuleType("python2")
    python2.Pickler = Python2Pickler
    python2.dump = lambda value, file, protocol=2: Python2Pickler(file, protocol).dump(value)
    path = tmp_path / "resnet18_places365.pth.tar"
    torch.save(
        {"arch": "r\xe9snet18", "state_dict": state, "best_prec1": 54.65},
        path,
        pickle_module=python2,
        pickle_protocol=2,
        _use_new_zipfile_serialization=False,
    )
    assert b"U\x0astate_dict" in path.read_bytes()
    network = load_network({"checkpoint": {"architecture": "resnet18"}}, path)
    assert same_weights(network.model, model)


def test_densenet_with_the_old_names(tmp_path):
    model = torchvision.models.densenet121(num_classes=365)
    state = renamed(
        model.state_dict(),
        lambda key: key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."),
    )
    assert state.keys() != model.state_dict().keys()
    torch.save(state, tmp_path / "densenet.pth")
    network = load_network(
        {"checkpoint": {"architecture": "densenet121"}}, tmp_path / "densenet.pth"
    )
    assert same_weights(network.model, model)


def test_layers_of_other_names_are_matched_by_order_only_if_all_agree(tmp_path):
    model = build(PUBLISHED, 7)
    numbered = nn.Sequential(*model.children())
    torch.save(numbered.state_dict(), tmp_path / "numbered.pth")
    spec = {"checkpoint": {"architecture": "caffenet", "classes": 7}}
    network = load_network(spec, tmp_path / "numbered.pth")
    assert network.input_size == (227, 227)
    assert same_weights(network.model, model)
    state = numbered.state_dict()
    state.move_to_end("0.0.weight")
    torch.save(state, tmp_path / "shuffled.pth")
    with pytest.raises(InputError, match=r"do not fit.*'conv1.0.bias' is missing"):
        load_network(spec, tmp_path / "shuffled.pth")


def test_a_converted_caffenet_expects_inputs_like_torchvision_s():
    network = load_network({"checkpoint": {"architecture": "caffenet"}})
    assert torch.equal(
        network.preprocess(random_image(3, 227, 227)),
        Preprocessing((227, 227))(random_image(3, 227, 227)),
    )


def test_another_number_of_classes_is_refused(tmp_path):
    torch.save(torchvision.models.resnet18(num_classes=365).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(
        InputError,
        match=r"weights\.pth do not fit the network: 'fc\.weight' has the shape \(365, 512\), "
        r"the network \(1000, 512\)",
    ):
        load_network({"torchvision": {"name": "resnet18"}}, tmp_path / "weights.pth")


def test_missing_and_unexpected_weights_are_named(tmp_path):
    state = torchvision.models.resnet18().state_dict()
    state["extra.weight"] = state.pop("fc.bias")
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(
        InputError, match=r"'fc\.bias' is missing; 'extra\.weight' does not occur in the network"
    ):
        load_network({"torchvision": {"name": "resnet18"}}, tmp_path / "weights.pth")


HARM = []


def harm():
    HARM.append("done")


class Malicious:
    def __reduce__(self):
        return harm, ()


def test_the_malicious_object_would_do_harm():
    pickle.loads(pickle.dumps(Malicious()))
    assert HARM.pop() == "done"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, zipped):
    content = {"state_dict": {"weight": torch.zeros(2)}, "arch": Malicious()}
    torch.save(content, tmp_path / "bad.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"bad\.pth was not opened.*could run any code"):
        read_state_dict(tmp_path / "bad.pth")
    assert not HARM


@pytest.mark.parametrize("content", [b"", b"<html>gone</html>", b"PK\x03\x04 cut", b"\x80\x02}"])
def test_files_that_are_no_weights_are_refused(tmp_path, content):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.pth"):
        read_state_dict(tmp_path / "weights.pth")


def test_a_damaged_or_missing_file_is_refused(tmp_path):
    buffer = io.BytesIO()
    torch.save(small_model().state_dict(), buffer)
    (tmp_path / "cut.pth").write_bytes(buffer.getvalue()[:-300])
    with pytest.raises(InputError, match=r"cut\.pth"):
        read_state_dict(tmp_path / "cut.pth")
    with pytest.raises(InputError, match=r"none\.pth does not exist"):
        read_state_dict(tmp_path / "none.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(InputError, match="no state dict"):
        read_state_dict(tmp_path / "list.pth")


# ---- a person's own networks -----------------------------------------------------------------

PACKAGE = """
import torch
from torch import nn

def build(units=4, size=None):
    model = nn.Sequential(nn.Conv2d(3, units, 3), nn.ReLU())
    if size:
        model.input_size = size
    model.mean = [0.5, 0.5, 0.5]
    model.register_buffer("std", torch.ones(3))  # part of the network, not of the preprocessing
    return model

def nothing():
    return None
"""


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "my_networks"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "small.py").write_text(PACKAGE)
    path = list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name in [name for name in sys.modules if name.startswith("my_networks")]:
        del sys.modules[name]


def test_a_function_that_builds_a_network(package):
    spec = {"function": "my_networks.small:build", "arguments": {"units": 6, "size": [9, 8]}}
    network = load_network({"factory": spec}, search_path=package)
    assert network.model[0].out_channels == 6
    assert network.input_size == (9, 8)
    grey = np.full((9, 8, 3), 51, np.uint8)
    expected = torch.tensor([(0.2 - 0.5) / std for std in (0.229, 0.224, 0.225)])
    torch.testing.assert_close(network.preprocess(grey)[:, 0, 0], expected)
    # Options come before the model's attributes.
    spec |= {"input_size": [5, 4], "std": [1, 1, 1]}
    network = load_network({"factory": spec}, search_path=package)
    assert network.input_size == (5, 4)
    assert network.preprocess(grey)[0, 0, 0] == pytest.approx(-0.3)
    torch.save(network.model.state_dict(), package / "weights.pth")
    spec["seed"] = 3
    other = load_network({"factory": spec}, search_path=package)
    assert not same_weights(other.model, network.model)
    loaded = load_network({"factory": spec}, package / "weights.pth", package)
    assert same_weights(loaded.model, network.model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"function": "my_networks.small"}, "package.module:function"),
        ({"function": "my_networks.none:build"}, "No module named 'my_networks.none'"),
        ({"function": "my_networks.small:bild"}, "no attribute 'bild'"),
        ({"function": "my_networks.small:nothing"}, "returned a NoneType"),
        ({"function": "my_networks.small:build"}, "input size is not known"),
        ({"function": "my_networks.small:build", "input_size": [8]}, "input_size must be 2"),
        ({"function": "my_networks.small:build", "input_size": [8, 0]}, "numbers above 0"),
        (
            {"function": "my_networks.small:build", "input_size": [8, 8], "std": [1, 0, 1]},
            "std must be 3 numbers above 0",
        ),
        (
            {"function": "my_networks.small:build", "input_size": [8, 8], "channels": "gbr"},
            "channels must be rgb or bgr",
        ),
    ],
)
def test_mistakes_with_functions_are_explained(package, options, message):
    with pytest.raises(InputError, match=message):
        load_network({"factory": options}, search_path=package)


def test_exactly_one_source_is_needed():
    with pytest.raises(InputError, match="exactly one source out of trained, torchvision"):
        load_network({"layers": ["conv5"]})
    with pytest.raises(InputError, match="found torchvision, factory"):
        load_network({"torchvision": {}, "factory": {}})


def exported(model, path, dynamic=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = ({0: torch.export.Dim("images")},) if dynamic else None
        program = torch.export.export(model, (torch.zeros(2, 3, 20, 20),), dynamic_shapes=shapes)
        torch.export.save(program, path)


def scripted(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(model).save(path)


def traced(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model, torch.zeros(2, 3, 20, 20)).save(path)


class Shared(nn.Module):
    """Blocks of one type, one module used twice, a list of tensors, in-place operations."""

    class Block(nn.Module):
        def __init__(self, units):
            super().__init__()
            self.conv = nn.Conv2d(units, units, 3, padding=1)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(self.relu(self.conv(x)) - x)

    class Join(nn.Module):
        def forward(self, maps: list[torch.Tensor]):
            return torch.cat(maps, 1)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2)
        self.blocks = nn.ModuleList([self.Block(4), self.Block(4)])
        self.join = self.Join()
        self.end = nn.Sequential(self.Block(8), nn.MaxPool2d(2))

    def inner(self, x):
        maps = [x]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return self.end(self.join(maps[1:]))

    def forward(self, x):
        return self.inner(self.stem(x))


def record(model, layers, images):
    found = {}
    handles = [
        find_layer(model, name)
        .modules[0]
        .register_forward_hook(
            lambda module, inputs, output, name=name: found.update({name: output.clone()})
        )
        for name in layers
    ]
    with torch.inference_mode():
        result = model(images)
    for handle in handles:
        handle.remove()
    return result, found


@pytest.mark.parametrize(
    ("source", "save"), [("torchscript", scripted), ("torchscript", traced), ("exported", exported)]
)
def test_layers_of_a_saved_network_give_what_they_gave_before(tmp_path, source, save):
    torch.manual_seed(0)
    model = Shared().eval()
    path = tmp_path / "network.file"
    save(model, path)
    network = load_network({source: {"file": str(path), "input_size": [20, 20]}})
    layers = ["stem", "blocks.0", "blocks.1", "blocks.1.conv", "end.0", "end.1", "end"]
    if source == "torchscript":
        layers += ["blocks.0.relu", "blocks.1.relu", "end.0.relu", "join"]
    images = torch.randn(3, 3, 20, 20)
    expected, maps = record(model, layers, images)
    for _ in range(3):  # a scripted network is optimised after its first runs
        result, found = record(network.model, layers, images)
        assert torch.equal(result, expected)
        assert found.keys() == maps.keys()
        for layer in layers:
            assert torch.equal(found[layer], maps[layer]), layer
    for layer in layers:
        assert receptive_field(
            network.model, find_layer(network, layer), network.input_size
        ) == receptive_field(model, find_layer(model, layer), (20, 20))
    with pytest.raises(InputError, match=r"no layer 'blocks.2'.*Its layers: stem, "):
        find_layer(network, "blocks.2")


def test_an_export_for_a_fixed_number_of_images_is_refused(tmp_path):
    exported(small_model().eval(), tmp_path / "network.pt2", dynamic=False)
    with pytest.raises(InputError, match=r"network\.pt2 was exported for inputs.*\(2, 3, 20, 20\)"):
        load_network({"exported": {"file": tmp_path / "network.pt2", "input_size": [20, 20]}})


def test_a_scripted_network_moves_with_its_wrapper(tmp_path):
    scripted(small_model().eval(), tmp_path / "network.pt")
    spec = {"torchscript": {"file": tmp_path / "network.pt", "input_size": [20, 20]}}
    model = load_network(spec).model.to(torch.float64)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model(torch.zeros(1, 3, 20, 20, dtype=torch.float64)).dtype == torch.float64


class WithoutConvolution(nn.Module):
    """All of its operations run on the device "meta", which has shapes and no values."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(3, 1, 1))
        self.pool = nn.AvgPool2d(2)

    def forward(self, images):
        x = self.pool(self.factor * images)
        ramp = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device)
        return x + ramp * torch.tensor([2.0, 3.0], device=x.device).sum()


def test_a_traced_network_moves_with_what_it_makes(tmp_path, monkeypatch):
    model = WithoutConvolution().eval()
    traced(model, tmp_path / "network.pt")
    spec = {"torchscript": {"file": tmp_path / "network.pt", "input_size": [20, 20]}}
    images = torch.randn(4, 3, 20, 20)
    assert torch.equal(load_network(spec).model(images), model(images))
    monkeypatch.setattr(torchscript, "best_device", lambda: torch.device("meta"))
    moved = load_network(spec).model
    assert {parameter.device.type for parameter in moved.parameters()} == {"meta"}
    for _ in range(3):  # it is optimised after its first runs
        assert moved(images.to("meta")).device.type == "meta"


@pytest.mark.parametrize("source", ["torchscript", "exported"])
def test_other_files_are_refused(tmp_path, source):
    (tmp_path / "network.pt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"network\.pt cannot be read"):
        load_network({source: {"file": tmp_path / "network.pt", "input_size": [8, 8]}})
    with pytest.raises(InputError, match=r"other\.pt does not exist"):
        load_network({source: {"file": tmp_path / "other.pt", "input_size": [8, 8]}})


def test_an_exported_file_with_a_malicious_pickle_is_refused_and_not_run(tmp_path):
    exported(small_model().eval(), tmp_path / "good.pt2")
    buffer = io.BytesIO()
    torch.save((Malicious(),), buffer)
    replaced = []
    with (
        zipfile.ZipFile(tmp_path / "good.pt2") as good,
        zipfile.ZipFile(tmp_path / "bad.pt2", "w", zipfile.ZIP_STORED) as bad,
    ):
        for entry in good.infolist():
            data = good.read(entry)
            if "sample_inputs" in entry.filename:
                replaced.append(entry.filename)
                data = buffer.getvalue()
            bad.writestr(entry.filename, data)
    assert replaced
    spec = {"exported": {"file": tmp_path / "good.pt2", "input_size": [20, 20]}}
    load_network(spec)
    spec["exported"]["file"] = tmp_path / "bad.pt2"
    with pytest.raises(InputError, match=r"bad\.pt2 cannot be read"):
        load_network(spec)
    assert not HARM


# ---- networks trained here -------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"task": "scene"}, {"task": "colorization"}, {"task": "scene", "head": "gap"}]
)
def test_a_network_trained_here(tmp_path, options):
    torch.manual_seed(4)
    options = PUBLISHED | {"architecture": "alexnet"} | options
    head = {"head": "cells"} if options["task"] == "colorization" else {}
    model = build(options | head, 6).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    spec = {"title": "A", "layers": ["conv5"], "trained": options}
    network = load_network(spec, tmp_path / "weights.pt")
    assert same_weights(network.model, model)
    assert network.input_size == (64, 64)
    image = np.full((64, 64, 3), 179, np.uint8)
    assert network.preprocess(image).unique().tolist() == [1.0]  # (179 - 115) / 64
