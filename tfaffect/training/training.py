"""A training run: from prepared corpora and a config to a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tfaffect.config import Config
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.files import atomic, storage, versions
from tfaffect.networks import precision
from tfaffect.networks.model import build, layer_groups, renew_statistics, resolve_weights
from tfaffect.records import batches, mixing
from tfaffect.records.prepared import Prepared, labelled_heads, open_corpus
from tfaffect.runtimes import shipped
from tfaffect.training import devices, distillation, interruption
from tfaffect.training.callbacks import tracking
from tfaffect.training.callbacks.averaging import AveragedWeights
from tfaffect.training.callbacks.checkpoint import FOLDER, Checkpoint, create_folder
from tfaffect.training.callbacks.corpus_metrics import CorpusMetrics
from tfaffect.training.callbacks.history import History
from tfaffect.training.callbacks.position import Position
from tfaffect.training.callbacks.progress import Progress
from tfaffect.training.callbacks.selection import KeepBest
from tfaffect.training.callbacks.tensorboard import TensorBoard
from tfaffect.training.devices import Devices
from tfaffect.training.objective import class_shares, compile_model
from tfaffect.training.unfreezing import GradualUnfreezing

FIRST_WEIGHTS = {
    "imagenet": "ImageNet weights",
    "lite1": "the ImageNet weights of EfficientNet-Lite1",
    "none": "random weights",
}
"""What `--weights auto` can become, and its name in a message."""

STATISTICS_FACES = 512
"""Faces that give BatchNorm its means and variances when the first weights come from a .tflite."""


def train(
    config: Config,
    folder: Path,
    backbone: Callable[[int], keras.Model] | None = None,
    resume: bool = False,
    until: int | None = None,
) -> pd.DataFrame:
    """Train with a config and return the history, one row per epoch.

    `folder` gets config.json, versions.json, model.keras (of the epoch that `keep` names), history.csv, tensorboard/
    and, until the run is finished, checkpoint/; all are written atomically. `backbone` builds another backbone than the
    config's, for an image size. With `resume` a stopped run continues, with the same result as without the stop. After
    `until` epochs it stops as if interrupted. Raises UsageError for a folder that already holds a run (unless
    `resume`) or in which another process trains, and for unusable records, devices or trackers.
    """
    corpora = [open_corpus(config.records, name) for name in config.corpora]
    _check_labels(corpora)
    mixing.steps_per_epoch(corpora, config)
    tracking.require(config.tracker)
    if not resume:
        _check_empty(folder)  # in every process, before one of them creates it
    with devices.distributed(config) as group, _locked(folder, resume, group.writes):
        config = replace(
            resolve_auto(config, quiet=not group.writes),
            strategy=group.strategy,
            records=storage.absolute(config.records),
        )
        trackers = tracking.trackers(config.tracker, folder, config) if group.writes else {}
        if not resume and group.writes:
            config.save(folder / "config.json")
            create_folder(folder)
        if group.writes and (note := precision.note(config.precision)):
            print(note)
        last = min(config.epochs, until or config.epochs)
        corpora = distillation.distil(corpora, config, folder, group.writes)
        with interruption.release_on_error():
            return _Run(config, corpora, folder, group, trackers, last).train(backbone, resume)


def resolve_auto(config: Config, quiet: bool = False) -> Config:
    """Replace `auto` in the backbone's weights and in the two transfer techniques by the resolved values."""
    weights = _weights(config, quiet)
    transfer = "off" if weights == "none" else "on"
    techniques = [name for name in ("gradual_unfreezing", "discriminative_rates") if getattr(config, name) == "auto"]
    resolved: dict[str, Any] = {"weights": weights, **dict.fromkeys(techniques, transfer)}
    return replace(config, **resolved)


@dataclass(frozen=True)
class _Run:
    """The parts of a run, and how they train together."""

    config: Config
    corpora: list[Prepared]
    folder: Path
    devices: Devices
    trackers: dict[str, keras.callbacks.Callback]
    last: int
    """The epoch to stop after: the config's last or an earlier one."""

    @cached_property
    def steps(self) -> int:
        return mixing.steps_per_epoch(self.corpora, self.config)

    @property
    def can_save_a_step(self) -> bool:
        """Whether Ctrl-C can stop and save between two steps.

        Several processes would stop at different steps, and the metric sums of replicas cannot be restored.
        """
        return self.devices.processes == 1 and self.devices.strategy != "mirrored"

    def train(self, backbone: Callable[[int], keras.Model] | None, resume: bool) -> pd.DataFrame:
        """Build the network and train it from the start, or from its checkpoint."""
        config, writes, position = self.config, self.devices.writes, Position()
        keras.utils.set_random_seed(config.seed)
        model = build(config, backbone and backbone(config.image_size))
        labelled = {head for split in ("train", "validation") for head in labelled_heads(self.corpora, split)}
        compile_model(model, config, labelled, mixing.class_counts(self.corpora, config), self.steps)
        faces_of_batch = partial(mixing.faces_of_batch, self.corpora, config)
        history = History(self.folder / "history.csv", _scored_heads(self.corpora), position, faces_of_batch, writes)
        best = KeepBest(
            self.folder / "model.keras", contract(config, self.corpora), config.patience, config.keep, writes
        )
        records = mixing.RecordVersions(self.corpora)
        stateful = {"records": records, "history": history, "best": best, **self.trackers}
        with (
            interruption.stop_signals(enabled=self.can_save_a_step) as stop_requested,
            Progress(self.last, self.steps, position, quiet=not writes) as progress,
        ):
            checkpoint = Checkpoint(self.folder, position, stateful, self.steps, stop_requested, writes)
            if resume:
                checkpoint.restore(model)
            elif backbone is None and config.weights.endswith(".tflite"):
                renew_statistics(model, self.training_pictures(STATISTICS_FACES))
            unfreezing = [GradualUnfreezing(layer_groups(model), config.groups_at_start)]
            before = [position, *(unfreezing if config.gradual_unfreezing == "on" else [])]
            callbacks = [*before, *self.scoring(model, position, history, best), progress, checkpoint]
            self.finish_epoch(model, position, callbacks)
            if position.epoch < self.last and not best.exhausted:
                self.fit(model, position, callbacks, epochs=self.last)
        if position.epoch >= config.epochs or best.exhausted:
            checkpoint.remove()
        return history.table

    def scoring(self, model: keras.Model, position: Position, history: History, best: KeepBest) -> list:
        """Return the callbacks that evaluate, save and log the model, with averaged weights if the config says so."""
        callbacks = [*self.corpus_metrics(), history, best, *self.monitors(model, position)]
        if not self.config.weight_averaging:
            return callbacks
        averaged = AveragedWeights()
        return [averaged, *callbacks, averaged.swap_back]

    def finish_epoch(self, model: keras.Model, position: Position, callbacks: list) -> None:
        """Train the rest of an interrupted epoch in its own `fit`: Keras cannot start in the middle of an epoch."""
        if position.step:
            # Keras creates its metrics with the first batch; the checkpoint restores them at the start of `fit`.
            model.evaluate(self.validation(self.corpora).take(1), verbose=0)
            self.fit(model, position, callbacks, epochs=position.epoch + 1)

    def fit(self, model: keras.Model, position: Position, callbacks: list, epochs: int) -> None:
        """Train from the position to the end of `epochs`."""
        share = self.devices.share
        model.fit(
            batches.training_batches(self.corpora, self.config, position.epoch, position.step, share),
            steps_per_epoch=self.steps - position.step,
            initial_epoch=position.epoch,
            epochs=epochs,
            validation_data=self.validation(self.corpora),
            callbacks=callbacks,
            shuffle=False,  # the dataset is shuffled already
            verbose=0,
        )

    def validation(self, corpora: list[Prepared]) -> tf.data.Dataset:
        """Return the validation batches of corpora."""
        return batches.validation_batches(corpora, self.config, share=self.devices.share)

    def monitors(self, model: keras.Model, position: Position) -> list[keras.callbacks.Callback]:
        """Return the callbacks of TensorBoard and trackers, and record the package versions in the run folder."""
        if not self.devices.writes:
            return []
        for name in ("model.keras", "history.csv", "versions.json", "config.json", FOLDER):
            atomic.remove_unfinished(self.folder / name)
        versions.record(self.folder / "versions.json", position.epoch + 1)
        tensorboard = TensorBoard(self.folder / "tensorboard", layer_groups(model), self.augmented_faces)
        return [tensorboard, *self.trackers.values()]

    def augmented_faces(self) -> np.ndarray:
        """Return the first training pictures, for TensorBoard."""
        return next(self.training_pictures(1))[:32]

    def training_pictures(self, faces: int) -> Iterator[np.ndarray]:
        """Return the first batches of training pictures, the same in every process, with at least so many faces."""
        first = batches.training_batches(self.corpora, self.config).take(-(-faces // self.config.batch_size))
        return (pictures.numpy() for pictures, *_ in first)

    def corpus_metrics(self) -> list[keras.callbacks.Callback]:
        """Return the callback that scores each corpus of a mix."""
        if len(self.corpora) == 1:
            return []
        labelled = {c.name: heads for c in self.corpora if (heads := labelled_heads([c], "validation"))}
        by_corpus = {c.name: self.validation([c]) for c in self.corpora if c.name in labelled}
        return [CorpusMetrics(by_corpus, labelled)]


def contract(config: Config, corpora: list[Prepared]) -> Contract:
    """Return the contract of a trained network; with several corpora it has the widest crop margin."""
    return Contract(
        architecture=config.architecture,
        input_size=config.image_size,
        crop_margin=max(corpus.crop_margin for corpus in corpora),
        colour="grey" if all(corpus.is_grey for corpus in corpora) else "rgb",
        trained=labelled_heads(corpora, "train"),
        mirror=config.mirror,
        corpora={corpus.name: corpus.version for corpus in corpora},
        class_shares=class_shares(corpora, config),
        terms={c.name: licence for c in corpora if (licence := c.report.get("licence"))},
        warnings={c.name: found for c in corpora if (found := c.report.get("warnings"))},
        affect_range=(-1.0, 1.0) if config.affect_range == "bounded" else None,
    )


def _weights(config: Config, quiet: bool) -> str:
    weights, reasons = resolve_weights(config)
    if weights not in FIRST_WEIGHTS:
        path = shipped.find(weights)
        if (path / shipped.FILE).is_file():
            path /= shipped.FILE
        if path.exists():  # the run may resume in another working folder
            weights = str(path.absolute())
    if config.weights == "auto" and not quiet:
        print(" ".join([f"The backbone starts from {FIRST_WEIGHTS[weights]}.", *reasons]))
    return weights


def _check_labels(corpora: list[Prepared]) -> None:
    if empty := [corpus.name for corpus in corpora if not corpus.size("train")]:
        raise UsageError(f"Nothing to train on in the train split of: {', '.join(empty)}.")
    names = ", ".join(corpus.name for corpus in corpora)
    if not labelled_heads(corpora, "validation"):
        raise UsageError(f"No label in a validation split, so the best epoch is unknown. Received: {names}.")
    if not _scored_heads(corpora):
        raise UsageError(f"The train and validation splits have no kind of label in common. Received: {names}.")


def _scored_heads(corpora: list[Prepared]) -> tuple[str, ...]:
    """Return the heads with labels in both the train and the validation splits."""
    trained = labelled_heads(corpora, "train")
    return tuple(head for head in labelled_heads(corpora, "validation") if head in trained)


@contextmanager
def _locked(folder: Path, resume: bool, writes: bool) -> Iterator[None]:
    """Keep other processes from training in a run folder, except those that train together with this one."""
    with ExitStack() as stack:
        if writes:
            try:
                stack.enter_context(atomic.locked(folder / "config.json"))
            except BlockingIOError:
                raise UsageError(f"Another process trains in {folder}. Wait for it, or name another folder.") from None
            atomic.remove_unfinished(folder / "config.json")
            if not resume:
                _check_empty(folder)  # again: another process may have trained in it since
        yield


def _check_empty(folder: Path) -> None:
    """Raise UsageError if a folder holds an earlier run; hidden files of a killed process do not count."""
    if folder.exists() and any(path.name[0] != "." for path in folder.iterdir()):
        raise UsageError(f"{folder} is not empty. Name another folder with --run, or remove this one.")
