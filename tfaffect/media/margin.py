"""The margin of crops, in a module that does not import OpenCV."""

MARGIN = 0.1
"""Margin around the face box on every side of a crop, as a share of the box's longer side."""
