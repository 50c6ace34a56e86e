"""Basic colours by their definition, a pixel at a time."""

from dissection.datasets.color_names import COLOR_NAMES, REFERENCES

BIN = 8  # levels of a channel that share a colour: the upper five bits of eight count


def lab_by_definition(rgb):
    """CIE 15 and IEC 61966-2-1, for one colour."""
    linear = []
    for value in rgb:
        v = value / 255
        linear.append(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)
    r, g, b = linear
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089

    def f(t):
        return t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29

    return 116 * f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))


def basic_color(rgb):
    """The name whose reference is nearest to the middle of the pixel's bin."""
    middle = lab_by_definition([int(value) // BIN * BIN + BIN // 2 for value in rgb])

    def distance(name):
        return min(
            sum((a - b) ** 2 for a, b in zip(middle, lab_by_definition(reference), strict=True))
            for reference in REFERENCES[name]
        )

    return min(COLOR_NAMES, key=distance)
