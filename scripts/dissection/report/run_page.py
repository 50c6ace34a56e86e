"""One self-contained page of a whole run: claims, figures, how to run it again."""

import base64
import io
import math
from collections.abc import Mapping, Sequence

import docutils.core
import markupsafe
import pandas as pd
from PIL import Image

from dissection.report.unit_page import render

MARKS = {"replicated": "✔", "not replicated": "✘", "inconclusive": "○"}
NARROW = 1500  # pixels: figures up to this width are one column wide


def caption_html(text: str) -> markupsafe.Markup:
    """Turn a caption in reStructuredText into HTML, without raw HTML or files."""
    settings = {
        "raw_enabled": False,
        "file_insertion_enabled": False,
        "report_level": 5,
        "_disable_config": True,
    }
    parts = docutils.core.publish_parts(text, writer="html5", settings_overrides=settings)
    return markupsafe.Markup(parts["fragment"])


def heading(figure: str) -> str:
    """Return a figure's name for people.

    Examples
    --------
    >>> heading("slide05_activation_map")
    'Slide 5: activation map'
    """
    slide, _, name = figure.partition("_")
    return f"Slide {int(slide.removeprefix('slide'))}: {name.replace('_', ' ')}"


def report_page(
    template: str,
    run: str,
    figures: Mapping[str, tuple[bytes, str]],
    claims: pd.DataFrame | None,
    configuration: str,
    configuration_file: str,
    unit_pages: Sequence[tuple[str, str, str, str]],
    reach_note: str,
    versions: Sequence[tuple[str, str]],
) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    template : str
        Text of workflow/report/report.html.
    run : str
        The run's name.
    figures : mapping of name to (PNG file's contents, caption in reStructuredText)
        In the order of the slides.
    claims : DataFrame or None
        As `claims.judge` makes it.
    configuration : str
        YAML, with all defaults.
    configuration_file : str
        To name in commands; the default one is left out.
    unit_pages : sequence of (network, layer, path relative to the report, note)
        The note is about units that cannot fire, and may be empty.
    reach_note : str
        About concepts that are too large to be detected.
    versions : sequence of (name, version)
    """
    rows = []
    for claim in [] if claims is None else claims.to_dict("records"):
        known = not math.isnan(claim["effect"])
        spread = "?" if math.isnan(claim["spread"]) else f"{claim['spread']:.2g}"
        rows.append(
            claim
            | {
                "mark": MARKS[claim["verdict"]],
                "effect_text": f"{claim['effect']:+.3g} ± {spread}" if known else "",
            }
        )
    shown = []
    for name, (png, caption) in figures.items():
        with Image.open(io.BytesIO(png)) as image:
            width, height = image.size
        shown.append(
            {
                "name": name,
                "heading": heading(name),
                "image": base64.b64encode(png).decode(),
                "width": width,
                "height": height,
                "narrow": width <= NARROW,
                "caption": caption_html(caption),
                "claims": [row for row in rows if row["figure"] == name],
            }
        )
    option = (
        ""
        if configuration_file.endswith("config/config.yaml")
        else f" --configfile {configuration_file}"
    )
    verdicts = [row["verdict"] for row in rows]
    summary = (
        f"Of {len(rows)} claims {verdicts.count('replicated')} are replicated, "
        f"{verdicts.count('not replicated')} are not, {verdicts.count('inconclusive')} are "
        "inconclusive."
        if rows
        else ""
    )
    return render(
        template,
        run=run,
        summary=summary,
        claims=rows,
        figures=shown,
        option=option,
        unit_pages=unit_pages,
        reach_note=reach_note,
        command=f"snakemake --cores 2{option}",
        versions="\n".join(f"{name} {version}" for name, version in versions),
        configuration=configuration,
    )
