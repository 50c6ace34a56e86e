"""An entry of the configuration in, a model with its layers and preprocessing out.

May import: training, downloads, jobs.
"""
