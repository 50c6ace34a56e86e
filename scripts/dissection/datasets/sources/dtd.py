"""The Describable Textures Dataset, r1.0.1: textures, one or more an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dissection.datasets.sources.files import other_contents, read_lines, remedy, require_file
from dissection.datasets.sources.records import Labels, SourceImage
from dissection.errors import InputError

WHAT = "the Describable Textures Dataset"
TABLE = "labels_joint_anno.txt"


@dataclass(frozen=True)
class Textures:
    """See `dissection.datasets.sources.records.Reader`; ``about`` is the list of codes."""

    names: Mapping[str, Sequence[str]]
    images: Sequence[SourceImage]

    def labels(self, image: SourceImage) -> Labels:
        """Return an image's textures, its own class first."""
        return Labels(whole={"texture": image.about})


def open_source(folders: Mapping[str, Path]) -> Textures:
    """Open the unpacked archive, ``folders["archive"]``.

    Raises
    ------
    InputError
        If the table of labels is missing or wrong, or a photo is missing.
    """
    folder = folders["archive"]
    table = require_file(folder, TABLE, WHAT)
    photos = folder / "images"
    if not photos.is_dir():
        raise other_contents(folder, "there is no folder images", WHAT)
    classes, textures_of = read_annotations(table)
    for file in textures_of:
        if not (photos / file).is_file():
            raise InputError(f"{photos / file} is missing, which {table} lists. {remedy(folder)}")
    code = {name: number for number, name in enumerate(classes, start=1)}
    images = [
        SourceImage(Path(file).name, photos / file, [code[name] for name in names])
        for file, names in textures_of.items()
    ]
    return Textures({"texture": classes}, images)


def read_annotations(table: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Return the classes, and the textures of each image by its path: the folder's first.

    Raises
    ------
    InputError
        If a line is not as in ``banded/banded_0006.jpg banded striped``.
    """
    textures_of: dict[str, list[str]] = {}
    classes = set()
    for place, line in enumerate(read_lines(table), start=1):
        file, *names = line.split()
        own, _, name = file.partition("/")
        # Names in the table come in alphabetical order; the image's own class is its folder.
        if not name or "/" in name or name.startswith(".") or own not in names or own == "..":
            raise InputError(
                f"{table}, line {place}: '{line[:80]}' is not CLASS/IMAGE.jpg and its classes, "
                f"the folder's among them. {remedy(table.parent)}"
            )
        textures_of[file] = [own, *(other for other in dict.fromkeys(names) if other != own)]
        classes.update(names)
    return sorted(classes), textures_of
