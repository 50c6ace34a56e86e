# Helpers only: what was downloaded and exchanged since, what cannot be had, and a run without it.

import functools
import json
import os
import time

from dissection.downloads.receipts import exchange_problem


def refuse_exchanged_files():
    """End Snakemake if a download was exchanged after its check: Snakemake watches its note alone."""
    notes = filter(os.path.exists, RUN.download_notes())
    if problems := list(filter(None, map(exchange_problem, notes))):
        sys.exit("\n".join(problems))


# Jobs read the Snakefile, too: once is enough.
if workflow.is_main_process:
    refuse_exchanged_files()


# Why downloads of networks could not be had; of a run that needs none there is no such note.
MISSING = [f"{RESULTS}/missing.json"] if RUN.uncertain() else []


def missing_downloads():
    """What the note of the last try says, if there is one: a reason for every missing file."""
    note = Path(*MISSING)
    return json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}


@functools.cache
def tries():
    """An input that is another one, once a run, if something was missing in the last run."""
    note = Path(f".snakemake/tries/{CONFIG['run']}.txt")
    if workflow.is_main_process:
        if not note.exists():
            note.parent.mkdir(parents=True, exist_ok=True)
            note.touch()
            os.utime(note, (0, 0))  # it may stand in for one that somebody deleted
        if executing() and missing_downloads():
            note.write_text(f"{time.time()}\n")
    return str(note)


def executing():
    """Whether jobs are run: no dry run, nor only Snakemake's own report, for example."""
    return bool(workflow.execution_settings) and not workflow.dryrun


def found():
    """The run without the networks that cannot be had.

    Until that is known, Snakemake puts off what asks for it. A dry run plans with all of them.
    """
    if not MISSING or workflow.dryrun:
        return RUN
    if executing():
        checkpoints.find_networks.get()
    return RUN.without(missing_downloads())


def of_found(value, networks=None):
    """An input or a parameter from the run of the networks that can be had.

    If all of these networks are there anyway, it waits for no others.
    """
    names = CONFIG["networks"] if networks is None else networks
    sure = RUN.uncertain().isdisjoint(names)
    return lambda wildcards: value(RUN if sure else found())


def of_figure(figure, value):
    """The same, from what the configuration says of a figure.

    One that shows a single network is asked for if that can be had, or by its name.
    """
    options = CONFIG["figures"][figure]
    return of_found(
        lambda run: value(run.config["figures"].get(figure, options)),
        options.get("networks", options.get("repeats", [])),
    )
