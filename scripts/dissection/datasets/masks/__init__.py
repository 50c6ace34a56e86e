"""Labelled images of many forms in, a folder in Broden's format out."""
