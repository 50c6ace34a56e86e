"""Draw the unique detectors of every network, beside the paper's own networks."""

import pandas as pd

from dissection.logs import logged
from dissection.plots.detectors import detector_bars
from dissection.plots.panels import Panel, detector_table, published_table
from dissection.plots.style import save

# The paper's Figure 7: one network of each kind of architecture and supervision.
PUBLISHED = (
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
    counts = {
        title: pd.read_csv(file)
        for title, file in zip(snakemake.params.titles, snakemake.input.detectors, strict=True)
    }
    published = pd.read_csv(snakemake.input.published).set_index("network", drop=False)
    figure, drawn = detector_bars(
        [
            Panel(detector_table(counts, "per_category", "unique"), "Unique detectors", "This run"),
            Panel(
                published_table(published.loc[list(PUBLISHED)], "unique"),
                "Unique detectors of 1,197 concepts",
                "Published (Bau et al. 2017)",
            ),
        ],
        title="Unique detectors in the last convolutional layer",
        horizontal=True,
    )
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
