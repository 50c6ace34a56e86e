"""Load a network in Caffe's format."""

from collections.abc import Sequence
from pathlib import Path

from dissection.networks.caffe.definition import read_definition
from dissection.networks.caffe.network import CaffeNetwork, build_network
from dissection.networks.caffe.weights import read_weights


def load_caffe(
    prototxt: str | Path,
    caffemodel: str | Path | None = None,
    layers: Sequence[str] | None = None,
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
    definition = read_definition(Path(prototxt))
    weights = None if caffemodel is None else read_weights(Path(caffemodel))
    return build_network(definition, weights, layers).eval()
