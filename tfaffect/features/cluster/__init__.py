"""Rows of many sources from many jobs: they share one output folder, and each does its own units of work."""
