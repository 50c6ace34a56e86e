"""One self-contained page of a whole run: claims, figures, how to run it again."""

import base64
import io
import math
import shlex
from collections.abc import Mapping, Sequence

import docutils.core
import markupsafe
import pandas as pd
from PIL import Image

from dissection.report.unit_page import render

MARKS = {"replicated": "✔", "not replicated": "✘", "inconclusive": "○"}
DEFAULT = "config/config.yaml"  # the configuration that needs not be named
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


def rerun_command(
    configuration_files: Sequence[str], overrides: Sequence[str], target: str = ""
) -> str:
    """Return the command that computes a run, or one target of it, once more.

    Parameters
    ----------
    configuration_files : sequence of str
        From the project's folder, in the order in which they were given.
    overrides : sequence of str
        ``key=value``, what ``--config`` was given.
    target : str

    Examples
    --------
    >>> rerun_command(["config/config.yaml"], [], "slide04_broden")
    'snakemake slide04_broden --cores 2'
    >>> rerun_command(["config/a.yaml", "my runs/b.yaml"], ["run=b"])
    "snakemake --cores 2 --configfile config/a.yaml 'my runs/b.yaml' --config run=b"
    """
    # The target first: --configfile takes all that follows it for files of its own.
    words = ["snakemake", *([target] if target else []), "--cores", "2"]
    if list(configuration_files) != [DEFAULT]:
        words += ["--configfile", *configuration_files]
    if overrides:
        words += ["--config", *overrides]
    return shlex.join(words)


def report_page(
    template: str,
    run: str,
    figures: Mapping[str, tuple[str, bytes, str]],
    claims: pd.DataFrame | None,
    configuration: str,
    configuration_files: Sequence[str],
    overrides: Sequence[str],
    unit_pages: Sequence[tuple[str, str, str, str]],
    left_out: Sequence[tuple[str, str]],
    not_drawn: Sequence[str],
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
    figures : mapping of name to (title, PNG file's contents, caption in reStructuredText)
        In the order of the slides.
    claims : DataFrame or None
        As `claims.judge` makes it.
    configuration : str
        YAML, with all defaults.
    configuration_files, overrides : sequences of str
        Where the configuration comes from (see `rerun_command`).
    unit_pages : sequence of (network, layer, path relative to the report, note)
        The note is about chance and units that cannot fire, and may be empty.
    left_out : sequence of (name, reason)
        Networks, and other things to download, that could not be had.
    not_drawn : sequence of str
        Titles of the figures that could not be drawn without them.
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
    for name, (title, png, caption) in figures.items():
        with Image.open(io.BytesIO(png)) as image:
            width, height = image.size
        shown.append(
            {
                "name": name,
                "heading": title,
                "command": rerun_command(configuration_files, overrides, name),
                "image": base64.b64encode(png).decode(),
                "width": width,
                "height": height,
                "narrow": width <= NARROW,
                "caption": caption_html(caption),
                "claims": [row for row in rows if row["figure"] == name],
            }
        )
    verdicts = [row["verdict"] for row in rows]
    summary = (
        f"Of {len(rows)} claims {verdicts.count('replicated')} are replicated, "
        f"{verdicts.count('not replicated')} are not, {verdicts.count('inconclusive')} are "
        "inconclusive."
        if rows
        else ""
    )
    if confounded := sum(bool(row["confounded"]) for row in rows):
        summary += f" Of {confounded} the comparison is confounded."
    return render(
        template,
        run=run,
        summary=summary,
        claims=rows,
        figures=shown,
        unit_pages=unit_pages,
        left_out=left_out,
        not_drawn=not_drawn,
        reach_note=reach_note,
        command=rerun_command(configuration_files, overrides),
        versions="\n".join(f"{name} {version}" for name, version in versions),
        configuration=configuration,
    )
