"""From a run to artefacts that need nothing of this project: SavedModel, TFLite."""
