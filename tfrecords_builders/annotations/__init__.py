"""Readers of the files in which annotation tools store ratings and segments of videos: one module a format."""
