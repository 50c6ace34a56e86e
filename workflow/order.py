"""Which of the jobs that are ready goes first.

Data sets, because they take every core and would wait to the end for them to be free together; then
what leads to the first figures; then what takes longest, so that nothing long is left alone at the
end. Of the rest, Snakemake prefers what frees the largest files.
"""

from typing import Any

from layout import Run

from dissection.jobs.files import layer_file_name

# A scheduler that adds up the priorities of jobs that run side by side comes to the same order.
DATA = 1000  # data sets, labels, downloads
FIRST = 100  # the way to the first figures, and all figures
ROTATION = 10  # as long as a training, and it holds activations
TRAINING = 1

# Figures that show a network's layers, and no network beside it.
SHOW_A_LAYER = ("slide05_activation_map", "slide06_unit_detectors")
SHOWS_ALL_LAYERS = "slide08_layers"


class Order:
    """Priorities of the jobs of a run: functions of their wildcards, as Snakemake takes them.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        figures = run.config["figures"]
        shown = [figures[name] for name in SHOW_A_LAYER if name in figures]
        self._shown = {(figure["network"], layer_file_name(figure["layer"])) for figure in shown}
        self._first = set(self._shown)
        if SHOWS_ALL_LAYERS in figures:
            network = figures[SHOWS_ALL_LAYERS]["network"]
            self._first |= {(network, layer_file_name(name)) for name in run.layers(network)}
        self._networks = list(run.config["networks"])

    def training(self, wildcards: Any) -> float:
        """Return the priority of a training: in the order of the configuration."""
        later = self._networks.index(wildcards.network) / len(self._networks)
        return self.network(wildcards) or round(TRAINING * (2 - later), 2)

    def network(self, wildcards: Any) -> int:
        """Return the priority of what is done to a network once."""
        return FIRST if wildcards.network in {network for network, _ in self._first} else 0

    def scored(self, wildcards: Any) -> int:
        """Return the priority of what is done to a layer to count its detectors."""
        return FIRST if (wildcards.network, wildcards.layer) in self._first else 0

    def shown(self, wildcards: Any) -> int:
        """Return the priority of what is done to a layer to show its units."""
        return FIRST if (wildcards.network, wildcards.layer) in self._shown else 0
