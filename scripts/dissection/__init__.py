"""Network Dissection (Bau et al., CVPR 2017): the library behind the workflow.

Plain functions and small classes that take their parameters as arguments; nothing in here
knows Snakemake, reads the configuration or builds the path of a result.
"""
