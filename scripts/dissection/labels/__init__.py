"""A data set in, its labels out: packed and memory-mapped, for compiled loops.

May import: datasets, jobs.
"""
