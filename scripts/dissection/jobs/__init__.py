"""What every job needs: logs and progress, whole files and folders, locks, memory, disk space.

May import: nothing.
"""
