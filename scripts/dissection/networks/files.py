"""From the files of a configured network to the network."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dissection.downloads.receipts import noted_file
from dissection.networks.load import Network, load_network


def open_network(spec: Mapping, files: Sequence[str | Path], name: str) -> Network:
    """Load a network from the files that it is made of.

    Parameters
    ----------
    spec : mapping
        One entry of the configuration's networks.
    files : sequence of paths
        A file of weights; or a folder of snapshots, then the name ends in ``@ITERATION``; for a
        network in Caffe's format its definition and its weights. A ``.json`` file is the note of
        a checked download and stands for the file that it names. Sources of a ``factory`` are
        not looked at: it is found by its name.
    name : str
        The network's name.
    """
    paths = [noted_file(file) if Path(file).suffix == ".json" else Path(file) for file in files]
    spec = dict(spec)
    if "caffe" in spec:
        spec["caffe"] = spec["caffe"] | {"prototxt": paths.pop(0)}
    elif "torchscript" in spec or "exported" in spec:
        paths = []  # the file is the network
    elif "factory" in spec:
        paths = [path for path in paths if path.suffix != ".py"]
    weights = paths[0] if paths else None
    if weights is not None and weights.is_dir():
        weights /= f"{name.rpartition('@')[2]}.pt"
    return load_network(spec, weights, search_path=Path.cwd())
