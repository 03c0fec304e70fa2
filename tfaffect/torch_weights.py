"""The command `tfaffect import-torch`: turn the original authors' PyTorch checkpoint into a run folder."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from tfaffect import cli
from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.labels import AFFECT, HEADS

if TYPE_CHECKING:
    import keras


def import_checkpoint(
    checkpoint: Path, run: Path, corpora: tuple[str, ...] = (), records: Path = Path("records")
) -> None:
    """Write a run folder (config.json, model.keras) from a checkpoint of the original authors.

    `corpora` and `records` go into config.json: `evaluate` and `export` use them by default. Raises UsageError for any
    other checkpoint, and for a folder that is not empty.
    """
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
    """Return the network of `config` with all weights of an original checkpoint, including its linear affect head.

    Raises UsageError when a key is missing, unknown, has another shape, or holds values that are not finite floats.
    """
    from tfaffect.networks import model as models
    from tfaffect.networks.pytorch import layers as torch_layers

    state = torch_layers.state_dict(checkpoint)
    if any(key.startswith("features.") for key in state):
        raise UsageError(
            f"{checkpoint} is torchvision's EfficientNet-B1 and has no heads for affect. To train from it: "
            f"{cli.typed('train')} --weights {checkpoint}"
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
    checkpoint: Annotated[tyro.conf.Positional[Path], cli.option("FILE")],
    run: cli.Run,
    corpora: Annotated[tuple[str, ...], cli.option("NAME...")] = (),
    records: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("records"),
) -> None:
    """Turn the original authors' PyTorch checkpoint into a run folder.

    You can evaluate, export and train from the run. The file is read without PyTorch, and no code in it is executed.

    Args:
        checkpoint: State dict of the original authors, for example best.pth.
        run: Run folder to write.
        corpora: Prepared corpora that evaluate and export use by default.
        records: Folder of the prepared corpora.
    """
    import_checkpoint(checkpoint, run, corpora, records)
    print(f"{run / 'model.keras'}: the weights of {checkpoint}; valence and arousal have no bounds")
    print(f"Next:    {cli.typed('evaluate')} {run}{'' if corpora else ' --corpora NAME'}")


if __name__ == "__main__":
    cli.run(main)
