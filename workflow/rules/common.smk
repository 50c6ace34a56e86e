# Helpers only: the configuration, where results lie, what a rule's script depends on, and what a
# job needs.

import json
import math
import os
import shlex
import sys
from pathlib import Path

import yaml

ROOT = Path(workflow.basedir)
SCRIPTS = ROOT / "scripts"
sys.path[:0] = [str(SCRIPTS), str(ROOT / "workflow")]

from dissection.activations.top_images import top_images_bytes
from dissection.categories import use_categories
from dissection.config.source_files import imported_files, module_files, note_sources
from dissection.config.validation import complete
from dissection.downloads.receipts import exchange_problem
from dissection.errors import InputError
from dissection.jobs.arrays import ARRAY_FILE_ERRORS, array_shape
from dissection.jobs.fingerprints import fingerprint
from dissection.jobs.schemas import read_yaml
from dissection.rotation.turns import rotation_bytes
from dissection.scoring.memory import scoring_bytes, tally_bytes, thresholds_bytes
from layout import Run

# Snakemake starts a script's job by a line for the shell in which this path stands as it is.
if shlex.quote(sys.executable) != sys.executable:
    sys.exit(
        f"Snakemake cannot start jobs with {sys.executable}, because of a space or a special "
        "character in the path. Set up the environment in another folder."
    )


def shipped(path):
    """A file of the workflow's own, wherever Snakemake was started: relative to there."""
    return os.path.relpath(ROOT / path)


def registered_downloads():
    """What config/downloads.yaml lists; read only for configurations that need it."""
    from dissection.downloads.registry import read_registry

    return read_registry(ROOT / "config/downloads.yaml")


def completed_config():
    """The configuration with defaults; a mistake in it ends Snakemake with one short message."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    files = " and ".join(str(file) for file in workflow.configfiles)
    # Jobs read the Snakefile, too: once is enough.
    registry = registered_downloads if workflow.is_main_process else None
    try:
        for file in workflow.configfiles:
            read_yaml(file)  # Snakemake does not notice keys that are given twice
        return complete(config, schema, files, registry)
    except InputError as error:
        # Snakemake would show a traceback of its own.
        sys.exit(f"{error}\nEvery key is explained in config/README.md.")


CONFIG = completed_config()
NETWORKS = CONFIG["networks"]
DISSECTION = CONFIG["dissection"]
RUN = Run(CONFIG)
# Beside Broden's: each with its colour.
OWN_CATEGORIES = [
    list(pair) for pair in CONFIG["dataset"].get("categories", {}).items()
]
use_categories(OWN_CATEGORIES)
RESULTS = RUN.results
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
LAYER = f"{RESULTS}/dissection/{{network}}/{{layer}}"

# A job asks for a GPU only where the profile says how many there are (resources: gpu: 4).
GPU = 1 if workflow.global_resources.get("gpu").value else 0


# A trained network's weights after some iterations are a network of their own: NAME@ITERATION.
# What the configuration does not name is made by no rule, and Snakemake says so.
wildcard_constraints:
    **RUN.patterns(),


def code(script):
    """A note of which files a script consists, with the library modules that it needs.

    Snakemake itself watches the script alone, and only its date. Inputs are compared by their
    contents: an edited file reruns what depends on it, a new clone of the same files nothing.
    """
    file = SCRIPTS / f"{script}.py"
    return noted(script, lambda: [file, *imported_files(file, SCRIPTS)])


def loader(wildcards):
    """A note of the library modules that no script imports by itself, to load a network."""
    names = RUN.modules(wildcards.network)
    return noted(
        "-".join(names),
        lambda: [file for name in names for file in module_files(name, SCRIPTS)],
    )


def noted(name, files):
    """One input for many files: every job's lines on the terminal would list dozens."""
    note = f".snakemake/code/{name}.txt"
    # Jobs read the Snakefile, too: what they depend on was noted when the run began.
    if workflow.is_main_process:
        note_sources(note, files(), ROOT)
    return note


def script_path(name):
    """Where a rules file finds a script."""
    return f"../../scripts/{name}.py"


def neutral(value):
    """A parameter that changes no result: a change of it reruns nothing.

    Snakemake compares a job's parameters with those of its last run, but not those that come of
    a function of the job's outputs; changed outputs would be noticed anyway.
    """
    return lambda wildcards, output: value(wildcards)


def literal(value):
    """A text of the user's as a parameter: braces in it are no wildcards."""
    return lambda wildcards: value


def memory(least, more=None):
    """MB for a job: `least`, and what its data take; a second attempt gets twice that.

    `more` tells the latter, in bytes, from the job's wildcards and inputs, as the library's modules
    named `memory` and `turns` reckon it.
    """

    def mem_mb(wildcards, input, attempt):
        try:
            size = more(wildcards, input) if more else 0
        except ARRAY_FILE_ERRORS:
            # Inputs that another job makes, of the same group or earlier: they count nothing yet.
            # A damaged one is a matter of the job.
            size = 0
        return attempt * (least + math.ceil(size / 1e6))

    return mem_mb


def maps_shape(wildcards, input):
    """Images, units, height and width of the activations of a job's layer."""
    folders = input.activations
    folders = [folders] if isinstance(folders, str) else folders
    shapes = [array_shape(f"{folder}/{wildcards.layer}.npy") for folder in folders]
    return sum(shape[0] for shape in shapes), *shapes[0][1:]


def label_count(input):
    """How many labels a job's data set has."""
    return len(json.loads(Path(input.labels, "store.json").read_text())["names"]) - 1


def minutes(limit):
    """Time for a job; a second attempt gets twice that."""
    return lambda wildcards, attempt: attempt * limit


def refuse_exchanged_files():
    """End Snakemake if a download was exchanged after its check: Snakemake watches its note alone."""
    notes = filter(os.path.exists, RUN.download_notes())
    if problems := list(filter(None, map(exchange_problem, notes))):
        sys.exit("\n".join(problems))


# Jobs read the Snakefile, too: once is enough.
if workflow.is_main_process:
    refuse_exchanged_files()
