"""Gather claims and figures on one self-contained page."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml

from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.jobs.results import read_result
from dissection.report.run_page import report_page
from dissection.scoring.detectors import chance_note
from dissection.scoring.notes import firing_note, reach_note

PACKAGES = (
    "snakemake",
    "torch",
    "torchvision",
    "numpy",
    "numba",
    "scipy",
    "scikit-learn",
    "pandas",
)


def main() -> None:
    files, params = snakemake.input, snakemake.params
    figures = {
        name: (title, Path(png).read_bytes(), Path(caption).read_text(encoding="utf-8"))
        for (name, title), png, caption in zip(
            params.figures.items(), files.figures, files.captions, strict=True
        )
    }
    concepts = read_result(files.concepts)
    layers = [read_result(file) for file in files.units]
    page = report_page(
        Path(files.template).read_text(encoding="utf-8"),
        params.run,
        dict(sorted(figures.items())),
        read_result(files.claims),
        yaml.safe_dump(dict(params.configuration), sort_keys=False, allow_unicode=True),
        params.configuration_files,
        params.overrides,
        [
            (*page, unit_note(units, params.iou_threshold))
            for page, units in zip(params.unit_pages, layers, strict=True)
        ],
        left_out(files.missing, params.networks),
        [title for name, title in params.titles.items() if name not in figures],
        f"{reach_note(concepts.within_reach, params.iou_threshold)}.",
        [("Python", platform.python_version())] + [(name, version(name)) for name in PACKAGES],
    )
    with whole_file(snakemake.output.report) as path:
        path.write_text(page, encoding="utf-8")
    log.info("%d figures, %.1f MB", len(figures), len(page) / 1e6)


def unit_note(units: pd.DataFrame, iou_threshold: float) -> str:
    """Return what is to be said of a layer's units, if anything."""
    notes = (chance_note(units, iou_threshold), firing_note(units["cannot_fire"]))
    return " ".join(filter(None, notes))


def left_out(notes: list[str], networks: list[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    """Return the networks, or else tables, that cannot be had, each with the reason."""
    missing = {}
    for note in notes:
        missing = json.loads(Path(note).read_text(encoding="utf-8"))
    lost = [
        (title, "\n".join(missing.pop(file) for file in files if file in missing))
        for title, files in networks
        if missing.keys() & set(files)
    ]
    return lost + list(missing.items())


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
