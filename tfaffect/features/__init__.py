"""One row per face out of pictures and videos: found, linked over time, described, written, drawn."""
