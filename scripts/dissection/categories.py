"""The categories of concepts (paper, section 2.1): their order and colours everywhere.

Broden has six. A data set of one's own may have more: each job of such a run says so at its start.
"""

from collections.abc import Mapping, Sequence

# Okabe and Ito's colours, which keep apart under every kind of colour blindness; neighbours in
# this order, which is that of the stacks, also differ in lightness.
BRODENS_COLORS = {
    "object": "#0072B2",
    "part": "#56B4E9",
    "scene": "#009E73",
    "material": "#E69F00",
    "texture": "#D55E00",
    "color": "#CC79A7",
}
CATEGORY_COLORS = dict(BRODENS_COLORS)


class _Names(Sequence[str]):
    """The names of `CATEGORY_COLORS`, whatever these are at the time."""

    def __getitem__(self, place):
        return list(CATEGORY_COLORS)[place]

    def __len__(self) -> int:
        return len(CATEGORY_COLORS)

    def __contains__(self, name: object) -> bool:
        return name in CATEGORY_COLORS


CATEGORIES = _Names()


def use_categories(own: Mapping[str, str]) -> None:
    """Set this process's categories: Broden's, and then a data set's own.

    To be called before anything is read or computed.

    Parameters
    ----------
    own : dict of str
        The colour, as #rrggbb, of each; "" where nothing is drawn. A category of Broden's only
        gets the colour.

    Examples
    --------
    >>> use_categories({"organ": "#332288"})
    >>> list(CATEGORIES)[-2:]
    ['color', 'organ']
    >>> use_categories({})
    >>> len(CATEGORIES)
    6
    """
    CATEGORY_COLORS.clear()
    CATEGORY_COLORS.update(BRODENS_COLORS)
    CATEGORY_COLORS.update(own)


# What Broden puts behind the names of these categories' labels.
ENDINGS = {"color": "-c", "scene": "-s"}


def concept_name(label: str, category: str) -> str:
    """A label of a category as a person reads it: Broden marks colours by "-c", scenes by "-s".

    Examples
    --------
    >>> concept_name("dining_room-s", "scene"), concept_name("red-c", "color")
    ('dining room', 'red')
    >>> concept_name("hepatitis-c", "object")
    'hepatitis-c'
    """
    return label.removesuffix(ENDINGS.get(category, "")).replace("_", " ")
