"""A YAML file in, a checked and completed configuration out; and which files code consists of.

May import: training, jobs.
"""
