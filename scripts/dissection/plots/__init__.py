"""Plots as pure functions: tables and arrays in, a figure and the table of what it draws out."""
