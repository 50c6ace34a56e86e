"""Where a run of the workflow spent its time, by rule.

    python benchmarks/jobs.py results/mini

prints a table in Markdown from what Snakemake measured of every job, the last time that it ran.
What Snakemake itself takes is not in it.
"""

import json
import sys
from pathlib import Path

import pandas as pd


def table(run: Path) -> str:
    """Return the table of a results folder: the rules by their share of the jobs' time.

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
    # Not the processor time: of that, Snakemake misses what comes after its last look at a job.
    rules = pd.DataFrame({"jobs": jobs.size(), "s": jobs["s"].sum()})
    rules = rules.sort_values("s", ascending=False)
    rules["peak"] = jobs["max_pss"].max()
    rules.loc["together"] = [*rules[["jobs", "s"]].sum(), rules["peak"].max()]
    lines = ["| rule | jobs | s | of all | peak MiB of a job |", "| --- | --- | --- | --- | --- |"]
    for rule, row in rules.iterrows():
        share = row["s"] / rules.loc["together", "s"]
        lines.append(
            f"| {rule} | {row['jobs']:,.0f} | {row['s']:,.0f} | {share:.1%} | {row['peak']:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))
