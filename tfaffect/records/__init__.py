"""Prepared corpora, and the augmented batches that are made of them."""
