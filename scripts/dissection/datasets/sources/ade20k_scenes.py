"""Names of ADE20K's scenes."""

from collections.abc import Iterable

NONE = "~"  # begins what stands in place of a scene that nobody named


def scene_codes(scenes: Iterable[str]) -> tuple[list[str], dict[str, int]]:
    """Return the scenes that are labels, sorted, and the code of each; 0 of those that are none.

    Examples
    --------
    >>> scene_codes(["street", "~not labeled", "attic"])
    (['attic', 'street'], {'attic': 1, 'street': 2, '~not labeled': 0})
    """
    found = sorted(set(scenes))
    labels = [scene for scene in found if not scene.startswith(NONE)]
    codes = {scene: code for code, scene in enumerate(labels, start=1)}
    return labels, codes | {scene: 0 for scene in found if scene.startswith(NONE)}
