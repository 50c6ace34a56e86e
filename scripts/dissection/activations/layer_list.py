"""The layers of a network, for a person who chooses among them."""

from dissection.activations.receptive_field import layer_fields
from dissection.errors import InputError
from dissection.networks.layers import Layer, modules_by_name
from dissection.networks.load import Network

COLUMNS = ("layer", "output", "units", "receptive field", "step", "")


def list_layers(network: Network) -> list[tuple[str, ...]]:
    """Return the layers of a network, in the order in which they are first called.

    Parameters
    ----------
    network : Network

    Returns
    -------
    list of tuples of str
        Name, shape of the output for one image, units, receptive field and step between positions
        in pixels of the input (rows x columns), and a note: why the layer cannot be dissected, or
        how to name one of several calls.
    """
    modules, aliases = modules_by_name(network.model), network.layer_aliases
    targets = {**aliases, **{name: name for name in modules if name not in aliases}}
    certain = {
        name: Layer(modules[target])
        for name, target in targets.items()
        if target not in network.uncertain
    }
    rows = []
    for name, field in layer_fields(network.model, certain, network.input_size).items():
        shape = "" if field.shape is None else " x ".join(map(str, field.shape[1:]))
        if isinstance(field.traced, InputError):
            reason = str(field.traced).removeprefix(f"Layer '{name}'").lstrip(": ")
            reason = reason.removeprefix("cannot be dissected: ")
            rows.append((name, shape, "", "", "", f"no: {reason}"))
            continue
        geometry, layout = field.traced
        note = (
            f"call {field.calls} of {field.calls}; others: {name}:1 ..." if field.calls > 1 else ""
        )
        size, stride = (
            " x ".join(f"{n:g}" for n in pair) for pair in (geometry.size, geometry.stride)
        )
        rows.append((name, shape, str(field.shape[layout.unit_dim]), size, stride, note))
    unknown = "no: the network's file does not tell its calls from those of other modules"
    return rows + [(name, "", "", "", "", unknown) for name in targets if name not in certain]


def layer_table(rows: list[tuple[str, ...]]) -> str:
    """Set the rows of `list_layers` as a table of text, with headings.

    Examples
    --------
    >>> print(layer_table([("conv1", "8 x 31 x 31", "8", "3 x 3", "2 x 2", "")]))
    layer  output       units  receptive field  step
    conv1  8 x 31 x 31  8      3 x 3            2 x 2
    """
    rows = [COLUMNS, *rows]
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)
