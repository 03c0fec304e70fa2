"""Predictions to scores, pictures and a report; no TensorFlow."""
