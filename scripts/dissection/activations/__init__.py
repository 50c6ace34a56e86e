"""A network and images in, memory-mapped activation maps with their geometry out.

May import: networks, datasets, jobs.
"""
