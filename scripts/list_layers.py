"""Print the layers of a network, so that nobody has to guess their names."""

from dissection.activations.layer_list import layer_table, list_layers
from dissection.errors import InputError
from dissection.jobs.logs import log, logged
from dissection.networks.load import open_network


def main() -> None:
    params = snakemake.params
    if params.name is None:
        raise InputError(
            "Say of which network: snakemake list_layers --config network=NAME, with NAME one of "
            f"{', '.join(params.names)}."
        )
    network = open_network(params.network, snakemake.input.files, params.name)
    table = layer_table(list_layers(network))
    log.info("layers of %s, for an image of %d x %d pixels", params.name, *network.input_size)
    print(table, flush=True)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
