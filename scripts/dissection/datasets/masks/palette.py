"""Numbers for the colours of masks."""

import re

import numpy as np

from dissection.errors import InputError

OTHERS = 2**16 - 1  # the number of all colours that are too many to have one each
_HEX = re.compile(r"#?([0-9a-fA-F]{6})")


def parse_colour(text: str, where: str) -> int:
    """Return a colour as one number, R 65536 + G 256 + B.

    Parameters
    ----------
    text : str
        ``#804080``, ``128 64 128``, or the latter with commas, semicolons or brackets.
    where : str
        As messages begin.

    Raises
    ------
    InputError

    Examples
    --------
    >>> parse_colour("#000102", ""), parse_colour("(0, 1, 2)", "")
    (258, 258)
    """
    found = _HEX.fullmatch(text.strip())
    if found:
        return int(found[1], 16)
    parts = re.split(r"[\s,;]+", text.strip().strip("()[]").strip())
    if len(parts) == 3 and all(re.fullmatch(r"\d{1,3}", part) for part in parts):
        red, green, blue = map(int, parts)
        if max(red, green, blue) <= 255:
            return (red << 16) | (green << 8) | blue
    raise InputError(
        f"{where}: '{text}' is no colour. Write it as #804080, or as three numbers from 0 to 255: "
        "128 64 128."
    )


def colour_text(colour: int) -> str:
    """Return a colour as a table of labels has it.

    Examples
    --------
    >>> colour_text(258)
    '#000102'
    """
    return f"#{colour:06x}"


class Palette:
    """Gives colours numbers from 1, as they come; 0 is black.

    Attributes
    ----------
    colours : list of int
        By number.
    """

    def __init__(self) -> None:
        self.colours = [0]
        self._numbers = np.full(2**24, OTHERS, np.uint16)
        self._numbers[0] = 0

    def number(self, colour: int) -> int:
        """Return the number of a colour, a new one if need be."""
        if self._numbers[colour] == OTHERS and len(self.colours) < OTHERS:
            self._numbers[colour] = len(self.colours)
            self.colours.append(colour)
        return int(self._numbers[colour])

    def numbers(self, colours: np.ndarray) -> np.ndarray:
        """Return the numbers, uint16, of colours as `packed` gives them."""
        return self._numbers[colours]


def packed(pixels: np.ndarray) -> np.ndarray:
    """Return colours, uint8 (h, w, 3), as one number each: int32 (h, w), R 65536 + G 256 + B.

    Examples
    --------
    >>> packed(np.array([[[0, 1, 2]]], np.uint8)).tolist()
    [[258]]
    """
    colours = pixels[..., 0].astype(np.int32)
    for channel in (1, 2):
        colours = (colours << 8) | pixels[..., channel]
    return colours
