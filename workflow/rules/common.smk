# Helpers only: the configuration, where results lie, and what a rule's script depends on.

import ast
import sys
from pathlib import Path

import yaml

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "scripts"))

from dissection.configuration import complete
from dissection.errors import InputError


def completed_config():
    """The configuration with defaults; a mistake in it ends Snakemake with one short message."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    files = " and ".join(str(file) for file in workflow.configfiles)
    try:
        return complete(config, schema, files)
    except InputError as error:
        # Snakemake would show a traceback of its own.
        sys.exit(f"{error}\nEvery key is explained in config/README.md.")


CONFIG = completed_config()
NETWORKS = CONFIG["networks"]
DISSECTION = CONFIG["dissection"]
RESULTS = f"results/{CONFIG['run']}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"

# A trained network's weights after some iterations are a network of their own: NAME@ITERATION.
NETWORK_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]*(@\d+)?"


wildcard_constraints:
    network=NETWORK_PATTERN,
    layer=r"[^/]+",
    shard=r"\d+",


def code(script):
    """The library modules that a script needs, directly or not.

    Snakemake itself watches the script alone: with these among a rule's inputs, an edited
    module reruns what depends on it, and nothing else.
    """
    library = ROOT / "scripts/dissection"
    found = set()

    def visit(path):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [
                    node.module,
                    *(f"{node.module}.{alias.name}" for alias in node.names),
                ]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                package, *steps = name.split(".")
                if package != "dissection":
                    continue
                base = library.joinpath(*steps)
                for module in (base.with_suffix(".py"), base / "__init__.py"):
                    if module.is_file() and module not in found:
                        found.add(module)
                        visit(module)

    visit(ROOT / f"scripts/{script}.py")
    return sorted(str(module.relative_to(ROOT)) for module in found)


def script_path(name):
    """Where a rules file finds a script."""
    return f"../../scripts/{name}.py"


def network_name(network):
    """The network's key in the configuration, without an iteration."""
    return network.partition("@")[0]


def title(network):
    """The network's readable name."""
    return NETWORKS[network].get("title", network)


def dissected(network, layer, file):
    """A file of a dissected layer."""
    return f"{RESULTS}/dissection/{network}/{layer}/{file}"


def dataset_folder(wildcards=None):
    """The data set in Broden format."""
    return CONFIG["dataset"].get("folder", f"{RESULTS}/dataset")


def training_parameters(wildcards):
    """A network's own settings over those of all trainings."""
    trained = dict(NETWORKS[wildcards.network]["trained"])
    trained["training"] = CONFIG["training"] | trained["training"]
    return trained


def training_content(wildcards):
    task = NETWORKS[wildcards.network]["trained"]["task"]
    return f"{RESULTS}/training_set/{'object' if task == 'object' else 'scene'}"


def weights_file(wildcards):
    """The file, or the folder of snapshots, that a network's weights are in."""
    name, _, iteration = wildcards.network.partition("@")
    folder = f"{RESULTS}/networks/{name}"
    return f"{folder}/snapshots" if iteration else f"{folder}/weights.pt"


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
