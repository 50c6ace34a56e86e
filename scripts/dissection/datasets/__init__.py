"""Drawings, masks, published data sets or archives in, a folder in Broden's format out.

May import: jobs.
"""
