"""Activation maps, packed labels and a network in, a table of detectors by rotation out.

May import: scoring, activations, labels, networks, training, jobs.
"""
