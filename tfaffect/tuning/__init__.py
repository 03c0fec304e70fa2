"""The search for a better config than the recipe's, around `training.train`."""
