"""Draw the unique detectors of every network, beside the paper's own networks."""

import pandas as pd

from dissection.categories import use_categories
from dissection.figures.detectors import detector_bars
from dissection.figures.panels import Panel, detector_table, published_table, with_bars
from dissection.figures.style import save
from dissection.jobs.logs import logged
from dissection.jobs.results import read_result
from dissection.scoring.detectors import PUBLISHED_RULE

# The paper's Figure 7: one network of each kind of architecture and supervision. Shown beside a run
# that has none of the paper's networks.
FIGURE_7 = (
    "resnet-152-torch-places365",
    "resnet-152-torch-imagenet",
    "vgg16_places205",
    "vgg16_imagenet",
    "googlenet_places205",
    "googlenet_imagenet",
    "caffe_reference_places205",
    "caffe_reference_imagenet",
    "weakly_videotracking",
    "weakly_objectcentric",
    "weakly_audio",
    "weakly_solvingpuzzle",
    "weakly_colorization",
    "caffenet_random",
)


def main() -> None:
    use_categories(snakemake.params.categories)
    counts = {
        title: read_result(file)
        for title, file in zip(snakemake.params.titles, snakemake.input.detectors, strict=True)
    }
    shown = snakemake.params.shown
    published, are_the_same = published_counts(snakemake.input.published, shown)
    own = with_bars(detector_table(counts, PUBLISHED_RULE, "unique"), shown)
    figure, drawn = detector_bars(
        [
            Panel(own, "Unique detectors", "This run", unknown="could not be had"),
            Panel(
                published_table(published),
                # Panels of one label have one scale.
                f"Unique detectors{'' if are_the_same else ' of 1,197 concepts'}",
                "Published (Bau et al. 2017)",
            ),
        ],
        title="Unique detectors in the last convolutional layer",
        horizontal=True,
    )
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


def published_counts(file: str, titles: list[str]) -> tuple[pd.DataFrame, bool]:
    """Return the published rows of these networks, in their order, or else those of Figure 7.

    Of networks some of which were published, the others have a row without counts, so that every
    bar stands beside its own; the second value says so.
    """
    published = read_result(file)
    if published["title"].isin(titles).any():
        return published.set_index("title").reindex(titles).reset_index(), True
    return published.set_index("network").loc[list(FIGURE_7)], False


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
