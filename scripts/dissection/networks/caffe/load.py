"""Networks in Caffe's format: the paper's, or a user's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dissection.jobs.logs import log
from dissection.networks.caffe.definition import read_definition
from dissection.networks.caffe.network import CaffeNetwork, build_network
from dissection.networks.caffe.weights import read_weights
from dissection.networks.loaded import Loaded

PAPER_MEAN = (109.5388, 118.6897, 124.6901)  # blue, green, red; of values from 0 to 255


def load(options: Mapping[str, Any], files: Sequence[Path], layers: Sequence[str] | None) -> Loaded:
    """Load a network, and what its definition says of its preprocessing.

    Parameters
    ----------
    options : mapping
        ``input_size``, in place of that of the definition; ``mean``, of which is only looked at
        whether it is given.
    files : sequence of paths
        The definition, and the weights, which are random without a file.

    Notes
    -----
    Caffe's inputs are (pixel - mean) * scale, with blue first and values from 0 to 255. A
    definition that says either of mean and scale is taken at its word, with Caffe's own default,
    0 or 1, for the other. Where it says neither, or names a file for its mean, the mean is that of
    the paper's networks.
    """
    prototxt, *weights = files
    network = load_caffe(prototxt, *weights, layers=layers, input_size=options.get("input_size"))
    said = network.transform
    if said.mean_file and not said.mean_value and "mean" not in options:
        log.warning(
            "%s names a file for its mean, %s, which is not read: the mean of the paper's networks "
            "is used. If it is another one, give it as `mean`.",
            *(prototxt, said.mean_file),
        )
    if said.mean_value:
        mean = said.mean_value
    elif said.scale is None or said.mean_file:
        mean = PAPER_MEAN
    else:
        mean = (0.0,) * 3
    own = {
        "input_size": network.input_size,
        "mean": mean,
        "std": (1 / (1 if said.scale is None else said.scale),) * 3,
        "channels": "bgr",
        "value_range": 255.0,
    }
    return Loaded(network, own, network.layer_aliases)


def load_caffe(
    prototxt: str | Path,
    caffemodel: str | Path | None = None,
    layers: Sequence[str] | None = None,
    input_size: Sequence[int] | None = None,
) -> CaffeNetwork:
    """Load a network from its definition and its weights.

    Parameters
    ----------
    prototxt : path
        The definition, in any of Caffe's three forms. Of a definition for training the part for
        the phase TEST is taken, without losses.
    caffemodel : path, optional
        The weights, matched to layers by name. Without it they are drawn from torch's global
        generator (He et al., 2015, "Delving deep into rectifiers"); fillers of the definition are
        not looked at.
    layers : sequence of str, optional
        Names of layers or blobs that are needed. Only these and what they are made from are
        built, so that what else there is may be of any type. Without it all are.
    input_size : two int, optional
        Height and width of the image, in place of what the definition says.

    Returns
    -------
    CaffeNetwork
        In evaluation mode.

    Raises
    ------
    InputError
        If a file is not what it should be, a layer is of an unknown type, says what is not known
        or cannot take its input, or the weights do not fit the definition.

    Notes
    -----
    The meaning of the layers is that of BVLC's Caffe (https://github.com/BVLC/caffe).
    """
    definition = read_definition(Path(prototxt), input_size)
    weights = None if caffemodel is None else read_weights(Path(caffemodel))
    return build_network(definition, weights, layers).eval()
