"""Tables and figures in; the judged claims, a page of the run and a page a layer out.

May import: figures, scoring, activations, jobs.
"""
