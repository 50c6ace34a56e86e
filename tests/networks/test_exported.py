"""Networks of torch.export.save."""

import io
import warnings
import zipfile

import pytest
import torch
from harmful import HARM, Malicious
from small_networks import LAYERS, Shared, assert_same_layers, small_model

from dissection.errors import InputError
from dissection.networks.load import find_layer, load_network

SPEC = {"exported": {"input_size": [20, 20]}}


def exported(model, path, dynamic=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = ({0: torch.export.Dim("images")},) if dynamic else None
        program = torch.export.export(model, (torch.zeros(2, 3, 20, 20),), dynamic_shapes=shapes)
        torch.export.save(program, path)


def test_layers_of_an_exported_network_give_what_they_gave_before(tmp_path):
    torch.manual_seed(0)
    model = Shared().eval()
    exported(model, tmp_path / "network.pt2")
    network = load_network(SPEC, [tmp_path / "network.pt2"])
    assert_same_layers(network, model, LAYERS)
    with pytest.raises(InputError, match=r"no layer 'blocks.2'.*Its layers: stem, "):
        find_layer(network, "blocks.2")


def test_an_export_for_a_fixed_number_of_images_is_refused(tmp_path):
    exported(small_model().eval(), tmp_path / "network.pt2", dynamic=False)
    with pytest.raises(InputError, match=r"network\.pt2 was exported for inputs.*\(2, 3, 20, 20\)"):
        load_network(SPEC, [tmp_path / "network.pt2"])


def test_other_files_are_refused(tmp_path):
    (tmp_path / "network.pt2").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"network\.pt2 cannot be read"):
        load_network(SPEC, [tmp_path / "network.pt2"])
    with pytest.raises(InputError, match=r"other\.pt2 does not exist"):
        load_network(SPEC, [tmp_path / "other.pt2"])


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
    load_network(SPEC, [tmp_path / "good.pt2"])
    with pytest.raises(InputError, match=r"bad\.pt2 cannot be read"):
        load_network(SPEC, [tmp_path / "bad.pt2"])
    assert not HARM
