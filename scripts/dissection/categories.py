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


def concept_name(label: str) -> str:
    """A label as a person reads it: Broden marks colours by "-c" and scenes by "-s".

    Examples
    --------
    >>> concept_name("dining_room-s"), concept_name("red-c"), concept_name("zigzagged")
    ('dining room', 'red', 'zigzagged')
    """
    return label.removesuffix("-c").removesuffix("-s").replace("_", " ")
