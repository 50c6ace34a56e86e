"""Draw the detectors and accuracies of several networks side by side (slides 10 and 12)."""

import numpy as np

from dissection.categories import use_categories
from dissection.figures.detectors import detector_bars
from dissection.figures.panels import Panel, detector_table, mean_counts
from dissection.figures.style import save
from dissection.jobs.logs import logged
from dissection.jobs.results import read_result
from dissection.scoring.detectors import PUBLISHED_RULE, TOP_LABEL


def main() -> None:
    use_categories(snakemake.params.categories)
    titles, tables = snakemake.params.titles, map(read_result, snakemake.input.detectors)
    accuracies = [read_result(file)["accuracy"].iloc[-1] for file in snakemake.input.training]
    networks = list(zip(titles, tables, accuracies, strict=True))
    counts = {}
    for bar in snakemake.params.bars:
        titles, tables, accuracies = zip(*(networks[place] for place in bar), strict=True)
        seeds = f", {len(bar)} seeds" if len(bar) > 1 else ""
        counts[f"{titles[0]}{seeds} ({np.mean(accuracies):.1%})"] = mean_counts(tables)
    figure, drawn = detector_bars(
        [
            Panel(detector_table(counts, PUBLISHED_RULE, "unique"), "Unique detectors"),
            Panel(detector_table(counts, TOP_LABEL, "units"), "Detectors, by best concept"),
        ],
        title=snakemake.params.heading,
        horizontal=True,
        seeds=any(len(bar) > 1 for bar in snakemake.params.bars),
    )
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
