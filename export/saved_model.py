"""A run to a TensorFlow SavedModel that needs nothing of this project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from tfaffect import cli

if TYPE_CHECKING:
    import keras
    import numpy as np

SIGNATURES = {
    "serving_default": ("expression", "valence", "arousal", "embedding"),
    "classify": ("expression", "valence", "arousal"),
    "embed": ("embedding",),
}
"""Signature -> the outputs it gives; each takes `image`, uint8 RGB (batch, size, size, 3)."""

# Keras and TensorFlow are imported where they are used: --help answers within half a second.


def export(run: Path, out: Path, records: Path | None = None, overwrite: bool = False) -> float:
    """Write the SavedModel `out` with model.json inside; return the largest difference from the network.

    Raises UsageError for a run that cannot be read, and ExportError when the artefact disagrees with it.
    """
    from export import artefact

    network, contract, faces = artefact.open_run(run, records)
    with artefact.new_folder(out, overwrite) as folder:
        write(network, folder)
        difference = artefact.check_parity(network.predict_on_batch(faces), predict(folder, faces))
        artefact.write_contract(contract, folder, folder)
    return difference


def write(network: keras.Model, folder: Path) -> None:
    """Write a predictor as SavedModel with the signatures of `SIGNATURES`, any batch size."""
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(network)
    image = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8, name="image")
    for signature, names in SIGNATURES.items():
        archive.add_endpoint(signature, _endpoint(network, names), input_signature=[image])
    archive.write_out(str(folder), verbose=False)


def predict(folder: Path, pictures: np.ndarray, signature: str = "serving_default") -> dict[str, np.ndarray]:
    """Run one signature of a SavedModel in plain TensorFlow."""
    import tensorflow as tf

    run = tf.saved_model.load(str(folder)).signatures[signature]
    return {name: values.numpy() for name, values in run(image=tf.constant(pictures)).items()}


def _endpoint(network: keras.Model, names: tuple[str, ...]):
    def call(image):
        outputs = network(image, training=False)
        return {name: outputs[name] for name in names}

    return call


def main(
    run: tyro.conf.Positional[Path],
    out: tyro.conf.Positional[Path],
    records: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write a run as SavedModel with the signatures serving_default, classify and embed.

    Args:
        run: Run folder that train.py left.
        out: Folder of the SavedModel; model.json lies in it.
        records: Folder of the prepared corpora, for the check; the run's own when not named.
        overwrite: Replace what is there.
    """
    difference = export(run, out, records, overwrite)
    from export.artefact import size

    print(f"{out}: {size(out) / 1e6:.1f} MB, differs from the network by at most {difference:.1e} on validation faces")


if __name__ == "__main__":
    cli.run(main)
