"""Files: atomic writes, archives, storage in buckets, versions."""
