"""Predictions become scores, figures and a report, without TensorFlow."""
