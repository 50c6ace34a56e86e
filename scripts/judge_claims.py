"""Judge the slides' claims by the criteria of workflow/claims.yaml."""

from dissection.categories import use_categories
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.jobs.results import read_result
from dissection.report.claims import Evidence, judge, read_claims
from dissection.report.groups import Accuracy
from dissection.scoring.detectors import PUBLISHED_RULE
from dissection.training.held_out import count_held_out


def main() -> None:
    use_categories(snakemake.params.categories)
    files, params = snakemake.input, snakemake.params
    keys = [tuple(key) for key in params.layers]
    layers: dict[str, list[str]] = {}
    for network, layer in keys:
        layers.setdefault(network, []).append(layer)
    tables = map(read_result, files.detectors)
    counts = [table[table["rule"] == PUBLISHED_RULE] for table in tables]
    learned = zip(params.learned.items(), files.training, files.training_sets, strict=True)
    accuracies = {
        name: Accuracy(task, read_result(file)["accuracy"].iloc[-1], count_held_out(training_set))
        for (name, task), file, training_set in learned
    }
    rotations = zip(map(tuple, params.rotated), map(read_result, files.rotation), strict=True)
    evidence = Evidence(
        detectors=dict(zip(keys, counts, strict=True)),
        layers=layers,
        groups=params.groups,
        rotations=dict(rotations),
        iterations=[tuple(pair) for pair in params.iterations],
        accuracies=accuracies,
    )
    table = judge(read_claims(files.claims), evidence)
    with whole_file(snakemake.output.claims) as path:
        table.to_csv(path, index=False)
    for claim in table.itertuples():
        beside = f"; confounded: {claim.confounded}" if claim.confounded else ""
        log.info("%s: %s (%s%s)", claim.id, claim.verdict, claim.measured, beside)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
