"""An entry of the registry in, a verified file out, unpacked safely.

May import: jobs.
"""
