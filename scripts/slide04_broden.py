"""Draw images of the data set with their label maps, and its statistics beside the paper's."""

from dissection.categories import use_categories
from dissection.datasets.broden import Broden
from dissection.figures.dataset import dataset_samples
from dissection.figures.samples import Sample, choose_images
from dissection.figures.style import save
from dissection.jobs.logs import logged
from dissection.jobs.results import read_result
from dissection.scoring.notes import reach_note

SAMPLES = 5


def main() -> None:
    use_categories(snakemake.params.categories)
    data = Broden(snakemake.input.dataset)
    samples = [
        Sample(data.image_names[i], data.load_image(i), *data.load_labels(i))
        for i in choose_images(data.load_labels, len(data), SAMPLES)
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
