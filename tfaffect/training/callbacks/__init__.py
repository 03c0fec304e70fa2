"""Callbacks of a run: metrics, the best model, checkpoints, progress, trackers."""
