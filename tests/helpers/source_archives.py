"""Small archives in the formats of the data sets that Broden was made of."""

import io
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from archives import archive_content
from harmful import Malicious
from PIL import Image
from scipy.io import savemat

Files = dict[str, bytes]
SIZES = ((60, 80), (75, 50), (64, 64))
OBJECTS = ("wall", "sky", "car, auto, automobile", "tree", "door")
SCENES = ("street", "bedroom", "airport/airport", "~not labeled")
LABELED = 12  # images of each source


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def mat(**variables: object) -> bytes:
    file = io.BytesIO()
    savemat(file, variables)
    return file.getvalue()


def text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def world(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image and its labels: 1 above 2, and a block of 3 in it."""
    rng = np.random.default_rng(seed)
    height, width = SIZES[seed % len(SIZES)]
    labels = np.ones((height, width), np.uint8)
    labels[height // 2 :] = 2
    top, left = rng.integers(5, height // 2), rng.integers(5, width // 2)
    labels[top : top + height // 3, left : left + width // 3] = 3
    table = np.array([[0, 0, 0], [70, 120, 220], [110, 110, 110], [210, 30, 30]])
    noise = rng.normal(0, 20, (height, width, 3))
    return np.clip(table[labels] + noise, 0, 255).astype(np.uint8), labels


def ade_pixels(classes: np.ndarray) -> np.ndarray:
    """Classes as the full ADE20K has them in a label image, with a number for the instance."""
    classes = classes.astype(int)
    return np.stack([classes // 256 * 10, classes % 256, classes * 7 % 256], -1).astype(np.uint8)


def ade20k_challenge() -> Files:
    names = [f"{k}\t0.1\t10\t10\t1\t{name}" for k, name in enumerate(OBJECTS, start=1)]
    files = {"objectInfo150.txt": text("Idx\tRatio\tTrain\tVal\tStuff\tName", *names)}
    scenes = []
    for i in range(LABELED):
        pixels, labels = world(i)
        part = "validation" if i % 4 == 0 else "training"
        name = f"ADE_{'val' if i % 4 == 0 else 'train'}_{i:08}"
        files[f"images/{part}/{name}.jpg"] = jpeg(pixels)
        files[f"annotations/{part}/{name}.png"] = png(labels)
        scenes.append(f"{name} {SCENES[i % 2]}")
    files["sceneCategories.txt"] = text(*scenes)
    return {f"ADEChallengeData2016/{name}": content for name, content in files.items()}


def ade20k_full() -> Files:
    files = {}
    classes = ["-", *OBJECTS, "left arm", "wheel", *(f"other {k}" for k in range(300)), "rim"]
    filenames, scenes = [], []
    for i in range(LABELED):
        pixels, labels = world(i)
        scene = SCENES[i % 5 % len(SCENES)]
        name = f"ADE_train_{i:08}"
        stem = f"images/training/{scene[0]}/{scene.replace('~', 'n').replace(' ', '_')}/{name}"
        parts = np.where(labels == 3, 8, 0)
        files |= {
            f"{stem}.jpg": jpeg(pixels),
            f"{stem}_seg.png": png(ade_pixels(labels + 1)),
            f"{stem}_parts_1.png": png(ade_pixels(parts)),
            f"{stem}_atr.txt": text("000 # 0 # 0 # wall # wall # "),
        }
        if i % 2:
            rim = np.where((labels == 3).cumsum(0) % 5 == 1, len(classes), 0)
            files[f"{stem}_parts_2.png"] = png(ade_pixels(rim))
        filenames.append(f"{name}.jpg")
        scenes.append(scene)
    index = {
        "filename": np.array([filenames], object),
        "scene": np.array([scenes], object),
        "objectnames": np.array([classes], object),
    }
    files["index_ade20k.mat"] = mat(index=index)
    return {f"ADE20K_2016_07_26/{name}": content for name, content in files.items()}


def ade20k_full_2021() -> Files:
    files = {"index_ade20k.pkl": pickle.dumps(Malicious())}
    for i in range(LABELED):
        pixels, labels = world(i)
        name = f"ADE_train_{i:08}"
        stem = f"images/ADE/training/urban/street/{name}"
        entries = [
            {"id": k, "name": OBJECTS[k - 1], "name_ndx": 2850 + k, "parts": {"part_level": 0}}
            for k in (1, 2, 3)
        ]
        entries.append({"id": 9, "name": "wheel", "name_ndx": 2990, "parts": {"part_level": 1}})
        scene = ["outdoor", "urban", "street"] if i else ["unclassified", "misc", "misc"]
        about = {"filename": f"{name}.jpg", "scene": scene, "object": entries}
        files |= {
            f"{stem}.jpg": jpeg(pixels),
            f"{stem}_seg.png": png(ade_pixels(labels.astype(int) + 2850)),
            f"{stem}_parts_1.png": png(ade_pixels(np.where(labels == 3, 2990, 0))),
            f"{stem}.json": json.dumps({"annotation": about}).encode(),
            f"{stem}/instance_000_{name}.png": png(labels),
        }
    return {f"ADE20K_2021_17_01/{name}": content for name, content in files.items()}


def pascal_name(i: int) -> str:
    return f"2008_{i:06}"


def pascal_photos() -> Files:
    base = "VOCdevkit/VOC2010"
    files = {f"{base}/ImageSets/Main/train.txt": text("2008_000001")}
    for i in range(LABELED + 2):  # two without labels
        files[f"{base}/JPEGImages/{pascal_name(i)}.jpg"] = jpeg(world(100 + i)[0])
    return files


def pascal_context() -> Files:
    files = {"labels.txt": text("1: aeroplane", "2: sky", "3: car", "4: unknown", "9: window")}
    for i in range(LABELED):
        labels = world(100 + i)[1].astype(np.uint16)
        labels[:3, :3] = 4
        files[f"trainval/{pascal_name(i)}.mat"] = mat(LabelMap=labels)
    return files


def structs(*records: Mapping[str, object]) -> np.ndarray:
    """Records as MATLAB has them, 1 x n; no records are an empty array of numbers."""
    if not records:
        return np.zeros((0, 0))
    array = np.zeros((1, len(records)), [(name, object) for name in records[0]])
    for k, record in enumerate(records):
        for name, value in record.items():
            array[0, k][name] = value
    return array


def pascal_annotation(labels: np.ndarray, code: str = "engine_1") -> bytes:
    block = labels == 3
    rows = np.arange(len(labels))[:, None]
    parts = [
        {"part_name": code, "mask": block.astype(np.uint8)},
        {"part_name": "lwing", "mask": (block & (rows % 3 == 0)).astype(np.uint8)},
    ]
    thing = {"class": "aeroplane", "class_ind": 1, "mask": block.astype(np.uint8)}
    plain = thing | {"class": "boat", "class_ind": 4, "parts": structs()}
    objects = structs(thing | {"parts": structs(*parts)}, plain)
    return mat(anno=structs({"imname": "x", "objects": objects}))


def pascal_parts() -> Files:
    return {
        f"Annotations_Part/{pascal_name(i)}.mat": pascal_annotation(world(100 + i)[1])
        for i in range(LABELED)
    }


def opensurfaces() -> Files:
    files = {
        "photos.csv": text("photo_id,scene_category_name,license_name", "1,kitchen,CC BY 2.0"),
        "label-substance-colors.csv": text(
            "substance_id,substance_name,red_color",
            "16,Wood - natural color,1",
            "12,Fabric/cloth,2",
            "17,Plastic - clear,3",
        ),
    }
    for i in range(LABELED):
        pixels, labels = world(200 + i)
        files[f"photos/{1000 + i}.jpg"] = jpeg(pixels)
        other = np.full_like(labels, 9)
        files[f"photos-labels/{1000 + i}.png"] = png(np.stack([labels, other, other], -1))
    return files


def dtd() -> Files:
    files, lines = {"imdb/imdb.mat": mat(images=np.zeros(3))}, []
    for i in range(LABELED):
        own = ("striped", "banded")[i % 2]
        file = f"{own}/{own}_{i:04}.jpg"
        files[f"images/{file}"] = jpeg(world(300 + i)[0])
        lines.append(f"{file} banded striped " if i < 8 else f"{file} {own} ")
    files["labels/labels_joint_anno.txt"] = text(*lines)
    return {f"dtd/{name}": content for name, content in files.items()}


def coco_photos() -> Files:
    return {f"val2017/{i:012}.jpg": jpeg(world(400 + i)[0]) for i in range(LABELED)}


def coco_maps() -> Files:
    files = {"train2017/000000000999.png": png(np.zeros((5, 5), np.uint8))}
    for i in range(LABELED):
        labels = world(400 + i)[1] - 1
        labels[:2] = 255
        files[f"val2017/{i:012}.png"] = png(labels)
    return files


COCO_LABELS = text("0: unlabeled", "1: person", "2: sky-other", "3: car")

# By the names in config/downloads.yaml.
ARCHIVES: dict[str, Callable[[], Files]] = {
    "ADEChallengeData2016.zip": ade20k_challenge,
    "ADE20K_2016_07_26.zip": ade20k_full,
    "ADE20K_2021_17_01.zip": ade20k_full_2021,
    "VOCtrainval_03-May-2010.tar": pascal_photos,
    "pascal-context.tar.gz": pascal_context,
    "pascal-parts.tar.gz": pascal_parts,
    "opensurfaces.zip": opensurfaces,
    "dtd-r1.0.1.tar.gz": dtd,
    "coco-val2017.zip": coco_photos,
    "cocostuff-maps.zip": coco_maps,
}


def packed(name: str) -> bytes:
    """The bytes of an archive, or of the one table that is none."""
    if name == "cocostuff-labels.txt":
        return COCO_LABELS
    form = "tar.gz" if name.endswith(".tar.gz") else name.rpartition(".")[2]
    return archive_content(form, ARCHIVES[name]().items())


def unpacked(folder: Path, name: str) -> Path:
    """Write what unpacking an archive leaves into a folder and return it."""
    if name == "cocostuff-labels.txt":
        folder.mkdir(parents=True)
        (folder / name).write_bytes(COCO_LABELS)
        return folder
    files = ARCHIVES[name]()
    tops = {path.partition("/")[0] for path in files}
    inner = len(tops) == 1 and all("/" in path for path in files)
    for path, content in files.items():
        target = folder / (path.partition("/")[2] if inner else path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder
