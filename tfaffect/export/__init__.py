"""Export a run to files that do not need this project: SavedModel, TFLite, ONNX."""

import os

# Also a run trained under JAX is exported under TensorFlow: only then does Keras write what the converters read.
os.environ["KERAS_BACKEND"] = "tensorflow"
