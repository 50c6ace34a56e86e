"""One style for every figure, and one way to save it."""

import functools
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry, fontManager, get_font
from matplotlib.text import Text
from matplotlib.textpath import TextPath

from dissection.jobs.files import whole_file
from dissection.jobs.logs import log

# It says of every other font at every use that it does not have the very weight.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

P = ParamSpec("P")
R = TypeVar("R")

SLIDE = 7.2  # inches: two columns of a paper, or a slide
DPI = 300

INK = "#222222"
FAINT = "#8A8A8A"
EMPTY = "#F0F0F0"

TITLE = 8.5  # points: what a whole figure shows
SMALL = 6.0  # points: numbers on bars, names on segments
FONT = "DejaVu Sans"  # comes with matplotlib, so it is the same everywhere
BOXES = "Last Resort"  # a font of matplotlib's that has a box for every character
STYLE = {
    "font.family": FONT,
    "font.size": 7.0,
    "text.parse_math": False,  # a "$" in a concept's name is a dollar
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "pdf.fonttype": 42,  # text in the PDF stays text
}


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function in the style of the figures, whatever the user's own matplotlibrc says."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            return function(*args, **kwargs)

    return run


@styled
def save(
    figure: Figure, pdf: str | Path, png: str | Path, table: pd.DataFrame, csv: str | Path
) -> None:
    """Write a figure as PDF and PNG, and the numbers that it draws as CSV.

    The same figure gives the same bytes: no dates are written.

    Parameters
    ----------
    figure : Figure
    pdf, png, csv : path
        Files to write; each appears whole or not at all.
    table : DataFrame
        What the figure draws.
    """
    for text in figure.findobj(Text):
        text.set_fontfamily(font_families(text.get_text()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the log says it, once
        with whole_file(pdf) as path:
            figure.savefig(path, format="pdf", metadata={"CreationDate": None})
        with whole_file(png) as path:
            figure.savefig(path, format="png")
    with whole_file(csv) as path:
        table.to_csv(path, index=False)


def readable_on(color: str) -> str:
    """Black or white: the colour of text on a coloured ground.

    Examples
    --------
    >>> readable_on("#0072B2"), readable_on("#E69F00")
    ('white', '#222222')
    """
    red, green, blue = matplotlib.colors.to_rgb(color)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else INK


def font_families(text: str) -> list[str]:
    """Return the fonts that a text takes: the style's, and for other scripts installed ones.

    Matplotlib's own font knows Latin, Greek, Cyrillic, Arabic and more, but not, say, Chinese.
    What no installed font knows is drawn as boxes, and the log says so once.
    """
    unknown = frozenset(text) - _characters(fontManager.findfont(FONT)) - set("\n\r\t")
    return [FONT, *_other_fonts(unknown)] if unknown else [FONT]


@functools.cache
def _other_fonts(characters: frozenset[str]) -> tuple[str, ...]:
    """Return few installed fonts that have these characters."""
    left, found = set(characters), []
    fonts = [
        font
        for font in fontManager.ttflist
        if font.style == "normal" and not font.name.startswith(BOXES)
    ]
    while left and fonts:
        has_most = max(fonts, key=lambda font: (len(left & _known(font)), -_from_regular(font)))
        if not left & _known(has_most):
            break
        left -= _known(has_most)
        found.append(has_most.name)
    if left:
        log.warning(
            "No installed font has %s: drawn as boxes. Install one, such as Noto Sans, and delete "
            "the folder %s.",
            *("".join(sorted(left)), matplotlib.get_cachedir()),
        )
    return tuple(found)


def _from_regular(font: FontEntry) -> int:
    return abs(font.weight - 400) if isinstance(font.weight, int) else 400


def _known(font: FontEntry) -> frozenset[str]:
    try:
        return _characters(font.fname)
    except (OSError, RuntimeError):  # gone, or damaged
        return frozenset()


@functools.cache
def _characters(file: str) -> frozenset[str]:
    return frozenset(map(chr, get_font(file).get_charmap()))


def text_width(text: str, points: float) -> float:
    """Width of a text set at a size in points, in points."""
    if not text.strip():
        return 0.0
    with matplotlib.rc_context({"font.family": font_families(text)}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        return float(TextPath((0, 0), text, size=points).get_extents().width)


def spread(positions: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Move labels apart until they are at least ``gap`` from each other, as little as possible.

    Parameters
    ----------
    positions : float array (n,)
        Where the labels would stand; their order is kept, and for equal ones the given order.
    gap : float
        Least distance between neighbours.
    low, high : float
        The range that they should stay in. More labels than fit are spread evenly over it.

    Returns
    -------
    float array (n,)

    Examples
    --------
    >>> spread(np.array([5.0, 5.0, 9.0]), gap=1.0, low=0.0, high=9.5).tolist()
    [4.5, 5.5, 9.0]
    """
    from scipy.optimize import isotonic_regression  # takes as long to load as some plots to draw

    positions = np.asarray(positions, dtype=np.float64)
    count = len(positions)
    if count == 0:
        return positions
    if count > 1:
        gap = min(gap, (high - low) / (count - 1))
    order = np.argsort(positions, kind="stable")
    steps = gap * np.arange(count)
    # With the gaps taken out, "apart" becomes "not falling".
    free = isotonic_regression(positions[order] - steps).x
    placed = np.clip(free, low, high - steps[-1]) + steps
    result = np.empty(count)
    result[order] = placed
    return result


def swatch_label(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    color: str,
    *,
    offset: float,
    mark: str = "\N{BLACK SQUARE}",
) -> None:
    """Write a name beside a mark of its colour, from x rightwards (axes fraction, data y)."""
    transform = axes.get_yaxis_transform()
    axes.annotate(
        mark,
        (x, y),
        xytext=(offset, 0),
        xycoords=transform,
        textcoords="offset points",
        color=color,
        va="center_baseline",
        fontsize=7,
        annotation_clip=False,
    )
    axes.annotate(
        text,
        (x, y),
        xytext=(offset + 7, 0),
        xycoords=transform,
        textcoords="offset points",
        va="center_baseline",
        fontsize=6.5,
        annotation_clip=False,
    )
