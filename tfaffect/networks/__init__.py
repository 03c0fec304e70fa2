"""The networks, their fused kernels and numeric precision, and the import of foreign weights."""
