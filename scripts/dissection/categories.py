"""The categories of concepts (paper, section 2.1): their order and colours everywhere."""

# Okabe and Ito's colours, which keep apart under every kind of colour blindness; neighbours in
# this order, which is that of the stacks, also differ in lightness.
CATEGORY_COLORS = {
    "object": "#0072B2",
    "part": "#56B4E9",
    "scene": "#009E73",
    "material": "#E69F00",
    "texture": "#D55E00",
    "color": "#CC79A7",
}
CATEGORIES = tuple(CATEGORY_COLORS)


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
