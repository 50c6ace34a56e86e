"""Weights of known architectures in files of their own, of today and of long ago."""

import pickle
import types
from collections import OrderedDict
from typing import ClassVar

import pytest
import torch
import torchvision
from small_networks import random_image, same_weights
from torch import nn

from dissection.errors import InputError
from dissection.networks.checkpoint import check
from dissection.networks.load import load_network
from dissection.networks.preprocessing import Preprocessing
from dissection.training.architectures import PUBLISHED, build

torch.set_num_threads(1)


def spec(architecture, classes=365, **options):
    return {"checkpoint": {"architecture": architecture, "classes": classes, **options}}


def renamed(state, rename):
    return OrderedDict((rename(key), value) for key, value in state.items())


def test_places_checkpoint_with_the_prefixes_of_several_gpus(tmp_path):
    model = torchvision.models.alexnet(num_classes=365)
    # As DataParallel over the features alone names them.
    state = renamed(model.state_dict(), lambda key: key.replace("features.", "features.module."))
    content = {"epoch": 90, "arch": "alexnet", "state_dict": state, "best_prec1": 53.2}
    torch.save(content, tmp_path / "alexnet_places365.pth.tar")
    network = load_network(spec("alexnet"), [tmp_path / "alexnet_places365.pth.tar"])
    assert same_weights(network.model, model)
    torch.save({"state_dict": renamed(model.state_dict(), "module.{}".format)}, tmp_path / "b")
    network = load_network(spec("alexnet"), [tmp_path / "b"])
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
    network = load_network(spec("resnet18"), [path])
    assert same_weights(network.model, model)


def test_densenet_with_the_old_names(tmp_path):
    model = torchvision.models.densenet121(num_classes=365)
    state = renamed(
        model.state_dict(),
        lambda key: key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."),
    )
    assert state.keys() != model.state_dict().keys()
    torch.save(state, tmp_path / "densenet.pth")
    network = load_network(spec("densenet121"), [tmp_path / "densenet.pth"])
    assert same_weights(network.model, model)


def test_layers_of_other_names_are_matched_by_order_only_if_all_agree(tmp_path):
    model = build(PUBLISHED, 7)
    numbered = nn.Sequential(*model.children())
    torch.save(numbered.state_dict(), tmp_path / "numbered.pth")
    network = load_network(spec("caffenet", 7), [tmp_path / "numbered.pth"])
    assert network.input_size == (227, 227)
    assert same_weights(network.model, model)
    state = numbered.state_dict()
    state.move_to_end("0.0.weight")
    torch.save(state, tmp_path / "shuffled.pth")
    with pytest.raises(InputError, match=r"do not fit.*'conv1.0.bias' is missing"):
        load_network(spec("caffenet", 7), [tmp_path / "shuffled.pth"])


def test_a_converted_caffenet_expects_inputs_like_torchvision_s():
    network = load_network(spec("caffenet"))
    assert torch.equal(
        network.preprocess(random_image(3, 227, 227)),
        Preprocessing((227, 227))(random_image(3, 227, 227)),
    )


def test_what_is_asked_for_replaces_imagenet_s_preprocessing():
    asked = {"mean": [109, 118, 124], "std": [1, 1, 1], "channels": "bgr", "value_range": 255}
    network = load_network(spec("resnet18", 10, input_size=[64, 64], **asked))
    image = random_image(3, 64, 64)
    expected = Preprocessing((64, 64), (109, 118, 124), (1, 1, 1), "bgr", 255)(image)
    assert torch.equal(network.preprocess(image), expected)


@pytest.mark.parametrize("name", ["resnet19", "fcn_resnet50", "caffenet2"])
def test_architectures_that_are_no_classifiers_are_refused(name):
    with pytest.raises(InputError, match=f"torchvision.*'{name}'"):
        check(spec(name)["checkpoint"])
    with pytest.raises(InputError, match=f"torchvision.*'{name}'"):
        load_network(spec(name))
    check(spec("caffenet")["checkpoint"])
