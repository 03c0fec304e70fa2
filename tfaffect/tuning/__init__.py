"""Hyperparameter search around `training.train`."""
