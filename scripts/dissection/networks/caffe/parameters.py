"""Parameters of layers, as those who build layers need them."""

from typing import Any

Shape = tuple[int, ...]


def need(condition: bool, problem: str) -> None:
    """Raise ValueError with the end of a sentence about a layer unless a condition holds."""
    if not condition:
        raise ValueError(problem)


def need_phase_test(layer: Any) -> None:
    """Refuse a layer that its definition runs as in training, of a type that is different then."""
    need(
        not layer.HasField("phase") or layer.phase == 1,
        "phase: TRAIN would run it as in training; take the field out",
    )


def pair(parameters: Any, name: str, letter: str, default: int | None = None) -> tuple[int, int]:
    """Return a parameter for rows and columns: one number, two, or fields that end in _h, _w."""
    values = list(getattr(parameters, name))
    by_axis = [f"{letter}_h", f"{letter}_w"]
    if any(parameters.HasField(key) for key in by_axis):
        need(not values, f"it has both {name} and {by_axis[0]} or {by_axis[1]}")
        values = [
            getattr(parameters, key) if parameters.HasField(key) else default for key in by_axis
        ]
    elif not values:
        values = [default, default]
    need(None not in values, f"{name} is missing")
    need(len(values) <= 2, f"{name} has {len(values)} values; only two dimensions are supported")
    need(name == "pad" or min(values) > 0, f"{name} must be above 0")
    return values[0], values[-1]


def counted(axis: int, shape: Shape) -> int:
    """Return an axis counted from the front; the axis of images is none for a layer."""
    need(-len(shape) <= axis < len(shape), f"axis {axis} does not exist")
    axis %= len(shape)
    need(axis > 0, "axis 0 would mix images of a batch")
    return axis
