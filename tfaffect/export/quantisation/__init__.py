"""TFLite files with smaller weights and integer arithmetic: the recipes, their limits, and their implementation."""
