"""What happens between the epochs of a run: figures, the best model, checkpoints, trackers."""
