"""Write one Broden of converted sources: joined labels, in the released format."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from dissection.categories import CATEGORIES
from dissection.datasets.broden_writer import split_of
from dissection.datasets.png import write_label_map
from dissection.datasets.sources.convert import Converted, load_codes, load_converted
from dissection.datasets.sources.join import (
    LEAST_COVERAGE,
    LEAST_FREQUENCY,
    Label,
    RawLabel,
    Totals,
    claim_names,
    number_labels,
)
from dissection.datasets.sources.names import Synonyms, label_names
from dissection.datasets.sources.order import hash_of
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import log, progress
from dissection.jobs.processes import map_in_processes, useful_processes

LINE_END = "\r\n"  # as the released tables have it


def combine(
    folders: Mapping[str, Path],
    folder: Path,
    size: int,
    label_size: int,
    synonyms: Synonyms,
    processes: int = 1,
    least_frequency: int = LEAST_FREQUENCY,
    least_coverage: float = LEAST_COVERAGE,
) -> list[Label]:
    """Join sources and write the data set.

    Parameters
    ----------
    folders : mapping of source to Path
        As `dissection.datasets.sources.convert.convert_source` wrote them.
    folder : Path
        Appears when the data set is complete. Images are hard links where the disk allows it.
    size, label_size : int
        Of the images and label maps, as they were converted.
    synonyms : Synonyms
    processes : int
    least_frequency, least_coverage
        Labels below are cut.

    Returns
    -------
    list of Label
        All of them, those that were cut too.

    Raises
    ------
    InputError
        If no label is left.
    """
    sources = {name: load_converted(path) for name, path in folders.items()}
    raw = [
        label for name, source in sources.items() for label in raw_labels(name, source, synonyms)
    ]
    labels = claim_names(raw, synonyms.preferred)
    place = {
        (member.source, member.category, member.code): number
        for number, label in enumerate(labels)
        for member in label.members
    }
    totals = _totals(sources, place, labels)
    numbers = number_labels(totals, least_frequency, least_coverage)
    log.info(
        "%d raw labels are joined to %d; %d are in at least %d images with a coverage of %s",
        *(len(raw), len(labels), len(numbers), least_frequency, least_coverage),
    )
    tables = {
        name: _number_tables(name, source, place, [numbers.get(label.name, 0) for label in labels])
        for name, source in sources.items()
    }
    tasks = [
        _Task(name, source.folder, f"{name}/{row['file']}", row)
        for name, source in sources.items()
        for row in source.rows
    ]
    tasks.sort(key=lambda task: hash_of(task.image))
    with whole_folder(folder) as partial_folder:
        for name in sources:
            (partial_folder / "images" / name).mkdir(parents=True)
        work = partial(_write_image, folder=partial_folder, tables=tables)
        done = map_in_processes(work, tasks, useful_processes(processes, len(tasks)))
        cells = list(progress(done, "images", len(tasks)))
        order = _write_tables(partial_folder, labels, totals, numbers)
        rows = [
            [task.image, split_of(task.image), size, size, label_size, label_size]
            + [cell.get(category, "") for category in order]
            for task, cell in zip(tasks, cells, strict=True)
        ]
        columns = ["image", "split", "ih", "iw", "sh", "sw", *order]
        _write(partial_folder / "index.csv", pd.DataFrame(rows, columns=columns))
    return labels


def raw_labels(name: str, source: Converted, synonyms: Synonyms) -> Iterator[RawLabel]:
    """Yield the labels that a source's images have, with their frequencies and coverages."""
    counts = source.counts
    for place, category in enumerate(CATEGORIES):
        own = counts["category"] == place
        codes, shares = counts["code"][own], counts["share"][own]
        frequency, coverage = np.bincount(codes), np.bincount(codes, shares)
        for code in np.flatnonzero(frequency).tolist():
            names = label_names(source.names[category][code - 1], category, synonyms)
            yield RawLabel(name, category, code, names, int(frequency[code]), float(coverage[code]))


def _totals(
    sources: Mapping[str, Converted],
    place: Mapping[tuple[str, str, int], int],
    labels: Sequence[Label],
) -> dict[str, dict[str, Totals]]:
    """Frequency and coverage of every label by category; an image counts once for a label."""
    frequency = np.zeros((len(CATEGORIES), len(labels)), np.int64)
    coverage = np.zeros((len(CATEGORIES), len(labels)))
    for name, source in sources.items():
        counts = source.counts
        for k, category in enumerate(CATEGORIES):
            own = counts["category"] == k
            if not own.any():
                continue
            codes = counts["code"][own]
            label_of = np.full(codes.max() + 1, -1)
            for code in np.unique(codes).tolist():
                label_of[code] = place.get((name, category, code), -1)
            found, image, share = label_of[codes], counts["image"][own], counts["share"][own]
            named = found >= 0
            coverage[k] += np.bincount(found[named], share[named], minlength=len(labels))
            pairs = np.unique(np.stack([image[named], found[named]]), axis=1)
            frequency[k] += np.bincount(pairs[1], minlength=len(labels))
    return {
        label.name: {
            category: Totals(int(frequency[k, i]), float(coverage[k, i]))
            for k, category in enumerate(CATEGORIES)
            if frequency[k, i]
        }
        for i, label in enumerate(labels)
    }


def _number_tables(
    name: str,
    source: Converted,
    place: Mapping[tuple[str, str, int], int],
    number_of: Sequence[int],
) -> dict[str, np.ndarray]:
    """A source's numbers by its codes, uint16, by category."""
    tables = {}
    for category, names in source.names.items():
        tables[category] = np.zeros(len(names) + 1, np.uint16)
        for code in range(1, len(names) + 1):
            label = place.get((name, category, code))
            tables[category][code] = 0 if label is None else number_of[label]
    return tables


@dataclass(frozen=True, slots=True)
class _Task:
    source: str
    folder: Path
    image: str
    row: Mapping


def _write_image(
    task: _Task, folder: Path, tables: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, str]:
    """Write an image's label maps and the image itself; return its cells of the index."""
    images, own = folder / "images", tables[task.source]
    _link(task.folder / "images" / task.row["file"], images / task.image)
    stem = task.image.rpartition(".")[0]
    cells: dict[str, list[str]] = defaultdict(list)
    for category, codes in task.row["whole"].items():
        numbers = dict.fromkeys(own[category][codes].tolist())  # two names may be one label
        cells[category] += [str(number) for number in numbers if number] or ["0"]
    channel_of: dict[str, int] = defaultdict(int)
    for category, codes in zip(
        task.row["channels"], load_codes(task.folder, task.row), strict=True
    ):
        channel_of[category] += 1
        numbers = own[category][codes]
        if not numbers.any():
            continue
        # As in the released Broden: parts have a number, however many maps of them there are.
        channel = f"_{channel_of[category]}" if category == "part" else ""
        file = f"{stem}_{category}{channel}.png"
        write_label_map(images / file, numbers)
        cells[category].append(file)
    return {category: ";".join(entries) for category, entries in cells.items()}


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(file, target)


def _write_tables(
    folder: Path,
    labels: Sequence[Label],
    totals: Mapping[str, Mapping[str, Totals]],
    numbers: Mapping[str, int],
) -> list[str]:
    """Write label.csv, category.csv and c_*.csv; return the categories in their order."""
    names_of = {label.name: label.names for label in labels}
    per_category: dict[str, list[str]] = {}
    rows = []
    for name, number in numbers.items():
        own = sorted(totals[name].items(), key=lambda item: -item[1].frequency)
        for category, _ in own:
            per_category.setdefault(category, []).append(name)
        shown = ";".join(f"{category}({total.frequency})" for category, total in own)
        frequency = sum(total.frequency for _, total in own)
        coverage = f"{sum(total.coverage for _, total in own):.6f}"
        rows.append((number, name, shown, frequency, coverage, ";".join(names_of[name][1:])))
    columns = ["number", "name", "category", "frequency", "coverage", "syns"]
    _write(folder / "label.csv", pd.DataFrame(rows, columns=columns))

    order = sorted(per_category, key=lambda category: numbers[per_category[category][0]])
    rows = []
    for category in order:
        own = {name: totals[name][category] for name in per_category[category]}
        names = sorted(own, key=lambda n: (-own[n].frequency, -own[n].coverage, numbers[n]))
        table = [
            (code, numbers[n], n, own[n].frequency, f"{own[n].coverage:.12g}")
            for code, n in enumerate(names, start=1)
        ]
        columns = ["code", "number", "name", "frequency", "coverage"]
        _write(folder / f"c_{category}.csv", pd.DataFrame(table, columns=columns))
        of_labels = [numbers[name] for name in names]
        frequency = sum(total.frequency for total in own.values())
        rows.append((category, min(of_labels), max(of_labels), len(names), frequency))
    columns = ["name", "first", "last", "count", "frequency"]
    _write(folder / "category.csv", pd.DataFrame(rows, columns=columns))
    return order


def _write(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, lineterminator=LINE_END, encoding="utf-8")
