"""Draw layers' units beside the tables of them that the paper's authors released."""

from dissection.figures.agreement import ComparedLayer, agreement
from dissection.figures.style import save
from dissection.jobs.logs import logged
from dissection.jobs.results import read_result
from dissection.scoring.agreement import agreement_note


def main() -> None:
    files, layers = snakemake.input, []
    for title, *paths in zip(snakemake.params.titles, files.units, files.categories, strict=True):
        units, categories = map(read_result, paths)
        layers.append(ComparedLayer(title, agreement_note(units, categories), units, categories))
    figure, drawn = agreement(layers, "Units here, and as they were released, one by one")
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
