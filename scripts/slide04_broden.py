"""Draw images of the data set with their label maps, and its statistics beside the paper's."""

import numpy as np

from dissection.categories import CATEGORY_COLORS, use_categories
from dissection.datasets.broden import Broden
from dissection.figures.dataset import Sample, choose_samples, dataset_samples
from dissection.figures.style import save
from dissection.jobs.logs import logged, progress
from dissection.jobs.results import read_result
from dissection.scoring.notes import reach_note

SAMPLES = 5
CANDIDATES = 400  # images, evenly spaced over the data set, that samples are chosen from


def main() -> None:
    use_categories(snakemake.params.categories)
    data = Broden(snakemake.input.dataset)
    numbers = np.unique(np.linspace(0, len(data) - 1, min(CANDIDATES, len(data))).astype(int))
    labels = []
    for i in progress(numbers, "images looked at"):
        sample = Sample(data.image_names[i], np.empty(0), *data.load_labels(i))
        labels.append({category: sample.labels(category) for category in CATEGORY_COLORS})
    chosen = numbers[choose_samples(labels, SAMPLES)]
    samples = [
        Sample(data.image_names[i], data.load_image(i), *data.load_labels(i)) for i in chosen
    ]

    concepts = read_result(snakemake.input.concepts)
    figure, drawn = dataset_samples(
        samples,
        data.names,
        data.statistics(),
        read_result(snakemake.input.published),
        concepts,
        reach_note(concepts["within_reach"], snakemake.params.iou_threshold),
        title="Images of the data set and their labels",
        missing=snakemake.params.missing,
    )
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
