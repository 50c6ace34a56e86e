"""Tables and arrays in, a figure and the table of what it draws out; in one style.

May import: activations, jobs.
"""
