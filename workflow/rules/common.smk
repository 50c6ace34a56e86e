# Helpers only: the configuration, where results lie, and what a rule's script depends on.

import functools
import os
import sys
from pathlib import Path

import yaml

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "scripts"))

from dissection.config.validation import complete
from dissection.errors import InputError
from dissection.jobs.files import layer_file_name
from dissection.config.source_files import imported_files, module_files
from dissection.downloads.receipts import exchange_problem
from dissection.networks.sources import downloads, modules, own_files
from dissection.training.settings import own_settings


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
RESULTS = f"results/{CONFIG['run']}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"

# A job asks for a GPU only where the profile says how many there are (resources: gpu: 4).
GPU = 1 if workflow.global_resources.get("gpu").value else 0

# A trained network's weights after some iterations are a network of their own: NAME@ITERATION.
NETWORK_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]*(@\d+)?"


wildcard_constraints:
    network=NETWORK_PATTERN,
    layer=r"[^/]+",
    shard=r"\d+",


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


def memory(least, share=0, most=16000):
    """MB for a job: `least`, and a share of its activations' size; a second attempt gets twice that."""

    def mem_mb(wildcards, input, attempt):
        # Inputs that another job of the group makes are not there yet: they count nothing.
        folders = input.get("activations", [])
        folders = [folders] if isinstance(folders, str) else folders
        files = (file for folder in folders for file in Path(folder).rglob("*"))
        size = sum(file.stat().st_size for file in files) / 1e6
        return attempt * min(most, least + int(share * size))

    return mem_mb


def minutes(limit):
    """Time for a job; a second attempt gets twice that."""
    return lambda wildcards, attempt: attempt * limit


def network_name(network):
    """The network's key in the configuration, without an iteration."""
    return network.partition("@")[0]


def title(network):
    """The network's readable name."""
    return NETWORKS[network].get("title", network)


def dissected(network, layer, file):
    """A file of a dissected layer."""
    return f"{RESULTS}/dissection/{network}/{layer_file_name(layer)}/{file}"


def dataset_folder(wildcards=None):
    """The data set in Broden format."""
    if "broden" in CONFIG["dataset"]:
        return f"resources/broden1_{CONFIG['dataset']['broden']}"
    if "masks" in CONFIG["dataset"]:
        return f"{RESULTS}/imported"
    return CONFIG["dataset"].get("folder", f"{RESULTS}/dataset")


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


def dataset_edits(wildcards=None):
    """What was changed last in a data set that no rule makes."""
    folder = CONFIG["dataset"].get("folder")
    return newest(folder) if folder else []


def training_parameters(wildcards):
    """A network's own settings over those of all trainings."""
    trained = NETWORKS[wildcards.network]["trained"]
    settings = own_settings(CONFIG["training"], trained["training"])
    # Workers change no weights, so that a change of their number must not train anew.
    settings = {key: value for key, value in settings.items() if key != "workers"}
    return trained | {"training": settings}


def training_workers():
    """Processes that load images; drawn ones are in memory."""
    return CONFIG["training"]["workers"] if "folder" in CONFIG["training_set"] else 0


def training_content(wildcards):
    """What a network is trained on: drawn images, or an index of those in a folder."""
    if "folder" in CONFIG["training_set"]:
        return f"{RESULTS}/training_images"
    task = NETWORKS[wildcards.network]["trained"]["task"]
    return f"{RESULTS}/training_set/{'object' if task == 'object' else 'scene'}"


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


def shard_activations(wildcards):
    return expand(
        f"{RESULTS}/activations/{{network}}/{{shard}}",
        network=wildcards.network,
        shard=range(DISSECTION["shards"]),
    )


def figure_files(figure):
    """The plot as PDF and PNG, and the numbers that it draws."""
    return {
        kind: f"{RESULTS}/figures/{figure}.{kind}" for kind in ("pdf", "png", "csv")
    }


def figure_outputs(figure):
    """The same as outputs of a rule, with what `snakemake --report` says of the plot."""
    files = figure_files(figure)
    files["png"] = report(
        files["png"],
        category="Figures",
        labels={"figure": figure},
        caption=f"../report/captions/{figure}.rst",
    )
    return files


def figures_of_the_run(wildcards):
    return [
        file for figure in CONFIG["figures"] for file in figure_files(figure).values()
    ]


def shown_layer(figure, *files):
    """The files of the dissected layer that a figure shows."""
    options = CONFIG["figures"][figure]
    return {
        Path(file).stem: dissected(options["network"], options["layer"], file)
        for file in files
    }


def last_layers(figure):
    """The networks of a figure, their last layers' detectors.csv, and their titles."""
    networks = CONFIG["figures"][figure]["networks"]
    return {
        "networks": networks,
        "detectors": [
            dissected(name, NETWORKS[name]["layers"][-1], "detectors.csv")
            for name in networks
        ],
        "training": [f"{RESULTS}/networks/{name}/training.csv" for name in networks],
        "titles": [title(name) for name in networks],
    }


def snapshot_networks():
    """Iteration and network of every snapshot that slide 11 shows, ascending."""
    if "slide11_iterations" not in CONFIG["figures"]:
        return []
    name = CONFIG["figures"]["slide11_iterations"]["network"]
    return [
        (iteration, f"{name}@{iteration}")
        for iteration in sorted(NETWORKS[name]["trained"]["snapshots"])
    ]


def judged_layers():
    """Network, layer and detectors.csv of everything that the slides' claims look at."""
    groups = CONFIG.get("claims", {})
    found = {
        (name, NETWORKS[name]["layers"][-1])
        for names in groups.values()
        for name in names
    }
    if groups.get("baseline"):
        found |= {
            (groups["baseline"][0], layer)
            for layer in NETWORKS[groups["baseline"][0]]["layers"]
        }
    if "slide09_rotation" in CONFIG["figures"]:
        options = CONFIG["figures"]["slide09_rotation"]
        found.add((options["network"], options["layer"]))
    for _, name in snapshot_networks():
        found.add((name, NETWORKS[network_name(name)]["layers"][-1]))
    order = list(NETWORKS)
    rank = lambda pair: (
        order.index(network_name(pair[0])),
        pair[0],
        NETWORKS[network_name(pair[0])]["layers"].index(pair[1]),
    )
    return [
        (*pair, dissected(*pair, "detectors.csv")) for pair in sorted(found, key=rank)
    ]


def rotation_file():
    """The table of the rotated layer that slide 9 shows, if the run has one."""
    options = CONFIG["figures"].get("slide09_rotation")
    if options is None:
        return []
    layer = layer_file_name(options["layer"])
    return [f"{RESULTS}/rotation/{options['network']}/{layer}/rotation.csv"]


def held_out_images(wildcards):
    """What a trained network's accuracy is measured on; other networks have none."""
    if "trained" not in NETWORKS[wildcards.network]:
        return []
    return training_content(wildcards)


def unit_page(network, layer):
    return f"{RESULTS}/units/{network}/{layer_file_name(layer)}.html"


def unit_pages(wildcards):
    return [
        unit_page(name, layer)
        for name, network in NETWORKS.items()
        for layer in network["layers"]
    ]
