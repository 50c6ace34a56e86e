# Helpers only: the configuration, where results lie, what a rule's script depends on, and what a
# job needs.

import functools
import json
import math
import os
import sys
from pathlib import Path

import yaml

ROOT = Path(workflow.basedir)
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "workflow")]

from dissection.activations.top_images import top_images_bytes
from dissection.config.validation import complete
from dissection.errors import InputError
from dissection.config.source_files import imported_files, module_files
from dissection.downloads.receipts import exchange_problem
from dissection.jobs.arrays import ARRAY_FILE_ERRORS, array_shape
from layout import Run
from dissection.networks.sources import downloads, modules, own_files
from dissection.rotation.turns import rotation_bytes
from dissection.scoring.memory import scoring_bytes, tally_bytes, thresholds_bytes


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
        return complete(config, schema, files, registry)
    except InputError as error:
        # Snakemake would show a traceback of its own.
        sys.exit(f"{error}\nEvery key is explained in config/README.md.")


CONFIG = completed_config()
NETWORKS = CONFIG["networks"]
DISSECTION = CONFIG["dissection"]
RUN = Run(CONFIG)
RESULTS = RUN.results
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"

# A job asks for a GPU only where the profile says how many there are (resources: gpu: 4).
GPU = 1 if workflow.global_resources.get("gpu").value else 0


# A trained network's weights after some iterations are a network of their own: NAME@ITERATION.
# What the configuration does not name is made by no rule, and Snakemake says so.
wildcard_constraints:
    **RUN.patterns(),


def code(script):
    """A script and the library modules that it needs, directly or not.

    Snakemake itself watches the script alone, and only its date. Inputs are compared by their
    contents: an edited file reruns what depends on it, a new clone of the same files nothing.
    """
    scripts = ROOT / "scripts"
    file = scripts / f"{script}.py"
    return [
        str(path.relative_to(ROOT)) for path in [file, *imported_files(file, scripts)]
    ]


def script_path(name):
    """Where a rules file finds a script."""
    return f"../../scripts/{name}.py"


def neutral(value):
    """A parameter that changes no result: a change of it reruns nothing.

    Snakemake compares a job's parameters with those of its last run, but not those that come of
    a function of the job's outputs; changed outputs would be noticed anyway.
    """
    return lambda wildcards, output: value(wildcards)


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


@functools.cache
def newest(*folders):
    """What was changed last in each folder.

    A folder's own date says nothing of edits inside its files, which would be too many inputs.
    """
    found = []
    for folder in folders:
        paths = (path for path in Path(folder).rglob("[!.]*") if path.exists())
        found += sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path))[-1:]
    return [str(path) for path in found]


def network_files(wildcards):
    """The files that a network is made of: weights, a folder of snapshots, checked downloads, code."""
    name, _, iteration = wildcards.network.partition("@")
    network = NETWORKS[name]
    files = [*download_notes(network), *own_files(network)]
    if "trained" in network:
        folder = f"{RESULTS}/networks/{name}"
        files = [f"{folder}/snapshots" if iteration else f"{folder}/weights.pt"]
    return files + loading_code(*modules(network))


@functools.cache
def loading_code(*names):
    """The files of modules that no script imports by itself, of the library or the user's own."""
    return [
        os.path.relpath(path)
        for name in names
        for root in (ROOT / "scripts", Path())
        for path in module_files(name, root)
    ]


def download_notes(network):
    """The notes of a network's downloads, once they have been checked."""
    return [f"resources/checked/{name}.json" for name in downloads(network)]


def refuse_exchanged_files():
    """End Snakemake if a download was exchanged after its check: Snakemake watches its note alone."""
    notes = {note for network in NETWORKS.values() for note in download_notes(network)}
    if "broden" in CONFIG["dataset"]:
        notes.add(f"resources/checked/broden1_{CONFIG['dataset']['broden']}.json")
    found = map(exchange_problem, filter(os.path.exists, sorted(notes)))
    if problems := list(filter(None, found)):
        sys.exit("\n".join(problems))


# Jobs read the Snakefile, too: once is enough.
if workflow.is_main_process:
    refuse_exchanged_files()
