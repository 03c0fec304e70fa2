"""PyTorch weights, read without PyTorch."""
