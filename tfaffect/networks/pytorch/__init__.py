"""Weights of PyTorch, read without it."""
