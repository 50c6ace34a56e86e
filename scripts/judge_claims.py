"""Judge the slides' claims by the criteria of workflow/claims.yaml."""

import pandas as pd

from dissection.categories import use_categories
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.jobs.results import read_result
from dissection.report.claims import Evidence, judge, read_claims
from dissection.report.groups import Accuracy
from dissection.scoring.detectors import RULES
from dissection.training.held_out import count_held_out


def main() -> None:
    use_categories(snakemake.params.categories)
    files, params = snakemake.input, snakemake.params
    keys = [tuple(key) for key in params.layers]
    layers: dict[str, list[str]] = {}
    for network, layer in keys:
        layers.setdefault(network, []).append(layer)
    detectors = dict(zip(keys, map(read_result, files.detectors), strict=True))
    rotated = map(tuple, params.rotated)
    rotations = dict(zip(rotated, map(read_result, files.rotation), strict=True))
    learned = zip(params.learned.items(), files.training, files.training_sets, strict=True)
    accuracies = {
        name: Accuracy(task, read_result(file)["accuracy"].iloc[-1], count_held_out(training_set))
        for (name, task), file, training_set in learned
    }
    evidence = {
        rule: Evidence(
            detectors=_counted(detectors, rule),
            layers=layers,
            groups=params.groups,
            rotations=_counted(rotations, rule),
            iterations=[tuple(pair) for pair in params.iterations],
            accuracies=accuracies,
        )
        for rule in RULES
    }
    table = judge(read_claims(files.claims), evidence)
    with whole_file(snakemake.output.claims) as path:
        table.to_csv(path, index=False)
    for claim in table.itertuples():
        beside = f"; confounded: {claim.confounded}" if claim.confounded else ""
        log.info("%s: %s (%s%s)", claim.id, claim.verdict, claim.measured, beside)


def _counted(tables: dict[tuple, pd.DataFrame], rule: str) -> dict[tuple, pd.DataFrame]:
    return {key: table[table["rule"] == rule] for key, table in tables.items()}


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
