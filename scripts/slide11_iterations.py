"""Draw unique detectors and the accuracy against the training iteration."""

import pandas as pd

from dissection.categories import use_categories
from dissection.figures.curves import category_curves
from dissection.figures.style import save
from dissection.jobs.logs import logged
from dissection.jobs.results import read_result
from dissection.scoring.detectors import PUBLISHED_RULE


def main() -> None:
    use_categories(snakemake.params.categories)
    params = snakemake.params
    training = read_result(snakemake.input.training).set_index("iteration")["accuracy"]
    tables = []
    for iteration, file in zip(params.iterations, snakemake.input.detectors, strict=True):
        counts = read_result(file)
        counts = counts[counts["rule"] == PUBLISHED_RULE]
        tables.append(counts.assign(iteration=iteration, accuracy=training.get(iteration)))
    figure, drawn = category_curves(
        "iteration",
        pd.concat(tables, ignore_index=True),
        {"held out": "accuracy"},
        x_label="Training iteration (logarithmic)",
        title=f"{params.title} {params.layer}: detectors emerge during training",
        log=True,
    )
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
