"""Draw the detectors and accuracies of several networks side by side (slides 10 and 12)."""

from dissection.categories import use_categories
from dissection.figures.detectors import detector_bars
from dissection.figures.panels import Panel, detector_table
from dissection.figures.style import save
from dissection.jobs.logs import logged
from dissection.jobs.results import read_result
from dissection.scoring.detectors import PUBLISHED_RULE, TOP_LABEL


def main() -> None:
    use_categories(snakemake.params.categories)
    counts = {}
    for title, detectors, training in zip(
        snakemake.params.titles, snakemake.input.detectors, snakemake.input.training, strict=True
    ):
        accuracy = read_result(training)["accuracy"].iloc[-1]
        counts[f"{title} ({accuracy:.1%})"] = read_result(detectors)
    figure, drawn = detector_bars(
        [
            Panel(detector_table(counts, PUBLISHED_RULE, "unique"), "Unique detectors"),
            Panel(detector_table(counts, TOP_LABEL, "units"), "Detectors, by best concept"),
        ],
        title=snakemake.params.heading,
        horizontal=True,
    )
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
