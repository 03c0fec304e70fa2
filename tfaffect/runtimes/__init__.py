"""One interface to a trained network in any file format."""
