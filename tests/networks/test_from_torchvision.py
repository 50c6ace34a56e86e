"""torchvision's classifiers: their files, their preprocessing, names that do not exist."""

import pytest
import torch
import torchvision
from PIL import Image
from small_networks import random_image, same_weights

from dissection.errors import InputError
from dissection.networks.from_torchvision import check, published_weights
from dissection.networks.load import load_network
from dissection.networks.sources import downloads

torch.set_num_threads(1)


def spec(name, weights="DEFAULT", **options):
    return {"torchvision": {"name": name, "weights": weights, **options}}


def test_preprocessing_agrees_with_torchvision_where_nothing_is_cropped():
    entry = published_weights("resnet18", "IMAGENET1K_V1")
    transforms = entry.transforms(resize_size=224)
    image = Image.fromarray(random_image(0, 300, 300))
    network = load_network(spec("resnet18", "IMAGENET1K_V1"))
    assert network.input_size == (224, 224)
    torch.testing.assert_close(network.preprocess(image), transforms(image), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ["alexnet", "resnet18"])
def test_torchvision_weights_from_a_file(tmp_path, name):
    torch.manual_seed(5)
    model = torchvision.models.get_model(name, weights=None).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    network = load_network(spec(name), [tmp_path / "weights.pth"])
    assert same_weights(network.model, model)
    image = network.preprocess(random_image(2, 200, 300))[None]
    with torch.inference_mode():
        assert torch.equal(network.model(image), model(image))


def test_googlenet_takes_torchvision_s_file_and_its_scaling(tmp_path):
    model = torchvision.models.googlenet(weights=None, init_weights=False, aux_logits=True)
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    network = load_network(spec("googlenet"), [tmp_path / "weights.pth"])
    assert network.model.transform_input
    assert same_weights(network.model, model)
    assert network.model(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    inception = load_network(spec("inception_v3"))
    assert inception.input_size == (299, 299)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("resnet19",), r"no network 'resnet19'. .*resnet18"),
        (("resnet18", "V7"), "no weights 'V7' for resnet18; it has IMAGENET1K_V1"),
        # They would fetch a backbone, are quantised, or take films or pairs of images.
        *(
            ((name,), f"'{name}' is not one of its classifiers of images")
            for name in (
                "fcn_resnet50",
                "deeplabv3_mobilenet_v3_large",
                "fasterrcnn_resnet50_fpn",
                "ssd300_vgg16",
                "quantized_resnet18",
                "r3d_18",
                "raft_small",
            )
        ),
    ],
)
def test_names_that_are_no_classifiers_are_refused(options, message, monkeypatch):
    def no_download(*arguments, **options):
        raise AssertionError("downloaded")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_download)
    network = spec(*options)
    for refuse in (
        lambda: check(network["torchvision"]),
        lambda: downloads(network),
        lambda: load_network(network),
    ):
        with pytest.raises(InputError, match=message):
            refuse()


def test_what_is_asked_for_replaces_torchvision_s_preprocessing():
    asked = {"input_size": [64, 96], "mean": [0, 0, 0], "std": [1, 1, 1], "channels": "bgr"}
    network = load_network(spec("resnet18", **asked))
    assert network.input_size == (64, 96)
    found = network.preprocess(random_image(2, 64, 96))
    expected = torch.from_numpy(random_image(2, 64, 96)[:, :, ::-1] / 255).permute(2, 0, 1)
    torch.testing.assert_close(found, expected.float())


def test_names_of_downloads_are_torchvision_s_own():
    assert downloads(spec("resnet18")) == ["ResNet18_Weights.IMAGENET1K_V1"]
    assert downloads(spec("resnet50", "IMAGENET1K_V1")) == ["ResNet50_Weights.IMAGENET1K_V1"]
