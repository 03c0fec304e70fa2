"""The networks, their kernels, and weights that come from elsewhere."""
