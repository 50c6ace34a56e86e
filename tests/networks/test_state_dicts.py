"""Files of weights: damaged ones, ones that do not fit, and ones that would do harm."""

import io
import pickle

import pytest
import torch
import torchvision
from harmful import HARM, Malicious
from small_networks import small_model

from dissection.errors import InputError
from dissection.networks.load import load_network
from dissection.networks.state_dicts import read_state_dict

SPEC = {"torchvision": {"name": "resnet18", "weights": "DEFAULT"}}


def test_another_number_of_classes_is_refused(tmp_path):
    torch.save(torchvision.models.resnet18(num_classes=365).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(
        InputError,
        match=r"weights\.pth do not fit the network: 'fc\.weight' has the shape \(365, 512\), "
        r"the network \(1000, 512\)",
    ):
        load_network(SPEC, [tmp_path / "weights.pth"])


def test_missing_and_unexpected_weights_are_named(tmp_path):
    state = torchvision.models.resnet18().state_dict()
    state["extra.weight"] = state.pop("fc.bias")
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(
        InputError, match=r"'fc\.bias' is missing; 'extra\.weight' does not occur in the network"
    ):
        load_network(SPEC, [tmp_path / "weights.pth"])


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
