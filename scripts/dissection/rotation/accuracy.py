"""How well a layer's representation tells classes apart, in its own basis and in rotated ones.

A rotation Q of a layer's units keeps all information: whatever follows can begin with Q^T. The
network's own accuracy with Q^T put before what follows shows just that. A linear probe that is
trained on rotated features, standardised unit by unit, could fare worse: standardising depends on
the basis (paper, sections 3.2 and 3.6).
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from dissection.activations.shards import check_shards, chunks
from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.labels.segments import FIRST_WHOLE
from dissection.labels.store import LabelStore
from dissection.rotation.matrices import one_thread_each
from dissection.training.architectures import TrainedNetwork

PENALTY = 0.001  # C of the linear support vector machine (paper, section 3.6)


@torch.inference_mode()
def rotated_accuracy(
    model: TrainedNetwork,
    layer: str,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    rotations: Sequence[np.ndarray],
) -> list[float]:
    """Return the network's accuracy with a layer's output r = R f(x) and g'(r) = g(R^T r).

    Parameters
    ----------
    model : TrainedNetwork
        In evaluation mode, on the CPU or a GPU.
    layer : str
        One of the modules that the network runs one after the other, or one inside of them.
    batches : iterable of pairs
        Inputs, float32 (n, 3, h, w), and targets, int64 (n,) or (n, cells, cells). One batch is
        in memory at a time.
    rotations : sequence of float (units, units)

    Returns
    -------
    list of float, one a rotation
        Share of right answers.
    """
    device = next(model.parameters()).device
    right, total = np.zeros(len(rotations), int), 0
    matrices = [torch.from_numpy(R.astype(np.float32)).to(device) for R in rotations]
    for inputs, targets in batches:
        outputs = _rotated_outputs(model, layer, inputs.to(device), matrices)
        for i, output in enumerate(outputs):
            right[i] += int((output.argmax(1).cpu() == targets).sum())
        total += targets.numel()
    return [float(count / total) for count in right]


def _rotated_outputs(
    model: TrainedNetwork, layer: str, inputs: torch.Tensor, matrices: Sequence[torch.Tensor]
) -> Iterator[torch.Tensor]:
    """Yield the network's output for each matrix; what comes before the layer is run once."""
    block, _, inner = layer.partition(".")
    if not inner:
        maps = model.until(layer, inputs)
        for R in matrices:
            yield model.after(layer, _there_and_back(R, maps))
        return
    names = [name for name, _ in model.named_children()]
    before = names[: names.index(block)]
    maps = model.until(before[-1], inputs) if before else inputs
    for R in matrices:
        handle = model.get_submodule(layer).register_forward_hook(
            lambda module, inputs, output, R=R: _there_and_back(R, output)
        )
        try:
            yield model.after(before[-1], maps) if before else model(maps)
        finally:
            handle.remove()


def _there_and_back(R: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    rotated = torch.einsum("ij,njhw->nihw", R, maps)
    return torch.einsum("ji,njhw->nihw", R, rotated)


def pooled_features(shards: Sequence[np.ndarray]) -> np.ndarray:
    """Return each unit's mean activation in each image, float64 (images, units)."""
    images, (units, _, _) = check_shards(shards)
    features = np.empty((images, units))
    for first, chunk in chunks(shards):
        chunk.mean(axis=(2, 3), dtype=np.float64, out=features[first : first + len(chunk)])
    return features


def rotated_features(features: np.ndarray, R: np.ndarray) -> np.ndarray:
    """Return features (images, units) in a rotated basis, float64: mean activations of r = R a."""
    with one_thread_each():
        return features @ R.T


def scene_of_images(store: LabelStore) -> np.ndarray:
    """Return the scene label of each image, int64 (images,); 0 where there is not just one."""
    scene = CATEGORIES.index("scene")
    starts, whole = store.segments.starts[:, FIRST_WHOLE], store.segments.whole
    labels = np.zeros(len(store), np.int64)
    for i in range(len(store)):
        own = whole[starts[i] : starts[i + 1]]
        own = own[store.primary[own] == scene]
        if len(own) == 1:
            labels[i] = own[0]
    return labels


def too_few_scenes(splits: int) -> str:
    """Say why there is no linear probe."""
    return (
        f"A linear probe needs two scenes with at least {splits} images each; the data set "
        "has fewer. Use a data set with scene labels, or fewer rotation.probe_splits."
    )


def probed_images(labels: np.ndarray, splits: int) -> np.ndarray:
    """Return whose images a linear probe can use: bool (images,).

    Those whose label at least ``splits`` images have, or none if there is no second such label.
    0 is no label.
    """
    numbers, counts = np.unique(labels[labels > 0], return_counts=True)
    enough = numbers[counts >= splits]
    return np.isin(labels, enough) & (len(enough) > 1)


def linear_probe(
    features: np.ndarray, labels: np.ndarray, splits: int, seed: int
) -> tuple[float, float]:
    """Train a linear classifier on features and return its accuracy on images left out.

    Parameters
    ----------
    features : float (images, units)
        Standardised unit by unit, with the training images' mean and deviation.
    labels : int (images,)
        0 is no label; so is a label of fewer than ``splits`` images.
    splits : int
        The images are split into so many parts; each is tested on once.
    seed : int
        Of the split.

    Returns
    -------
    mean, spread : float
        Of the parts' accuracies; the spread is the standard error of the mean.

    Raises
    ------
    InputError
        If fewer than two labels have enough images.
    """
    chosen = probed_images(labels, splits)
    if not chosen.any():
        raise InputError(too_few_scenes(splits))
    features, labels = features[chosen], labels[chosen]
    folds = StratifiedKFold(splits, shuffle=True, random_state=seed)
    accuracies = []
    with one_thread_each():
        for train, test in folds.split(features, labels):
            # Of the two ways to the one solution, the faster one here.
            machine = LinearSVC(C=PENALTY, dual=True, random_state=0)
            probe = make_pipeline(StandardScaler(), machine)
            probe.fit(features[train], labels[train])
            accuracies.append(probe.score(features[test], labels[test]))
    return float(np.mean(accuracies)), float(np.std(accuracies, ddof=1) / np.sqrt(splits))
