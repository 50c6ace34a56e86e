"""Find the labelled images of a folder and write down which there are.

Two layouts are known: Places365 as torchvision unpacks it, with its own lists of files, and a
folder for each class.
"""

from pathlib import Path, PurePosixPath

import pandas as pd

from dissection.datasets.image_files import is_note_of_a_system
from dissection.errors import InputError
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import log, progress

INDEX = "images.csv"
CLASSES = "classes.txt"
ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp", ".tif", ".tiff"}

CATEGORIES_LIST = "categories_places365.txt"
# Part, its list, and the folders that its images may lie in, the small ones first.
PLACES365 = (
    ("train", "places365_train_standard.txt", ("data_256_standard", "data_large_standard")),
    ("held_out", "places365_val.txt", ("val_256", "val_large")),
)
CLASS_FOLDERS = (("train", "train"), ("held_out", "val"))

Images = list[tuple[str, str, int]]  # part, path, number of the class


def index_images(folder: str | Path, target: str | Path) -> None:
    """Write an index of the images in a folder.

    Parameters
    ----------
    folder : path
        Either ``train/CLASS/`` and ``val/CLASS/`` with images in them, at any depth; classes are
        numbered in the order of their names. Or Places365 as `torchvision.datasets.Places365`
        unpacks it: ``categories_places365.txt``, ``places365_train_standard.txt`` and
        ``places365_val.txt`` beside ``data_256_standard/`` and ``val_256/``, or those of the
        large images.
    target : path
        Folder that gets classes.txt, a name a line, and images.csv: part (train, held_out),
        image (its path), label (number of its class, from 0).

    Raises
    ------
    InputError
        If the folder is missing or has neither layout, if a list is wrong, or if images are
        missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"There is no folder {folder} with training images. {_layouts(folder)} Or name "
            "another folder as training_set.folder in the configuration."
        )
    if (folder / PLACES365[0][1]).is_file():
        names, images = _places365(folder)
    elif (folder / "train").is_dir():
        names, images = _class_folders(folder)
    else:
        raise InputError(f"{folder} has no layout that is known. {_layouts(folder)}")
    table = pd.DataFrame(images, columns=["part", "image", "label"])
    counts = table["part"].value_counts()
    for part in ("train", "held_out"):
        if part not in counts:
            raise InputError(f"{folder} has no images for '{part}'. {_layouts(folder)}")
    with whole_folder(target) as partial:
        (partial / CLASSES).write_text("\n".join(names) + "\n", encoding="utf-8")
        table.to_csv(partial / INDEX, index=False)
    log.info(
        "%d images to train on and %d held out, of %d classes",
        counts["train"],
        counts["held_out"],
        len(names),
    )


def _layouts(folder: Path) -> str:
    return (
        f"Put images into {folder / 'train'}/CLASS/ and {folder / 'val'}/CLASS/, or Places365 "
        f"there: {CATEGORIES_LIST}, "
        + ", ".join(f"{file} and {folders[0]}/" for _, file, folders in PLACES365)
        + ", as torchvision.datasets.Places365(small=True, download=True) unpacks them (its train "
        "and val splits; about 25 GB)."
    )


def _class_folders(folder: Path) -> tuple[list[str], Images]:
    names = _visible_folders(folder / "train")
    numbers = {name: number for number, name in enumerate(names)}
    images: Images = []
    for part, place in CLASS_FOLDERS:
        if not (folder / place).is_dir():
            continue
        found = _visible_folders(folder / place)
        unknown = [name for name in found if name not in numbers]
        if unknown:
            raise InputError(
                f"{folder / place / unknown[0]} is a class that {folder / 'train'} lacks. Give "
                "both the same classes."
            )
        for name in progress(found, "classes"):
            files = sorted(
                path
                for path in (folder / place / name).rglob("*")
                if path.suffix.lower() in ENDINGS and not is_note_of_a_system(path.name)
            )
            if part == "train" and not files:
                raise InputError(f"The class {folder / place / name} has no images. Remove it.")
            images += [(part, str(path), numbers[name]) for path in files]
    return names, images


def _visible_folders(folder: Path) -> list[str]:
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not is_note_of_a_system(path.name)
    )


def _places365(folder: Path) -> tuple[list[str], Images]:
    categories = _read_list(folder / CATEGORIES_LIST)
    names = {number: name for _, name, number in categories}
    if sorted(names) != list(range(len(categories))):
        raise InputError(
            f"{folder / CATEGORIES_LIST}: the classes are not numbered from 0 to "
            f"{len(categories) - 1}, each once. Fetch the file again."
        )
    images: Images = []
    for part, file, places in PLACES365:
        place = next((folder / name for name in places if (folder / name).is_dir()), None)
        if place is None:
            raise InputError(f"{folder} has no folder {' or '.join(places)}. {_layouts(folder)}")
        for line, name, number in progress(_read_list(folder / file), f"lines of {file}"):
            relative = PurePosixPath(name.lstrip("/"))
            where = f"{folder / file}, line {line}"
            if ".." in relative.parts:
                raise InputError(f"{where}: '{name}' lies outside {place}. Fetch the file again.")
            if number not in names:
                raise InputError(
                    f"{where}: there is no class {number} in {CATEGORIES_LIST}. Fetch both files "
                    "again."
                )
            if not (place / relative).is_file():
                raise InputError(
                    f"The image {place / relative} ({where}) is missing. Unpack its archive again."
                )
            images.append((part, str(place / relative), number))
    return [names[number] for number in sorted(names)], images


def _read_list(file: Path) -> list[tuple[int, str, int]]:
    """Return line, name and number of every line NAME NUMBER."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read ({error}). Fetch it again.") from error
    found = []
    for line, text in enumerate(lines, start=1):
        name, _, number = text.rpartition(" ")
        if not name or not number.isdecimal():
            raise InputError(
                f"{file}, line {line}: '{text[:80]}' is not a name and a number. Fetch it again."
            )
        found.append((line, name, int(number)))
    return found
