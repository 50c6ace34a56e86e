"""Activation maps and packed labels in; thresholds, tallies, IoU, detectors and intervals out.

May import: activations, labels, jobs.
"""
