"""Draw the unique detectors of each layer of a network, by category."""

import pandas as pd

from dissection.figures.detectors import detector_bars
from dissection.figures.panels import Panel, detector_table, published_table
from dissection.figures.style import save
from dissection.jobs.logs import logged

PUBLISHED = "AlexNet-Places205"  # shown where the paper's tables do not have this network
PER_CATEGORY = "Counted per category, as in the paper"
TOP_LABEL = "Counted once, by top label"


def main() -> None:
    params = snakemake.params
    counts = {
        layer: pd.read_csv(file)
        for layer, file in zip(params.layers, snakemake.input.detectors, strict=True)
    }
    published = pd.read_csv(snakemake.input.published)
    name = params.title if params.title in set(published["title"]) else PUBLISHED
    published = published[published["title"] == name]
    bar = f"{name} {published['layer'].iloc[0]}"
    label = "Unique detectors"
    figure, drawn = detector_bars(
        [
            Panel(detector_table(counts, "per_category", "unique"), label, PER_CATEGORY),
            Panel(detector_table(counts, "top_label", "unique"), label, TOP_LABEL),
            Panel(
                published_table(published, "unique").assign(bar=bar),
                "Unique detectors (Broden)",
                "As published",
            ),
        ],
        title=f"{params.title}: detectors in each layer",
    )
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
