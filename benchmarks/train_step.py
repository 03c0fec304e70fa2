"""Time of a training step, compared with a plain Keras `fit` of the same network, and at each stage of unfreezing.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --architecture micro --image-size 48 --batch-size 64 --no-stages

Alternates these measurements: plain (keras.optimizers.AdamW, Keras's own losses, no metrics); plain with our optimizer;
ours (fused kernels, losses for partial labels, metrics, schedule, a rate for each layer); and with --bfloat16 ours in
that precision. Then measures our step at every stage of gradual unfreezing. The first step of a stage is traced again:
its extra seconds are printed, and their share of a real run. Pictures and labels are made before and are the same for
all, so that only the step is timed.
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
from keras.callbacks import Callback

sys.path.insert(0, str(Path(__file__).parents[1]))
from tfaffect.config import Config
from tfaffect.labels import AFFECT, HEADS
from tfaffect.networks.model import build, layer_groups
from tfaffect.training.objective import compile_model, make_optimizer
from tfaffect.training.unfreezing import GradualUnfreezing, trainable_groups


class StepTimes(Callback):
    """Stores the seconds of every step of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Forget the last epoch."""
        self.seconds: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Store the time."""
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Store the seconds of the step, after waiting for the loss."""
        float((logs or {})["loss"])
        self.seconds.append(time.perf_counter() - self.start)


FACES, EPOCHS = 28_053, 20
"""Training faces and epochs of the run on FER+, with which the time of tracing is compared."""


def main(
    architecture: Literal["efficientnet_b1", "efficientnet_lite1", "small", "micro"] = "efficientnet_b1",
    image_size: int = 64,
    batch_size: int = 32,
    bfloat16: bool = False,
    steps: int = 20,
    rounds: int = 7,
    stages: bool = True,
) -> None:
    """Measure training steps.

    Args:
        architecture: Network to train.
        image_size: Side of the pictures in pixels.
        batch_size: Faces in a step.
        bfloat16: Also measure ours in bfloat16.
        steps: Steps in a measurement.
        rounds: Number of measurements of each kind.
        stages: Also measure the stages of unfreezing.
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
    times = StepTimes()
    for name, model in models.items():
        fit(model, batches, 2, times)  # traces
        print(f"{name}: {times.seconds[0]:.0f} s to the end of the first step", flush=True)
    medians: dict[str, list[float]] = {name: [] for name in models}
    for number in range(rounds):
        for name, model in models.items():
            fit(model, batches, steps, times)
            medians[name].append(statistics.median(times.seconds))
        text = "  ".join(f"{name} {1000 * values[-1]:.0f} ms" for name, values in medians.items())
        print(f"round {number + 1}: {text}", flush=True)
    for name in list(models)[1:]:
        ratios = [value / base for value, base in zip(medians[name], medians["plain"], strict=True)]
        print(f"{name}: median {statistics.median(ratios):.3f} of the plain step (rounds {min(ratios):.3f} to ", end="")
        print(f"{max(ratios):.3f})")
    if stages:
        print_stages(models["ours"], batches, steps, statistics.median(medians["ours"]), batch_size)


def print_stages(model: keras.Model, batches: tf.data.Dataset, steps: int, complete: float, batch_size: int) -> None:
    """Print the step time of every stage, compared with `complete` seconds when all layers learn, and of tracing."""
    groups, times, before = layer_groups(model), StepTimes(), list[str]()
    tracing, training, step = 0.0, 0.0, complete
    for epoch in range(EPOCHS):
        learning = [name for name in trainable_groups(epoch, tuple(groups)) if groups[name]]
        if learning != before:
            fit(model, batches, steps, GradualUnfreezing(groups), times, epoch=epoch)
            first, *rest = times.seconds
            step = statistics.median(rest)
            tracing += first - step
            print(
                f"epoch {epoch + 1:>2}, {len(learning):>2} groups learn: {1000 * step:5.0f} ms a step, "
                f"{step / complete:.2f} of that of the complete network; tracing {first - step:.0f} s",
                flush=True,
            )
        training += step * (FACES // batch_size)
        before = learning
    print(f"tracing is {tracing / (tracing + training):.1%} of a run of {EPOCHS} epochs on FER+")


def fit(model: keras.Model, batches: tf.data.Dataset, steps: int, *callbacks: Callback, epoch: int = 0) -> None:
    """Train `steps` of one epoch."""
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
    """Return a few batches of random pictures with all labels, repeated without end."""
    rng, size, faces = np.random.default_rng(0), config.image_size, 4 * config.batch_size
    pictures = rng.integers(0, 256, (faces, size, size, 3), np.uint8)
    targets = {"expression": rng.dirichlet(np.ones(8), faces).astype(np.float32)}
    targets |= {name: rng.uniform(-1, 1, faces).astype(np.float32) for name in AFFECT}
    weights = {name: np.ones(faces, np.float32) for name in HEADS}
    return tf.data.Dataset.from_tensor_slices((pictures, targets, weights)).batch(config.batch_size).cache().repeat()


def plain(config: Config) -> keras.Model:
    """Return the network compiled as a Keras user would do it."""
    model = build(config)
    compile_plainly(model, config, keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay))
    return model


def with_our_optimizer(config: Config) -> keras.Model:
    """Return the plain network with only our optimizer."""
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
    """Return the network compiled as in `tfaffect train`."""
    model = build(config)
    compile_model(model, config, HEADS, np.ones(8), 100)
    return model


if __name__ == "__main__":
    tyro.cli(main)
