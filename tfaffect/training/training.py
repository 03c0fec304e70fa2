"""The story of a run: prepared corpora and a config become a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.files import atomic, storage, versions
from tfaffect.networks.model import build, layer_groups, resolve_weights
from tfaffect.records import batches, mixing
from tfaffect.records.prepared import Prepared, labelled_heads, open_corpus
from tfaffect.training import devices, distillation, interruption
from tfaffect.training.callbacks import tracking
from tfaffect.training.callbacks.averaging import AveragedWeights
from tfaffect.training.callbacks.checkpoint import FOLDER, Checkpoint, begin
from tfaffect.training.callbacks.corpus_figures import CorpusFigures
from tfaffect.training.callbacks.history import History
from tfaffect.training.callbacks.position import Position
from tfaffect.training.callbacks.progress import Progress
from tfaffect.training.callbacks.selection import KeepBest
from tfaffect.training.callbacks.tensorboard import TensorBoard
from tfaffect.training.devices import Devices
from tfaffect.training.objective import compile_model
from tfaffect.training.unfreezing import GradualUnfreezing


def train(
    config: Config,
    folder: Path,
    backbone: Callable[[int], keras.Model] | None = None,
    resume: bool = False,
    until: int | None = None,
) -> pd.DataFrame:
    """Train as the config says and return the history, one row per epoch.

    `folder` receives config.json, versions.json, model.keras (of the epoch that the config keeps), history.csv and
    tensorboard/, and has a checkpoint/ until the run is finished; each is whole at every moment. `backbone` makes
    another network than the config's for an image size. With `resume` a run that was stopped goes on where it was,
    and ends as it would have ended. After `until` epochs it stops as if it were interrupted there. Raises UsageError
    for a folder that holds a run already (unless `resume`), or in which another process trains, and for records,
    devices or trackers that cannot be trained with.
    """
    corpora = [open_corpus(config.records, name) for name in config.corpora]
    _refuse_untrainable(corpora)
    mixing.steps_per_epoch(corpora, config)
    tracking.require(config.tracker)
    if not resume:
        _refuse_taken(folder)  # in every process, and before any of them makes it
    with devices.distributed(config) as group, _alone(folder, resume, group.writes):
        config = replace(_decided(config, group), records=storage.absolute(config.records))
        trackers = tracking.trackers(config.tracker, folder, config) if group.writes else {}
        if not resume and group.writes:
            config.save(folder / "config.json")
            begin(folder)
        last = min(config.epochs, until or config.epochs)
        taught = distillation.distil(corpora, config, folder, group.writes)
        with interruption.release_on_error():
            return _Run(config, taught, folder, group, trackers, last).train(backbone, resume)


def decide(config: Config, quiet: bool = False) -> Config:
    """Replace every `auto` that stands for a start of the backbone, or for a technique, by what it means here."""
    weights = _weights(config, quiet)
    transfer = "off" if weights == "none" else "on"
    techniques = {name: getattr(config, name) for name in ("gradual_unfreezing", "discriminative_rates")}
    decided = {name: transfer if value == "auto" else value for name, value in techniques.items()}
    return replace(config, weights=weights, **decided)


@dataclass(frozen=True)
class _Run:
    """What every part of a run needs to know."""

    config: Config
    corpora: list[Prepared]
    folder: Path
    devices: Devices
    trackers: dict[str, keras.callbacks.Callback]
    last: int
    """The epoch to stop after, the config's last or an earlier one."""

    @cached_property
    def steps(self) -> int:
        return mixing.steps_per_epoch(self.corpora, self.config)

    @property
    def can_save_a_step(self) -> bool:
        """Whether Ctrl-C can be answered between two steps.

        Of several processes each would end at another step, and the running figures of replicas cannot be given back.
        """
        return self.devices.processes == 1 and self.devices.strategy != "mirrored"

    @property
    def heads(self) -> set[str]:
        return {head for split in ("train", "validation") for head in labelled_heads(self.corpora, split)}

    def train(self, backbone: Callable[[int], keras.Model] | None, resume: bool) -> pd.DataFrame:
        """Build the network and train it from its beginning, or from where it was."""
        config, writes = self.config, self.devices.writes
        keras.utils.set_random_seed(config.seed)
        model = build(config, backbone and backbone(config.image_size))
        compile_model(model, config, self.heads, mixing.class_masses(self.corpora, config), self.steps)
        position = Position()
        heads = _scored_heads(self.corpora)
        history = History(self.folder / "history.csv", heads, position, self.faces_of_batch, writes)
        best = KeepBest(
            self.folder / "model.keras", contract(config, self.corpora), config.patience, config.keep, writes
        )
        keepers = {"records": mixing.Unchanged(self.corpora), "history": history, "best": best, **self.trackers}
        with (
            interruption.stop_signals(enabled=self.can_save_a_step) as stop_requested,
            Progress(self.last, self.steps, position, quiet=not writes) as progress,
        ):
            checkpoint = Checkpoint(self.folder, position, keepers, self.steps, stop_requested, writes)
            if resume:
                checkpoint.restore(model)
            between = [*self.corpus_figures(), history, best, *self.watching(model, position)]
            averaging = [AveragedWeights()] if config.weight_averaging else []
            between = [*averaging, *between, *(weights.back for weights in averaging)]
            callbacks = [position, *_unfreezing(config, model), *between, progress, checkpoint]
            self.finish_epoch(model, position, callbacks)
            if position.epoch < self.last and not best.exhausted:
                self.fit(model, position, callbacks, epochs=self.last)
        if position.epoch >= config.epochs or best.exhausted:
            checkpoint.remove()
        return history.table

    def finish_epoch(self, model: keras.Model, position: Position, callbacks: list) -> None:
        """Train the rest of an epoch that was interrupted on its own: Keras cannot begin in the middle of one."""
        if position.step:
            # Keras makes its metrics with the first batch it sees; the checkpoint fills them before that of `fit`.
            model.evaluate(self.validation().take(1), verbose=0)
            self.fit(model, position, callbacks, epochs=position.epoch + 1)

    def fit(self, model: keras.Model, position: Position, callbacks: list, epochs: int) -> None:
        """Train from the position on."""
        share = self.devices.share
        model.fit(
            batches.training_batches(self.corpora, self.config, position.epoch, position.step, share),
            steps_per_epoch=self.steps - position.step,
            initial_epoch=position.epoch,
            epochs=epochs,
            validation_data=self.validation(),
            callbacks=callbacks,
            shuffle=False,  # the dataset shuffles itself
            verbose=0,
        )

    def validation(self) -> tf.data.Dataset:
        """Return the validation batches of all corpora."""
        return batches.validation_batches(self.corpora, self.config, share=self.devices.share)

    def watching(self, model: keras.Model, position: Position) -> list[keras.callbacks.Callback]:
        """Return what shows the run to people, and note with what it goes on."""
        if not self.devices.writes:
            return []
        for name in ("model.keras", "history.csv", "versions.json", "config.json", FOLDER):
            atomic.remove_unfinished(self.folder / name)
        versions.record(self.folder / "versions.json", position.epoch + 1)
        return [self.tensorboard(model), *self.trackers.values()]

    def faces_of_batch(self, epoch: int, batch: int) -> list[str]:
        """Return the names of the faces in a batch."""
        return mixing.faces_of_batch(self.corpora, self.config, epoch, batch)

    def corpus_figures(self) -> list[keras.callbacks.Callback]:
        """Return what scores each corpus of a mix on its own."""
        if len(self.corpora) == 1:
            return []
        labelled = {c.name: heads for c in self.corpora if (heads := labelled_heads([c], "validation"))}
        by_corpus = {
            c.name: batches.validation_batches([c], self.config, share=self.devices.share)
            for c in self.corpora
            if c.name in labelled
        }
        return [CorpusFigures(by_corpus, labelled)]

    def tensorboard(self, model: keras.Model) -> keras.callbacks.Callback:
        """Return what writes the figures, rates and some augmented faces for TensorBoard."""

        def pictures() -> np.ndarray:
            (batch, *_), *_ = batches.training_batches(self.corpora, self.config).take(1)
            return batch[:32].numpy()

        return TensorBoard(self.folder / "tensorboard", layer_groups(model), pictures)


def contract(config: Config, corpora: list[Prepared]) -> Contract:
    """Return the contract of the network that a config and its corpora give; a mix is framed as its widest corpus."""
    return Contract(
        architecture=config.architecture,
        input_size=config.image_size,
        crop_margin=max(corpus.crop_margin for corpus in corpora),
        trained=labelled_heads(corpora, "train"),
        mirror=config.mirror,
        corpora={corpus.name: corpus.version for corpus in corpora},
        affect_range=(-1.0, 1.0) if config.affect_range == "bounded" else None,
    )


def _unfreezing(config: Config, model: keras.Model) -> list[keras.callbacks.Callback]:
    if config.gradual_unfreezing != "on":
        return []
    return [GradualUnfreezing(layer_groups(model), config.groups_at_start)]


def _decided(config: Config, group: Devices) -> Config:
    """Replace every `auto` by what it means here."""
    return replace(decide(config, quiet=not group.writes), strategy=group.strategy)


def _weights(config: Config, quiet: bool) -> str:
    weights = resolve_weights(config)
    if weights not in ("imagenet", "none") and Path(weights).exists():  # a run can go on from another working folder
        weights = str(Path(weights).absolute())
    if config.weights == "auto" and not quiet:
        missing = "random weights: ImageNet's could not be downloaded. --weights PATH takes efficientnetb1_notop.h5"
        print(f"The backbone starts from {'ImageNet weights' if weights == 'imagenet' else missing}.")
    return weights


def _refuse_untrainable(corpora: list[Prepared]) -> None:
    if empty := [corpus.name for corpus in corpora if not corpus.size("train")]:
        raise UsageError(f"Nothing to train on in the train split of: {', '.join(empty)}.")
    names = ", ".join(corpus.name for corpus in corpora)
    if not labelled_heads(corpora, "validation"):
        raise UsageError(f"No label in a validation split, so no epoch could be told from another. Received: {names}.")
    if not _scored_heads(corpora):
        raise UsageError(f"No kind of label is in both the train and the validation splits. Received: {names}.")


def _scored_heads(corpora: list[Prepared]) -> tuple[str, ...]:
    """The heads that learn, and can be told to have learned."""
    trained = labelled_heads(corpora, "train")
    return tuple(head for head in labelled_heads(corpora, "validation") if head in trained)


@contextmanager
def _alone(folder: Path, resume: bool, writes: bool) -> Iterator[None]:
    """Keep other processes from training in a run folder, but those that train together with this one."""
    with ExitStack() as stack:
        if writes:
            try:
                stack.enter_context(atomic.locked(folder / "config.json"))
            except BlockingIOError:
                raise UsageError(f"Another process trains in {folder}. Wait for it, or name another folder.") from None
            atomic.remove_unfinished(folder / "config.json")
            if not resume:
                _refuse_taken(folder)  # again: another process may have begun and ended since
        yield


def _refuse_taken(folder: Path) -> None:
    """An earlier run is never written over; what a kill left before there was a config is none."""
    if folder.exists() and any(path.name[0] != "." for path in folder.iterdir()):
        raise UsageError(f"{folder} is not empty. Name another folder with --run, or remove this one.")
