"""From a run to artefacts that need nothing of this project: SavedModel, TFLite, ONNX."""

import os

# A run that JAX trained is exported by TensorFlow: only under it does Keras write what the converters read.
os.environ["KERAS_BACKEND"] = "tensorflow"
