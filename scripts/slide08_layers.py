"""Draw the unique detectors of each layer of a network, by category."""

from dissection.categories import use_categories
from dissection.figures.detectors import detector_bars
from dissection.figures.panels import Panel, detector_table, published_table
from dissection.figures.style import save
from dissection.jobs.logs import logged
from dissection.jobs.results import read_result
from dissection.scoring.detectors import PUBLISHED_RULE, TOP_LABEL

PUBLISHED = "AlexNet-Places205"  # shown where the paper's tables do not have this network
HEADINGS = {
    PUBLISHED_RULE: "Counted per category, as in the paper",
    TOP_LABEL: "Counted once, by top label",
}


def main() -> None:
    use_categories(snakemake.params.categories)
    params = snakemake.params
    counts = {
        layer: read_result(file)
        for layer, file in zip(params.layers, snakemake.input.detectors, strict=True)
    }
    published = read_result(snakemake.input.published)
    name = params.title if params.title in set(published["title"]) else PUBLISHED
    published = published[published["title"] == name]
    bar = f"{name} {published['layer'].iloc[0]}"
    label = "Unique detectors"
    figure, drawn = detector_bars(
        [
            *(
                Panel(detector_table(counts, rule, "unique"), label, heading)
                for rule, heading in HEADINGS.items()
            ),
            Panel(
                published_table(published).assign(bar=bar),
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
