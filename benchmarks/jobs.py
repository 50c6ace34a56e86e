"""Where a run of the workflow spent its time, by rule.

    python benchmarks/jobs.py results/mini

prints a table in Markdown from what Snakemake measured of every job. A job that was run again
counts as often as it ran last; what Snakemake itself takes is not in it.
"""

import json
import sys
from pathlib import Path

import pandas as pd


def table(run: Path) -> str:
    """Return the table of a results folder: the rules by their share of the processor time.

    Raises
    ------
    SystemExit
        If the folder has no measurements.
    """
    rows = [
        {"rule": path.relative_to(run / "benchmarks").parts[0].removesuffix(".jsonl")}
        | json.loads(line)
        for path in sorted((run / "benchmarks").rglob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    if not rows:
        sys.exit(f"{run}/benchmarks has no measurements. Give the folder of a run.")
    jobs = pd.DataFrame(rows).groupby("rule")
    rules = pd.DataFrame(
        {"jobs": jobs.size(), "s": jobs["s"].sum(), "core-s": jobs["cpu_time"].sum()}
    ).sort_values("core-s", ascending=False)
    rules["peak MiB"] = jobs["max_pss"].max()
    rules.loc["together"] = [*rules[["jobs", "s", "core-s"]].sum(), rules["peak MiB"].max()]
    share = rules["core-s"] / rules.loc["together", "core-s"]
    lines = [
        "| rule | jobs | s | core-s | of all | peak MiB of a job |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for rule, row in rules.iterrows():
        numbers = (f"{row[name]:,.0f}" for name in ("jobs", "s", "core-s"))
        lines.append(
            f"| {rule} | {' | '.join(numbers)} | {share[rule]:.1%} | {row['peak MiB']:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))
