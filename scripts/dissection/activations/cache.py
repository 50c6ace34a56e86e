"""Run a network over images and keep the activation maps of its layers on disk."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dissection.activations.receptive_field import receptive_fields
from dissection.errors import InputError
from dissection.jobs.arrays import GrowingArray
from dissection.jobs.devices import best_device
from dissection.jobs.disk_space import require_room
from dissection.jobs.files import layer_file_name, whole_folder
from dissection.jobs.logs import log, progress
from dissection.networks.load import Network, find_layer


class _Finished(Exception):  # noqa: N818
    """Every wanted layer has its output: the rest of the network need not run."""


class LayerOutputs:
    """The outputs of layers in a forward pass, copied before anything can change them.

    Parameters
    ----------
    layers : dict
        Name and module of each layer.
    dtype : torch.dtype
        Of the copies, which are on the CPU.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.ReLU(inplace=True))
    >>> with LayerOutputs({"conv": model[0]}, torch.float32) as outputs:
    ...     maps = outputs.run(model, torch.zeros(2, 3, 5, 5))
    >>> maps["conv"].shape
    torch.Size([2, 4, 5, 5])
    """

    def __init__(self, layers: dict[str, torch.nn.Module], dtype: torch.dtype) -> None:
        self._layers = layers
        self._dtype = dtype
        self._calls_needed: dict[str, int] | None = None

    def __enter__(self) -> "LayerOutputs":
        self._handles = [
            module.register_forward_hook(self._hook(name)) for name, module in self._layers.items()
        ]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _hook(self, name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
            self._calls[name] += 1
            # The last one counts for a module that is called several times.
            if self._calls_needed is None or self._calls[name] == self._calls_needed[name]:
                self._outputs[name] = output.to(
                    "cpu", self._dtype, copy=True, memory_format=torch.contiguous_format
                )
            if self._calls == self._calls_needed:
                raise _Finished

        return hook

    def run(self, model: torch.nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run a batch and return each layer's output, (images, units, height, width).

        From the second batch on, the pass ends after the last layer that is wanted.
        """
        self._calls = dict.fromkeys(self._layers, 0)
        self._outputs: dict[str, torch.Tensor] = {}
        try:
            with torch.inference_mode():
                model(batch)
        except _Finished:
            return self._outputs
        self._calls_needed = self._calls
        return self._outputs


def cache_activations(
    network: Network,
    layers: Sequence[str],
    load_image: Callable[[int], np.ndarray],
    images: range,
    folder: str | Path,
    dtype: str = "float16",
    batch_size: int = 48,
    threads: int = 1,
    image_names: Sequence[str] | None = None,
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
    image_names : sequence of str, optional
        Names for messages, of all images.

    Raises
    ------
    InputError
        If a layer does not exist or has no maps, if an activation is not finite or too large for
        the type, or if the disk has too little space.
    """
    if len(images) and images.start % batch_size:
        raise ValueError(f"{images} does not start at a multiple of {batch_size}")
    modules = {layer: find_layer(network, layer) for layer in layers}
    files = {layer: layer_file_name(layer) for layer in layers}
    if len(set(files.values())) < len(layers):
        raise InputError(f"Two of the layers {', '.join(layers)} would have the same file name.")
    device = best_device()
    network.model.to(device)
    with _exact_arithmetic(threads), ExitStack() as stack:
        geometries = receptive_fields(network.model, modules, network.input_size)
        outputs = stack.enter_context(LayerOutputs(modules, getattr(torch, dtype)))
        probe = torch.zeros((1, 3, *network.input_size), device=device)
        units = {layer: maps.shape[1] for layer, maps in outputs.run(network.model, probe).items()}
        shapes = {
            layer: (len(images), units[layer], geometry.height, geometry.width)
            for layer, geometry in geometries.items()
        }
        _check_space(folder, shapes.values(), np.dtype(dtype))
        partial = stack.enter_context(whole_folder(folder))
        opened: dict[str, GrowingArray] = {}
        for layer in layers:
            (partial / f"{files[layer]}.json").write_text(
                json.dumps(geometries[layer].to_json(), indent=1) + "\n", encoding="utf-8"
            )
            file = GrowingArray(partial / f"{files[layer]}.npy", dtype, shapes[layer][1:])
            opened[layer] = stack.enter_context(file)

        def batches() -> Iterator[int]:
            loaded = _loaded(load_image, network.preprocess, images, batch_size, threads)
            for first, batch in loaded:
                count = min(batch_size, images.stop - first)
                maps = outputs.run(network.model, batch.to(device))
                for layer in layers:
                    values = maps[layer][:count]
                    _check_finite(values, layer, first, image_names)
                    opened[layer].append(values.numpy())
                yield from range(first, first + count)

        for _ in progress(batches(), "images", total=len(images)):
            pass
    log.info(
        "%d images, %s",
        len(images),
        ", ".join(f"{layer}: {units[layer]} units" for layer in layers),
    )


def _loaded(
    load_image: Callable[[int], np.ndarray],
    preprocess: Callable[[np.ndarray], torch.Tensor],
    images: range,
    batch_size: int,
    threads: int,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield (first image, batch); the next batch is loaded while this one is in use."""
    with ThreadPoolExecutor(threads) as pool:

        def load(first: int) -> list[Future[torch.Tensor]]:
            numbers = range(first, min(first + batch_size, images.stop))
            return [pool.submit(lambda n: preprocess(load_image(n)), n) for n in numbers]

        following = load(images.start)
        for first in range(images.start, images.stop, batch_size):
            loading, following = following, load(first + batch_size)
            inputs = [image.result() for image in loading]
            inputs += inputs[-1:] * (batch_size - len(inputs))
            yield first, torch.stack(inputs)


def _check_space(folder: str | Path, shapes: Iterable[tuple[int, ...]], dtype: np.dtype) -> None:
    existing = Path(folder).resolve()
    while not existing.exists():
        existing = existing.parent
    needed = sum(math.prod(shape) * dtype.itemsize for shape in shapes)
    require_room(existing, needed, f"{folder} with {dtype} activations")


def _check_finite(
    values: torch.Tensor, layer: str, first: int, image_names: Sequence[str] | None
) -> None:
    finite = torch.isfinite(values)
    if finite.all():
        return
    image, unit = (int(k) for k in torch.nonzero(~finite)[0][:2])
    number = first + image
    name = image_names[number] if image_names else f"image {number} (counted from 0)"
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
