"""timm's networks: their names, their own preprocessing, their weights; tokens as maps."""

import re

import numpy as np
import pytest
import timm
import torch
import yaml
from PIL import Image
from receptive_fields import receptive_field
from repository import ROOT
from safetensors.torch import save_file
from small_networks import random_image, same_weights
from timm.data import create_transform, resolve_model_data_config

from dissection.activations.cache import cache_activations
from dissection.activations.files import open_layer
from dissection.errors import InputError
from dissection.networks.from_timm import check
from dissection.networks.load import load_network
from dissection.networks.sources import downloads, own_files

torch.set_num_threads(1)

SMALL_VIT = {"img_size": [48, 32], "embed_dim": 24, "depth": 3, "num_heads": 2}


def spec(name, **options):
    return {
        "timm": {"name": name, "pretrained": True, "revision": "main", "arguments": {}} | options
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "resnet5o"}, r"timm has no network 'resnet5o'\. Did you mean 'resnet50"),
        ({"name": "vit_smal_patch16_224"}, "Did you mean 'vit_small_patch16_224'"),
        (
            {"name": "resnet50.a1_in2k"},
            r"no weights 'a1_in2k' for resnet50\. Did you mean 'a1_in1k",
        ),
        ({"name": "resnet50_clip", "pretrained": False}, ""),
        ({"name": "test_byobnet", "pretrained": True}, ""),
        ({"name": "vit_tiny_patch16_xp_no"}, "timm has no network"),
    ],
)
def test_names_are_checked(options, message):
    options = spec(**options)["timm"]
    if not message:
        check(options)
        return
    with pytest.raises(InputError, match=message):
        check(options)


def test_published_weights_are_downloads_by_name_and_revision():
    assert downloads(spec("resnet50.a1_in1k")) == ["timm--resnet50.a1_in1k@main"]
    assert downloads(spec("resnet18", revision="0a1b")) == ["timm--resnet18@0a1b"]
    assert downloads(spec("resnet18", pretrained=False)) == []
    own = spec("resnet18", file="mine.safetensors")
    assert (downloads(own), own_files(own)) == ([], ["mine.safetensors"])


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18", "mobilenetv3_small_050"])
def test_preprocessing_is_timm_s_where_nothing_is_cropped(name):
    network = load_network(spec(name, pretrained=False))
    config = resolve_model_data_config(timm.create_model(name)) | {"crop_pct": 1.0}
    image = Image.fromarray(random_image(1, 300, 300))
    expected = create_transform(**config, is_training=False)(image)
    torch.testing.assert_close(network.preprocess(image), expected, rtol=0, atol=1e-5)


def test_the_crop_that_is_left_out_is_said(caplog):
    caplog.set_level("INFO", "dissection")
    load_network(spec("vit_tiny_patch16_224", pretrained=False, arguments={"depth": 1}))
    assert "timm shows the network the middle 0.9 of an image" in caplog.text
    assert "224 x 224, bicubic" in caplog.text


def test_weights_from_files(tmp_path, caplog):
    caplog.set_level("INFO", "dissection")
    arguments = SMALL_VIT | {"num_classes": 7}
    torch.manual_seed(3)
    model = timm.create_model("vit_tiny_patch16_224", **arguments)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    network = load_network(
        spec("vit_tiny_patch16_224", arguments=arguments), [tmp_path / "w.safetensors"]
    )
    assert same_weights(network.model, model)
    assert network.input_size == (48, 32)


def test_weights_under_their_first_authors_names_are_turned_by_timm(tmp_path, caplog):
    caplog.set_level("INFO", "dissection")
    torch.manual_seed(3)
    model = timm.create_model("convnext_atto", num_classes=5, depths=(1, 1, 1, 1))
    state = model.state_dict()
    old = {}
    for key, value in state.items():  # as of Facebook's own code
        key = key.replace("stem.", "downsample_layers.0.").replace("mlp.fc", "pwconv")
        key = (
            key.replace("conv_dw", "dwconv").replace("head.fc", "head").replace("head.norm", "norm")
        )
        for stage in range(4):
            key = key.replace(f"stages.{stage}.downsample", f"downsample_layers.{stage}")
            key = key.replace(f"stages.{stage}.blocks", f"stages.{stage}")
        old[key] = value
    assert old.keys() != state.keys()
    torch.save({"model": old}, tmp_path / "w.pth")
    options = {"arguments": {"num_classes": 5, "depths": [1, 1, 1, 1]}}
    network = load_network(spec("convnext_atto", **options), [tmp_path / "w.pth"])
    assert same_weights(network.model, model)
    assert "its names and shapes are turned into those of the network" in caplog.text
    options["arguments"]["num_classes"] = 6  # no random head is put in the other's place
    with pytest.raises(InputError):
        load_network(spec("convnext_atto", **options), [tmp_path / "w.pth"])


def test_a_vit_for_images_of_another_size_has_its_positions_resized(tmp_path):
    model = timm.create_model("vit_tiny_patch16_224", depth=1)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    options = {"arguments": {"depth": 1}, "input_size": [96, 64]}
    network = load_network(spec("vit_tiny_patch16_224", **options), [tmp_path / "w.safetensors"])
    assert network.input_size == (96, 64)
    assert network.model.pos_embed.shape == (1, 1 + 6 * 4, 192)
    assert torch.equal(network.model.patch_embed.proj.weight, model.patch_embed.proj.weight)
    network.model(torch.zeros(1, 3, 96, 64))


def cached(network, layers, folder, count=3):
    images = [random_image(seed, 60, 50) for seed in range(count)]
    names = [f"{number}.jpg" for number in range(count)]
    cache_activations(
        network, layers, images.__getitem__, range(count), folder, "float32", 2, 1, names
    )
    return torch.stack([network.preprocess(image) for image in images])


def test_a_vit_is_dissected(tmp_path):
    arguments = SMALL_VIT | {"num_classes": 0, "reg_tokens": 2}
    network = load_network(spec("vit_tiny_patch16_224", pretrained=False, arguments=arguments))
    inputs = cached(network, ["blocks.1", "norm", "patch_embed"], tmp_path / "out")
    _, inner = network.model.forward_intermediates(inputs, indices=[1], norm=False)
    with torch.no_grad():
        last = network.model.forward_features(inputs)[:, 3:]  # behind class and registers
    expected = {
        "blocks.1": inner[0],
        "norm": last.transpose(1, 2).reshape(3, 24, 3, 2),
        "patch_embed": network.model.patch_embed(inputs).transpose(1, 2).reshape(3, 24, 3, 2),
    }
    for layer, maps in expected.items():
        found, geometry = open_layer(tmp_path / "out", layer)
        assert found.shape == (3, 24, 3, 2)
        np.testing.assert_allclose(found, maps.numpy(), rtol=0, atol=1e-5)
        assert geometry.centre == (7.5, 7.5)
        assert (geometry.stride, geometry.size) == ((16, 16), (16, 16))


def test_a_swin_is_dissected(tmp_path):
    arguments = {"img_size": [64, 96], "embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2],
                 "window_size": 4, "num_classes": 0}  # fmt: skip
    network = load_network(
        spec("swin_tiny_patch4_window7_224", pretrained=False, arguments=arguments)
    )
    inputs = cached(network, ["layers.0", "layers.1.blocks.1"], tmp_path / "out")
    with torch.no_grad():
        _, inner = network.model.forward_intermediates(inputs, output_fmt="NCHW")
    for layer, maps, stride in (
        ("layers.0", inner[0], 4), ("layers.1.blocks.1", inner[1], 8)
    ):  # fmt: skip
        found, geometry = open_layer(tmp_path / "out", layer)
        assert found.shape == (3, *maps.shape[1:])
        np.testing.assert_allclose(found, maps.numpy(), rtol=0, atol=1e-5)
        assert geometry.stride == (stride, stride)
        assert geometry.centre == ((stride - 1) / 2, (stride - 1) / 2)


# Of many kinds: the layer and its stride, where all positions of the map are found.
KINDS = {
    "deit_tiny_distilled_patch16_224": ("blocks.1", 16),
    "vit_small_patch16_dinov3": ("blocks.0", 16),
    "beit_base_patch16_224": ("blocks.0.attn", 16),
    "swinv2_cr_tiny_224": ("stages.0", 4),
    "swinv2_tiny_window8_256": ("layers.0", 4),
    "convnext_atto": ("stages.1", 8),
    "mixer_s16_224": ("blocks.0", 16),
    "maxvit_rmlp_pico_rw_256": ("stages.0", 4),
    "xcit_nano_12_p16_224": ("blocks.0", 16),
    "pvt_v2_b0": ("stages.1", 8),
    "efficientnet_lite0": ("blocks.2", 8),
    "regnety_002": ("s2", 8),
}


@pytest.mark.parametrize("name", KINDS)
def test_many_kinds_have_a_geometry(name):
    model = timm.create_model(name).eval()
    layer, stride = KINDS[name]
    size = resolve_model_data_config(model)["input_size"][1:]
    geometry = receptive_field(model, model.get_submodule(layer), size)
    assert geometry.stride == (stride, stride)
    assert (geometry.height, geometry.width) == tuple(pixels // stride for pixels in size)


def test_the_readme_s_networks_are_there():
    text = (ROOT / "README.md").read_text()
    section = re.search(r"^## Networks of today\n(.*?)^## ", text, re.M | re.S)
    networks = yaml.safe_load(re.search(r"```yaml\n(.*?)```", section[1], re.S)[1])
    for entry in networks.values():
        options = {"pretrained": True, "arguments": {}} | entry["timm"]
        check(options)
        model = timm.create_model(options["name"])
        assert all(name in dict(model.named_modules()) for name in entry["layers"])
