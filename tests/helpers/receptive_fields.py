"""The geometry of one module's output."""

from dissection.activations.receptive_field import trace_layers
from dissection.networks.layers import Layer


def receptive_field(model, module, input_size):
    """Of the last call of a module, or of a layer that `find_layer` found."""
    names = {module: name for name, module in model.named_modules()}
    layer = module if isinstance(module, Layer) else Layer((module,))
    name = names.get(layer.modules[0], "(unnamed)")
    return trace_layers(model, {name: layer}, input_size)[name].geometry
