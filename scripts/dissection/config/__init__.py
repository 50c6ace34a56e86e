"""A YAML file in, a checked and completed configuration out; and which files code consists of.

Of what it may import, only what is free of torch: networks.sources, training.settings,
training.layer_names and datasets.sources.table.

May import: networks, training, datasets, jobs.
"""
