"""From raw corpora to TFRecords of face crops with one vocabulary."""
