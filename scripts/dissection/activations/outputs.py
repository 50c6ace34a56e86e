"""The outputs of a network's layers in a forward pass."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch

from dissection.activations.map_layout import MapLayout
from dissection.errors import InputError
from dissection.networks.layers import Layer, every_call


class _Finished(BaseException):
    """Every wanted layer has its output: the rest of the network need not run.

    No error, so that what catches a network's errors, such as the network itself, lets it pass.
    """


class LayerOutputs:
    """The outputs of layers in a forward pass, copied before anything can change them.

    Parameters
    ----------
    layers : mapping of Layer, by name
    dtype : torch.dtype
        Of the copies, which are on the CPU.
    layouts : mapping of MapLayout, by name, optional
        How their maps are read from their outputs, where these are not the maps themselves.

    Attributes
    ----------
    calls : dict of int, by name
        How often each layer's modules were called in the last pass.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.ReLU(inplace=True))
    >>> with LayerOutputs({"conv": Layer((model[0],))}, torch.float32) as outputs:
    ...     maps = outputs.run(model, torch.zeros(2, 3, 5, 5))
    >>> maps["conv"].shape
    torch.Size([2, 4, 5, 5])
    """

    def __init__(
        self,
        layers: Mapping[str, Layer],
        dtype: torch.dtype,
        layouts: Mapping[str, MapLayout] | None = None,
    ) -> None:
        self._layers, self._dtype, self._layouts = layers, dtype, layouts or {}
        # Which call counts. None in the first pass for those whose last one does.
        self._wanted = {name: layer.call for name, layer in layers.items()}

    def __enter__(self) -> "LayerOutputs":
        with ExitStack() as stack:
            self.calls = stack.enter_context(every_call(self._layers, self._receive))
            self._hooks = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.close()

    def _receive(self, name: str, number: int, output: Any) -> None:
        if self._wanted[name] in (None, number):
            self._outputs[name] = output.to(
                "cpu", self._dtype, copy=True, memory_format=torch.contiguous_format
            )
        if len(self._outputs) == len(self._layers) and None not in self._wanted.values():
            raise _Finished

    def run(self, model: torch.nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run a batch and return each layer's output, (images, units, height, width).

        From the second batch on, the pass ends after the last layer that is wanted.

        Raises
        ------
        InputError
            If a layer is called less often than in the first pass.
        """
        self.calls.update(dict.fromkeys(self.calls, 0))
        self._outputs: dict[str, torch.Tensor] = {}
        try:
            with torch.inference_mode():
                model(batch)
        except _Finished:
            return self._maps()
        for name, wanted in self._wanted.items():
            if name not in self._outputs:
                raise InputError(
                    f"Layer '{name}' is called {self.calls[name]} times on some images and "
                    f"{wanted or 0} times on others. Choose a layer that every image reaches alike."
                )
        self._wanted = {name: wanted or self.calls[name] for name, wanted in self._wanted.items()}
        return self._maps()

    def _maps(self) -> dict[str, torch.Tensor]:
        layouts = self._layouts
        return {
            name: layouts[name].read(output) if name in layouts else output
            for name, output in self._outputs.items()
        }
