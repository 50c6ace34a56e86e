"""Scenes of whole images: by the folder that they lie in, or by a table."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from dissection.datasets.masks.files import listed
from dissection.errors import InputError
from dissection.jobs.logs import log
from dissection.jobs.tables import read_table

FOLDERS = "folders"  # of the configuration
REMEDY = "Correct the table of scenes."


def scenes_by_folder(images: Mapping[str, Path]) -> dict[str, str]:
    """Return each image's scene: the name of its folder. Images that lie in none have none.

    Examples
    --------
    >>> scenes_by_folder({"dining_room/a": Path(), "b": Path()})
    {'dining_room/a': 'dining_room'}
    """
    return {
        name: PurePosixPath(name).parent.name for name in images if PurePosixPath(name).parent.name
    }


def read_scenes(table: str | Path, images: Mapping[str, Path]) -> dict[str, str]:
    """Read a table of scenes.

    Parameters
    ----------
    table : path
        CSV with the columns image, the path below the folder of images, with or without its
        ending, and label. An image without a label, or without a row, has no scene.
    images : mapping of Path
        By their names.

    Returns
    -------
    dict of str
        By the images' names.

    Raises
    ------
    InputError
    """
    table = Path(table)
    rows = read_table(table, ["image", "label"], REMEDY, optional=[])
    with_ending = {f"{name}{path.suffix}": name for name, path in images.items()}
    scenes: dict[str, str] = {}
    seen: set[str] = set()
    lonely = []
    for line, row in rows.iterrows():
        given = row["image"].strip().replace("\\", "/")
        name = given if given in images else with_ending.get(given)
        if name is None:
            lonely.append(given)
            continue
        if name in seen:
            raise InputError(f"{table}, line {line}: the image '{given}' is listed twice. {REMEDY}")
        seen.add(name)
        if row["label"].strip():
            scenes[name] = row["label"].strip()
    if lonely:
        log.warning("%s: rows without an image: %s", table, listed(lonely))
    if not scenes:
        raise InputError(f"{table} gives no image a scene: {listed(lonely)}. {REMEDY}")
    return scenes
