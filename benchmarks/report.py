"""The benchmark's tables, written into its README between two marks."""

from pathlib import Path

import data

from dissection.jobs.files import whole_file


def write(readme: Path, size: str, command: str, results: dict) -> None:
    """Replace the tables of one size in a file; add them at its end if it has none."""
    begin, end = f"<!-- {size} -->", f"<!-- end of {size} -->"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2] or "\n"
    if not rest and before:
        before = before.rstrip("\n") + "\n\n"
    shown = "\n\n".join([begin, *sections(size, command, results), end])
    with whole_file(readme) as path:
        path.write_text(before + shown + after, encoding="utf-8")


def sections(size: str, command: str, results: dict) -> list[str]:
    """Return the parts of a size's tables, in Markdown."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    cold = {
        "drop_caches": "All cached files were dropped before every stage (drop_caches).",
        "posix_fadvise": "The data's cached files were dropped before every stage (posix_fadvise).",
    }.get(results["caches"], "Files were not dropped from memory before the stages.")
    device = results["rows"]["forward pass"]["device"]
    return [
        f"### {results['images']:,} images: `{command}`",
        f"{results['cores']} of {results['all_cores']} cores ({results['processor']}), "
        f"{gibibytes(results['memory'])} memory; forward pass on: {device}; {versions}. "
        f"{cold} Load of the machine before the start: {results['load']:.1f}.",
        stages(results),
        goals(results),
        growth(results),
        "On disk: "
        + ", ".join(f"{what} {n / 1e6:,.0f} MB" for what, n in results["disk"].items())
        + f". {results['rows']['plain']['firing']:.0f} units fire in an image, which has "
        f"{results['rows']['plain']['segments']:.0f} different sets of labels.",
    ]


def stages(results: dict) -> str:
    """Return the table of the stages."""
    rows, images = results["rows"], results["images"]
    shown = [
        ("forward pass", "forward pass", results["forward"]),
        ("caching", "caching: images read, forward pass, maps written", rows["caching"]["images"]),
        ("loading", "loading alone: images decoded, preprocessed", rows["caching"]["images"]),
        ("PNG decoder", "only decoding the label maps, with Pillow", results["decoded"]),
        ("label packing", "label packing", images),
        ("thresholds", "thresholds", images),
        ("tally", "tally, with the labels and with shuffled ones", images),
        ("rotation", "rotated bases, each", images * results["rotations"]),
        ("scoring", "scoring, with intervals", images),
    ]
    forward = results["forward"] / rows["forward pass"]["seconds"]
    lines = []
    for key, title, count in shown:
        row = rows[key]
        speed = count / row["seconds"]
        lines.append(
            (
                title,
                f"{speed:,.0f}",
                f"{speed / forward:.2g}" if speed < 10 * forward else f"{speed / forward:,.0f}",
                f"{count / row['cpu']:,.0f}",
                f"{row['peak'] / 2**20:,.0f}",
                f"{row['read'] / 1e6:,.0f}",
            )
        )
    columns = ("stage", "images/s", "forward passes", "images/core-s", "peak MiB", "MB from disk")
    return table(columns, lines)


def goals(results: dict) -> str:
    """Return the table of what was to be reached."""
    rows, images, cores = results["rows"], results["images"], results["cores"]
    found, counted, both = rows["thresholds"], rows["tally"], rows[f"conv5 {images} 256"]
    one_core = rows["one core"]["tally"] / (images // 4)
    plain = rows["plain"]["plain tally"]
    plain_both = plain + rows["plain"]["plain thresholds"]
    forward = rows["forward pass"]["seconds"] / results["forward"]
    decoder = rows["PNG decoder"]["cpu"] / results["decoded"]
    broden = results["disk"]["packed labels"] / images * data.FULL
    return table(
        ("goal", "wanted", "measured"),
        [
            (
                f"thresholds and tally of {images:,} images, two jobs with their start",
                "63,305 images: under 60 s on two cores",
                f"{found['job'] + counted['job']:.0f} s on {cores} cores, "
                f"{found['cpu'] + counted['cpu']:.0f} core-s",
            ),
            (
                "their resident memory",
                "under 4,096 MiB",
                f"{max(found['peak'], counted['peak']) / 2**20:,.0f} MiB",
            ),
            (
                "tally against a plain one, both on one core",
                "30 times as fast",
                f"{plain / images / one_core:.0f} times: {1 / one_core:,.0f} images/core-s against "
                f"{images / plain:,.0f}",
            ),
            (
                "thresholds and tally against plain ones on one core",
                "",
                f"{plain_both / both['seconds']:.0f} times on {cores} cores, "
                f"{plain_both / both['cpu']:.0f} times core for core",
            ),
            (
                "tally, of the forward pass",
                "at most a tenth",
                f"{counted['seconds'] / images / forward:.2g}",
            ),
            (
                "label packing against decoding alone, core for core",
                "the same time",
                f"{rows['label packing']['cpu'] / images / decoder:.1f} times",
            ),
            ("packed labels of 63,305 images", "under 5 GiB", gibibytes(broden)),
            (
                "matrix products in the processor time of a rotated basis",
                "most of it",
                f"{rows['rotation']['products'] / rows['rotation']['cpu']:.0%}",
            ),
        ],
    )


def growth(results: dict) -> str:
    """Return the table of thresholds and tally, in one process, for layers of different sizes."""
    lines = []
    for key, row in results["rows"].items():
        layer, *numbers = key.split(" ")
        if layer not in data.SHAPES:
            continue
        images, units = map(int, numbers)
        side = data.SHAPES[layer][1]
        values = images * units * side**2
        lines.append(
            (
                f"{images:,}",
                f"{units:,} of {side} × {side}",
                f"{row['seconds']:.1f}",
                f"{row['cpu']:.1f}",
                f"{1e9 * row['cpu'] / values:.1f}",
                f"{row['peak'] / 2**20:,.0f}",
            )
        )
    columns = ("images", "units", "s", "core-s", "core-s a billion values", "peak MiB")
    return table(columns, lines)


def table(columns: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    rows = [columns, ("---",) * len(columns), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def gibibytes(size: float) -> str:
    """Return bytes in readable form.

    Examples
    --------
    >>> gibibytes(2**30 * 1.5)
    '1.5 GiB'
    """
    return f"{size / 2**30:.1f} GiB"
