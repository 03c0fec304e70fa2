"""The authors' PyTorch checkpoint as a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from tfaffect import cli

if TYPE_CHECKING:
    import keras

    from tfaffect.config import Config

# Keras is imported where it is used: --help answers within half a second.


def import_checkpoint(
    checkpoint: Path, run: Path, corpora: tuple[str, ...] = (), records: Path = Path("records")
) -> None:
    """Write the run folder (config.json, model.keras) of a checkpoint of the original.

    `corpora` and `records` go into config.json, as what `evaluate` and `export` use when none is named. Raises
    UsageError for a checkpoint that is not one of the original, and for a folder that is not empty.
    """
    import hashlib

    from tfaffect.config import Config
    from tfaffect.contract import Contract
    from tfaffect.errors import UsageError
    from tfaffect.files import atomic
    from tfaffect.labels import HEADS
    from tfaffect.networks.model import save

    if run.exists() and not (run.is_dir() and not any(run.iterdir())):
        raise UsageError(f"{run} is not empty. Name another folder, or remove this one.")
    config = Config(corpora, records.absolute(), weights=str(checkpoint.absolute()), affect_range="linear")
    model = network(checkpoint, config)
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    contract = Contract(
        input_size=config.image_size,
        trained=HEADS,
        corpora={},
        affect_range=None,
        licence=f"From {checkpoint.name}, SHA-256 {digest}. {Contract.licence}",
    )
    with atomic.write_folder(run) as folder:
        config.save(folder / "config.json")
        save(model, contract, folder / "model.keras")


def network(checkpoint: Path, config: Config) -> keras.Model:
    """Return the network of `config` with all weights of a checkpoint of the original, its linear head included.

    Raises UsageError when a key is missing, unknown, of another shape, or holds no finite floats.
    """
    from dataclasses import replace

    from tfaffect.errors import UsageError
    from tfaffect.labels import AFFECT
    from tfaffect.networks import model as models
    from tfaffect.networks.pytorch import layers as torch_layers

    state = torch_layers.state_dict(checkpoint)
    if any(key.startswith("features.") for key in state):
        raise UsageError(
            f"{checkpoint} is torchvision's EfficientNet-B1, without the heads of the original. To train from it: "
            f"python train.py --weights {checkpoint}"
        )
    config = replace(config, weights="none", affect_range="linear")
    backbone = models.make_backbone(config)
    model = models.build(config, backbone)
    layers = {
        name: f"model.{torch_layers.torch_name(name)}" for name in torch_layers.weighted_layers(backbone)
    } | torch_layers.HEADS
    torch_layers.fill(model, layers, state, checkpoint)
    affect = model.get_layer("affect")
    order = [("arousal", "valence").index(name) for name in AFFECT]
    affect.set_weights([weights[..., order] for weights in affect.get_weights()])
    torch_layers.compute_like_pytorch(model)
    return model


def main(
    checkpoint: tyro.conf.Positional[Path],
    run: tyro.conf.Positional[Path],
    corpora: tuple[str, ...] = (),
    records: Path = Path("records"),
) -> None:
    """Turn the authors' PyTorch checkpoint into a run folder, to evaluate, export or train from like any other.

    The file is read without PyTorch, and nothing in it is run.

    Args:
        checkpoint: State dict of the original, such as best.pth.
        run: Run folder to write.
        corpora: Prepared corpora on which evaluate and export judge the run when none is named.
        records: Folder of the prepared corpora.
    """
    import_checkpoint(checkpoint, run, corpora, records)
    print(f"{run / 'model.keras'}: the weights of {checkpoint}, valence and arousal not bounded")
    print(f"Next:    python -m tfaffect.evaluate {run}{'' if corpora else ' --corpora NAME'}")


if __name__ == "__main__":
    cli.run(main)
