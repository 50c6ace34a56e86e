"""Keep a run's tables in docs/, and write the README's table of claims from those kept.

    python scripts/maintenance/document_claims.py results/mini docs/default ['Trained elsewhere.']

keeps what a run found: its claims, every layer's detectors, the networks' accuracies, the numbers
that the figures draw, and on what it ran, with what else is to be said of that. Without arguments
only the README is written.
"""

import csv
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BEGIN, END = "<!-- claims: written by `make docs` from docs/ -->", "<!-- end of claims -->"
KEPT = ("default", "thorough")  # folders of docs/


def read(path: Path) -> list[dict[str, str]]:
    """Return a table's rows; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write rows with the same columns as a table."""
    first, *others = rows
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(first), lineterminator="\n")
        table.writeheader()
        table.writerows([first, *others])


def keep(results: Path, folder: Path, remark: str = "") -> None:
    """Copy a run's tables to a folder, in place of those that are there."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "figures").mkdir(parents=True)
    shutil.copy(results / "claims.csv", folder)
    for table in sorted(results.glob("figures/*.csv")):
        shutil.copy(table, folder / "figures")
    layers = sorted(results.glob("dissection/*/*/detectors.csv"))
    write(
        folder / "detectors.csv",
        (
            {"network": path.parts[-3], "layer": path.parts[-2], **row}
            for path in layers
            for row in read(path)
        ),
    )
    trained = sorted(results.glob("networks/*/training.csv"))
    write(
        folder / "training.csv",
        (
            {"network": path.parent.name} | {k: row[k] for k in ("iteration", "loss", "accuracy")}
            for path in trained
            for row in read(path)[-1:]
        ),
    )
    (folder / "about.txt").write_text(about() + remark, encoding="utf-8")


def about() -> str:
    """Say on what this runs."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    cores = sum(line.startswith("processor") for line in lines)
    commit = ["git", "-C", str(ROOT), "log", "-1", "--format=%h of %as"]
    made = subprocess.run(commit, capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"Kept at commit {made}. Made on {cores} cores ({model}), {platform.system()}.\n"
        f"Python {platform.python_version()}, the packages of that commit's requirements.lock.\n"
    )


def claims_table(docs: Path) -> str:
    """Return the claims of the runs that are kept, side by side, as a Markdown table."""
    runs = {name: read(docs / name / "claims.csv") for name in KEPT}
    runs = {name: rows for name, rows in runs.items() if rows}
    found = {name: {row["id"]: row for row in rows} for name, rows in runs.items()}
    head = ["slide", "claim", "published"]
    head += [column for name in runs for column in (f"{name} run", "verdict")]
    lines = [head, ["---"] * len(head)]
    for claim in next(iter(runs.values())):
        line = [claim["slide"], claim["statement"], claim["published"]]
        for rows in found.values():
            row = rows.get(claim["id"])
            line += [row["measured"], judged(row)] if row else ["", ""]
        lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def judged(claim: dict[str, str]) -> str:
    """Return the verdict with what is to be said beside it."""
    text = claim["verdict"]
    if claim["confounded"]:
        text += f"; **confounded**: {claim['confounded']}"
    if claim["verdict_top_label"] != claim["verdict"]:
        other = f"{claim['verdict_top_label']} ({claim['measured_top_label']})"
        text += f"; each unit once: {other}"
    return text


def documented(readme: str, docs: Path) -> str:
    """Return the README with its table of claims replaced."""
    before, _, rest = readme.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{claims_table(docs)}\n\n{END}{after}"


if __name__ == "__main__":
    if len(sys.argv) in (3, 4):
        keep(*map(Path, sys.argv[1:3]), *sys.argv[3:])
    elif len(sys.argv) != 1:
        sys.exit(__doc__)
    README.write_text(documented(README.read_text(encoding="utf-8"), ROOT / "docs"), "utf-8")
