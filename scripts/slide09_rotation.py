"""Draw unique detectors and accuracies against the rotation of a layer's basis."""

import pandas as pd

from dissection.categories import use_categories
from dissection.figures.curves import category_curves
from dissection.figures.style import save
from dissection.jobs.logs import logged
from dissection.jobs.results import read_result
from dissection.scoring.detectors import PUBLISHED_RULE


def main() -> None:
    use_categories(snakemake.params.categories)
    params = snakemake.params
    tables = [read_result(file) for file in snakemake.input.rotation]
    table = pd.concat(tables, ignore_index=True)
    table = table[table["rule"] == PUBLISHED_RULE]
    published = read_result(snakemake.input.published).iloc[0]
    totals = table[table["category"] == "total"]
    start = totals.loc[totals["alpha"] == totals["alpha"].min(), "unique"].mean()
    bases = table["seed"].nunique()
    more = len(tables) - 1
    others = f" and {more} other{'s' if more > 1 else ''}," if more else ""
    figure, drawn = category_curves(
        "alpha",
        table,
        {"network": "accuracy", "linear probe": "probe_accuracy"},
        x_label="Rotation α, from the network's own basis (0) to a random one (1)",
        title=f"{params.title}{others} {params.layer}, rotated towards {bases} random bases",
        reference=(
            published["alpha"],
            start * (1 + published["unique_change"]),
            f"paper: total {published['unique_change'] * 100:+.0f} %".replace(
                "-", "\N{MINUS SIGN}"
            ),
        ),
    )
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
