"""Judge the slides' claims by the criteria of workflow/claims.yaml."""

from dissection.categories import use_categories
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.jobs.results import read_result
from dissection.report.claims import Evidence, judge, read_claims
from dissection.scoring.detectors import PUBLISHED_RULE


def main() -> None:
    use_categories(snakemake.params.categories)
    files, params = snakemake.input, snakemake.params
    keys = [tuple(key) for key in params.layers]
    layers: dict[str, list[str]] = {}
    for network, layer in keys:
        layers.setdefault(network, []).append(layer)
    tables = map(read_result, files.detectors)
    counts = [table[table["rule"] == PUBLISHED_RULE] for table in tables]
    rotated = params.rotated
    evidence = Evidence(
        detectors=dict(zip(keys, counts, strict=True)),
        layers=layers,
        groups=params.groups,
        rotation=read_result(files.rotation[0]) if rotated else None,
        rotated=(rotated["network"], rotated["layer"]) if rotated else None,
        iterations=[tuple(pair) for pair in params.iterations],
    )
    table = judge(read_claims(files.claims), evidence)
    with whole_file(snakemake.output.claims) as path:
        table.to_csv(path, index=False)
    for claim in table.itertuples():
        log.info("%s: %s (%s)", claim.id, claim.verdict, claim.measured)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
