"""Labelled images in, a network's weights, its snapshots and its accuracy over time out.

May import: datasets, jobs.
"""
