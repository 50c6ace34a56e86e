"""Run a network over images and keep the activation maps of its layers on disk."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch

from dissection.activations.independence import check_independence
from dissection.activations.loading import loaded_batches
from dissection.activations.outputs import LayerOutputs
from dissection.activations.receptive_field import Traced, trace_layers
from dissection.errors import InputError
from dissection.jobs.arrays import GrowingArray
from dissection.jobs.devices import best_device, device_name
from dissection.jobs.disk_space import require_room
from dissection.jobs.files import layer_file_name, whole_folder
from dissection.jobs.logs import log, progress
from dissection.networks.layers import Layer
from dissection.networks.load import Network, find_layer


def cache_activations(
    network: Network,
    layers: Sequence[str],
    load_image: Callable[[int], np.ndarray],
    images: range,
    folder: str | Path,
    dtype: str,
    batch_size: int,
    threads: int,
    image_names: Sequence[str],
) -> None:
    """Write the activation maps of some layers for some images.

    One forward pass feeds all layers. The folder gets ``<layer>.npy``, (images, units, height,
    width), and ``<layer>.json``, its `Geometry`.

    Parameters
    ----------
    network : Network
    layers : sequence of str
        Names for `find_layer`.
    load_image : callable
        From the number of an image to uint8 (h, w, 3).
    images : range
        The images of this shard; one of `shard_ranges`.
    folder : path
        Appears when it is complete.
    dtype : {"float16", "float32"}
    batch_size : int
        Every forward pass has this many images, the last one is filled up, so that the same
        arithmetic is done for each of them.
    threads : int
        Of the forward pass on a CPU. Results can differ in the last bits between numbers of
        threads, never between runs.
    image_names : sequence of str
        Names for messages, of all images.

    Raises
    ------
    InputError
        If a layer does not exist or has no maps, if an image's activations depend on the rest of
        its batch, if an activation is not finite or too large for the type, or if the disk has
        too little space.
    """
    if len(images) and images.start % batch_size:
        raise ValueError(f"{images} does not start at a multiple of {batch_size}")
    found = {layer: find_layer(network, layer) for layer in layers}
    model, device = network.model, best_device()
    model.to(device)
    with _exact_arithmetic(threads), ExitStack() as stack:
        if images:
            company = _company(load_image, network.preprocess, images, batch_size)
            check_independence(model, found, company.to(device))
        traced = trace_layers(model, found, network.input_size)
        layouts = {layer: trace.layout for layer, trace in traced.items()}
        outputs = stack.enter_context(LayerOutputs(found, getattr(torch, dtype), layouts))
        probe = outputs.run(model, torch.zeros((1, 3, *network.input_size), device=device))
        _log_calls(found, outputs.calls)
        shapes = {layer: (len(images), *probe[layer].shape[1:]) for layer in layers}
        _check_space(folder, shapes.values(), np.dtype(dtype))
        partial = stack.enter_context(whole_folder(folder))
        files = _begin_files(stack, partial, traced, shapes, dtype)

        def batches() -> Iterator[int]:
            how = (batch_size, threads, device)
            for first, batch in loaded_batches(load_image, network.preprocess, images, *how):
                count = min(batch_size, images.stop - first)
                maps = outputs.run(model, batch)
                for layer, file in files.items():
                    values = maps[layer][:count]
                    _check_finite(values, layer, first, image_names)
                    file.append(values.numpy())
                yield from range(first, first + count)

        for _ in progress(batches(), "images", total=len(images)):
            pass
    units = ", ".join(f"{layer}: {shape[1]} units" for layer, shape in shapes.items())
    log.info("%d images, %s; on: %s", len(images), units, device_name(device))


def _company(
    load_image: Callable[[int], np.ndarray],
    preprocess: Callable[[np.ndarray], torch.Tensor],
    images: range,
    batch_size: int,
) -> torch.Tensor:
    """Return inputs of the first image and of up to three others, one of them its negative."""
    first, *others = (load_image(number) for number in images[:3])
    company = [first, 255 - first, *others][: max(2, batch_size)]
    return torch.stack([preprocess(image) for image in company])


def _log_calls(layers: Mapping[str, Layer], calls: Mapping[str, int]) -> None:
    for name, layer in layers.items():
        if layer.call is None and calls[name] > 1:
            log.info(
                "Layer '%s' is called %d times on an image: the output of its last call is kept. "
                "Write %s:1 to %s:%d for one of them.",
                *(name, calls[name], name, name, calls[name]),
            )


def _begin_files(
    stack: ExitStack,
    folder: Path,
    traced: Mapping[str, Traced],
    shapes: Mapping[str, tuple[int, ...]],
    dtype: str,
) -> dict[str, GrowingArray]:
    """Write what is known before the images, and return each layer's open file for its maps."""
    names = {layer: layer_file_name(layer) for layer in shapes}
    if len(set(names.values())) < len(names):
        raise InputError(f"Two of the layers {', '.join(names)} would have the same file name.")
    opened = {}
    for layer, name in names.items():
        (folder / f"{name}.json").write_text(
            json.dumps(traced[layer].geometry.to_json(), indent=1) + "\n", encoding="utf-8"
        )
        file = GrowingArray(folder / f"{name}.npy", dtype, shapes[layer][1:])
        opened[layer] = stack.enter_context(file)
    return opened


def _check_space(folder: str | Path, shapes: Iterable[tuple[int, ...]], dtype: np.dtype) -> None:
    existing = Path(folder).resolve()
    while not existing.exists():
        existing = existing.parent
    needed = sum(math.prod(shape) * dtype.itemsize for shape in shapes)
    require_room(existing, needed, f"{folder} with {dtype} activations")


def _check_finite(values: torch.Tensor, layer: str, first: int, image_names: Sequence[str]) -> None:
    finite = torch.isfinite(values)
    if finite.all():
        return
    image, unit = (int(k) for k in torch.nonzero(~finite)[0][:2])
    name = image_names[first + image]
    found = "is not a number" if values[image, unit].isnan().any() else "is infinite"
    advice = "Check the network's weights and its preprocessing."
    if values.dtype == torch.float16 and found == "is infinite":
        found = "is larger than 65504, the largest value of float16"
        advice = "Set precision: float32. If that fails too, check the network's weights."
    raise InputError(f"Layer '{layer}', unit {unit + 1}: an activation on {name} {found}. {advice}")


@contextmanager
def _exact_arithmetic(threads: int) -> Iterator[None]:
    """Full float32 precision on a GPU, and a fixed number of threads on a CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ):
            yield
    finally:
        torch.set_num_threads(before)
