"""Step time: ours against a plain Keras `fit` of the same network, and against itself at each stage of unfreezing.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --architecture micro --image-size 48 --batch-size 64 --no-stages

Takes turns between plain (keras.optimizers.AdamW, Keras's own losses, no metrics), the same with our optimizer, all of
ours (fused kernels, losses for partial labels, metrics, schedule, a rate per layer), and with --bfloat16 all of ours in
that precision. Then our own step from the first epoch of gradual unfreezing to the last, each with the seconds that its
first step, traced anew, took on top, and what all of these are of a real run. Pictures and labels are made beforehand
and the same for all, so that nothing but the step is timed.
"""

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from tfaffect.config import Config
from tfaffect.labels import AFFECT, HEADS
from tfaffect.networks.model import build, layer_groups
from tfaffect.training.objective import compile_model, make_optimizer
from tfaffect.training.unfreezing import GradualUnfreezing, trainable_groups


class StepTimes(keras.callbacks.Callback):
    """Keeps the seconds of every step of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Begin anew."""
        self.seconds = []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Take the time."""
        self.begun = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Take the time again, when the loss has been computed."""
        float(logs["loss"])
        self.seconds.append(time.perf_counter() - self.begun)


FACES, EPOCHS = 28_053, 20
"""Training faces and epochs of the run that tracing is compared with: FER+'s."""


def main(
    architecture: Literal["efficientnet_b1", "small", "micro"] = "efficientnet_b1",
    image_size: int = 64,
    batch_size: int = 32,
    bfloat16: bool = False,
    steps: int = 20,
    rounds: int = 7,
    stages: bool = True,
) -> None:
    """Measure training steps.

    Args:
        architecture: Network that learns.
        image_size: Side of the pictures.
        batch_size: Faces a step.
        bfloat16: Measure ours in bfloat16 as well.
        steps: Steps a turn.
        rounds: Turns that each takes.
        stages: Measure the stages of unfreezing as well.
    """
    config = Config(
        architecture=architecture,
        image_size=image_size,
        batch_size=batch_size,
        weights="none",
        discriminative_rates="on",
    )
    batches = random_batches(config)
    models = {"plain": plain(config), "our optimizer": with_our_optimizer(config), "ours": ours(config)}
    if bfloat16:
        models["ours in bfloat16"] = ours(replace(config, precision="bfloat16"))
    watch = StepTimes()
    for name, model in models.items():
        fit(model, batches, 2, watch)  # traces
        print(f"{name}: {watch.seconds[0]:.0f} s to the first step's end", flush=True)
    medians = {name: [] for name in models}
    for number in range(rounds):
        for name, model in models.items():
            fit(model, batches, steps, watch)
            medians[name].append(statistics.median(watch.seconds))
        shown = "  ".join(f"{name} {1000 * values[-1]:.0f} ms" for name, values in medians.items())
        print(f"round {number + 1}: {shown}", flush=True)
    for name in list(models)[1:]:
        ratios = [value / base for value, base in zip(medians[name], medians["plain"], strict=True)]
        print(f"{name}: median {statistics.median(ratios):.3f} of the plain step (rounds {min(ratios):.3f} to ", end="")
        print(f"{max(ratios):.3f})")
    if stages:
        show_stages(models["ours"], batches, steps, statistics.median(medians["ours"]), batch_size)


def show_stages(model: keras.Model, batches: tf.data.Dataset, steps: int, whole: float, batch_size: int) -> None:
    """Print the step time of every epoch in which the layers that learn change, and what tracing costs."""
    groups, watch, before = layer_groups(model), StepTimes(), None
    tracing, training, step = 0.0, 0.0, whole
    for epoch in range(EPOCHS):
        learning = [name for name in trainable_groups(epoch, tuple(groups)) if groups[name]]
        if learning != before:
            fit(model, batches, steps, GradualUnfreezing(groups), watch, epoch=epoch)
            first, *rest = watch.seconds
            step = statistics.median(rest)
            tracing += first - step
            print(
                f"epoch {epoch + 1:>2}, {len(learning):>2} groups learn: {1000 * step:5.0f} ms a step, "
                f"{step / whole:.2f} of the whole network's; tracing {first - step:.0f} s",
                flush=True,
            )
        training += step * (FACES // batch_size)
        before = learning
    print(f"tracing is {tracing / (tracing + training):.1%} of a run of {EPOCHS} epochs on FER+")


def fit(model: keras.Model, batches: tf.data.Dataset, steps: int, *callbacks, epoch: int = 0) -> None:
    """Train some steps of one epoch."""
    model.fit(
        batches,
        steps_per_epoch=steps,
        initial_epoch=epoch,
        epochs=epoch + 1,
        callbacks=list(callbacks),
        verbose=0,
        shuffle=False,
    )


def random_batches(config: Config) -> tf.data.Dataset:
    """Return a few batches over and over: random pictures, all of them labelled."""
    rng, size, faces = np.random.default_rng(0), config.image_size, 4 * config.batch_size
    pictures = rng.integers(0, 256, (faces, size, size, 3), np.uint8)
    targets = {"expression": rng.dirichlet(np.ones(8), faces).astype(np.float32)}
    targets |= {name: rng.uniform(-1, 1, faces).astype(np.float32) for name in AFFECT}
    weights = {name: np.ones(faces, np.float32) for name in HEADS}
    return tf.data.Dataset.from_tensor_slices((pictures, targets, weights)).batch(config.batch_size).cache().repeat()


def plain(config: Config) -> keras.Model:
    """Return the network as a Keras user would compile it."""
    model = build(config)
    compile_plainly(model, config, keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay))
    return model


def with_our_optimizer(config: Config) -> keras.Model:
    """Return the plain network with nothing else changed."""
    model = build(config)
    compile_plainly(model, config, make_optimizer(model, config, 100))
    return model


def compile_plainly(model: keras.Model, config: Config, optimizer: keras.optimizers.Optimizer) -> None:
    """Compile with Keras's own losses."""
    model.compile(
        optimizer,
        loss={"expression": keras.losses.CategoricalCrossentropy(from_logits=True), **dict.fromkeys(AFFECT, "mse")},
        loss_weights={"expression": config.expression_loss_weight, **dict.fromkeys(AFFECT, 1.0)},
        jit_compile="auto" if keras.distribution.list_devices("gpu") else False,  # as ours
    )


def ours(config: Config) -> keras.Model:
    """Return the network as train.py compiles it."""
    model = build(config)
    compile_model(model, config, HEADS, np.ones(8), 100)
    return model


if __name__ == "__main__":
    tyro.cli(main)
