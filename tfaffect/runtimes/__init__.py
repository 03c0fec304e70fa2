"""A trained network behind one call, whatever file it was shipped as."""
