"""List the data set's concepts, with the greatest IoU that the size of each one allows."""

from dissection.categories import use_categories
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.labels.store import LabelStore
from dissection.scoring.notes import reach_note
from dissection.scoring.reach import concept_table


def main() -> None:
    use_categories(snakemake.params.categories)
    params = snakemake.params
    store = LabelStore(snakemake.input.labels)
    concepts = concept_table(store, params.quantile, params.iou_threshold)
    with whole_file(snakemake.output.concepts) as path:
        concepts.to_csv(path, index=False)
    log.info("%s", reach_note(concepts["within_reach"], params.iou_threshold))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
