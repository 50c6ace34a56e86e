# Helpers only: the configuration, where results lie, what a rule's script depends on, and what a
# job needs.

import functools
import os
import shlex
import sys

import yaml

SCRIPTS = ROOT / "scripts"
sys.path[:0] = [str(SCRIPTS), str(ROOT / "workflow")]

from dissection.categories import BRODENS_COLORS, use_categories
from dissection.config.source_files import SourceTree, note_sources
from dissection.config.validation import complete
from dissection.errors import InputError
from dissection.jobs.fingerprints import fingerprint
from dissection.jobs.schemas import read_yaml
from layout import Run
from needs import Sizes, memory, minutes
from order import DATA, FIRST, ROTATION, Order

# Snakemake starts a script's job by a line for the shell in which this path stands as it is.
if shlex.quote(sys.executable) != sys.executable:
    sys.exit(
        f"Snakemake cannot start jobs with {sys.executable}, because of a space or a special "
        "character in the path. Set up the environment in another folder."
    )


def shipped(path):
    """A file of the workflow's own, wherever Snakemake was started: relative to there."""
    return os.path.relpath(ROOT / path)


@functools.cache
def registered_downloads():
    """What config/downloads.yaml lists; read once, and only for configurations that need it."""
    from dissection.downloads.registry import read_registry

    return read_registry(ROOT / "config/downloads.yaml")


def completed_config():
    """The configuration with defaults; a mistake in it ends Snakemake with one short message."""
    # libyaml is ten times as fast, where there is one; every job on a cluster reads this, too.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    schema = yaml.load(
        (ROOT / "workflow/schemas/config.schema.yaml").read_text(), loader
    )
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
LIBRARY = SourceTree(SCRIPTS)
SIZES = Sizes(CONFIG)
ORDER = Order(RUN)
# Categories beside Broden's, and their colours. What is computed is the same in other colours.
OWN_CATEGORIES = CONFIG["dataset"].get("categories", {})
COLOURLESS = {name: "" for name in OWN_CATEGORIES if name not in BRODENS_COLORS}
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
    return noted(script, lambda: [file, *LIBRARY.imported(file)])


def noted(name, files):
    """One input for many files: every job's lines on the terminal would list dozens."""
    note = f".snakemake/code/{name}.txt"
    # Jobs read the Snakefile, too: what they depend on was noted when the run began.
    if workflow.is_main_process:
        note_sources(note, files(), ROOT)
    return note


def loader(network):
    """A note of the library modules that no script imports by itself, to load a network."""
    names = RUN.modules(network)
    return noted(
        "-".join(names),
        lambda: [file for name in names for file in LIBRARY.module(name)],
    )


# All of them now: Snakemake lists a folder once, and files that come later do not exist for it.
LOADERS = {network: loader(network) for network in NETWORKS}


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


# Lines on costs and progress. Jobs read the Snakefile, too: they have nothing to say.
if workflow.is_main_process:
    from costs import Costs
    from progress import Progress
    from snakemake.logging import logger

    PROGRESS = Progress(
        workflow,
        logger,
        Costs(RUN, registered_downloads),
        CONFIG["figures"],
        f"{RESULTS}/figures",
    )
    logger.addHandler(PROGRESS)
