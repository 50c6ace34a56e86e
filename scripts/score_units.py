"""Find each unit's best concepts and count the detectors, with interval and chance level."""

import json
from pathlib import Path

from dissection.categories import use_categories
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.labels.store import LabelStore
from dissection.scoring.bootstrap import bootstrap_detectors
from dissection.scoring.detectors import PUBLISHED_RULE, chance_note, count_detectors
from dissection.scoring.iou import unit_table
from dissection.scoring.notes import firing_note
from dissection.scoring.permutations import p_values
from dissection.scoring.tally import Tally


def main() -> None:
    use_categories(snakemake.params.categories)
    store = LabelStore(snakemake.input.labels)
    params = snakemake.params
    # First, so that its blocks, which nothing asks for, are not in memory beside the other's.
    chance = Tally.load_sum(snakemake.input.chances).in_one_block()
    tally = Tally.load_sum(snakemake.input.tallies)

    silent = json.loads(Path(snakemake.input.cannot_fire).read_text(encoding="utf-8"))
    units = unit_table(tally, store.names, store.primary)
    units["cannot_fire"] = [silent.get(str(unit), "") for unit in units["unit"]]
    if folders := snakemake.input.permuted:
        permuted = (
            Tally.load_sum(f"{folder}/{number}.npz" for folder in folders)
            for number in range(1, params.permutations + 1)
        )
        units["p_value"] = p_values(tally, permuted, store.primary)[units["unit"] - 1]
    counts = ["rule", "category", "units", "unique"]
    detectors = (
        count_detectors(units, params.iou_threshold)[counts]
        .merge(
            bootstrap_detectors(
                tally,
                store.primary,
                params.iou_threshold,
                samples=params.bootstrap_samples,
                seed=params.seed,
            ),
            on=["rule", "category"],
            validate="one_to_one",
        )
        .merge(
            count_detectors(unit_table(chance, store.names, store.primary), params.iou_threshold)[
                counts
            ].rename(columns={"units": "chance_units", "unique": "chance_unique"}),
            on=["rule", "category"],
            validate="one_to_one",
        )
    )
    for table, target in ((units, snakemake.output.units), (detectors, snakemake.output.detectors)):
        with whole_file(target) as path:
            table.to_csv(path, index=False)
    published = detectors[detectors["rule"] == PUBLISHED_RULE]
    total = published[published["category"] == "total"].iloc[0]
    log.info("%d unique detectors, %d units", total["unique"], total["units"])
    if note := chance_note(units, params.iou_threshold):
        log.info("%s", note)
    if note := firing_note(units["cannot_fire"]):
        log.warning("%s", note)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
