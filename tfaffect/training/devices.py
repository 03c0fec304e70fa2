"""Which devices train a run together: one, all of a machine, or those of many machines."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import tensorflow as tf

from tfaffect.config import Config
from tfaffect.errors import UsageError

PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"
LOST = ("Gloo", "NCCL", "oordination service", "onnection reset", "heartbeat")
"""Words of JAX and its transports by which a process hears of the end of another."""


@dataclass(frozen=True)
class Devices:
    """The devices of a run, seen from one process."""

    strategy: str
    """What `auto` came to: single, mirrored or data_parallel."""
    replicas: int = 1
    """Devices that each take an equal part of every batch."""
    process: int = 0
    processes: int = 1

    @property
    def share(self) -> tuple[int, int]:
        """The part of every batch that this process reads: (index, number of parts)."""
        return self.process, self.processes

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder: one does, for all."""
        return self.process == 0


@contextmanager
def distributed(config: Config) -> Iterator[Devices]:
    """Train on the devices that the config names, inside this block: build the model in it as well.

    `data_parallel` first joins the other processes when there are some: those that KERAS_DISTRIBUTION_NUM_PROCESSES,
    KERAS_DISTRIBUTION_PROCESS_ID and KERAS_DISTRIBUTION_JOB_ADDRESSES name, or the tasks of a Slurm step. Raises
    UsageError for a strategy that the backend, the devices or the other knobs do not allow.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        tf.config.set_visible_devices([], "GPU")  # TensorFlow only reads here, and would take all memory of the GPUs
    _refuse(config, backend)
    if config.strategy == "mirrored":
        strategy = tf.distribute.MirroredStrategy(_mirrored_devices())
        devices = Devices("mirrored", strategy.num_replicas_in_sync)
        _refuse_uneven(config, devices)
        with strategy.scope():
            yield devices
    elif backend == "jax" and config.strategy != "single":
        with _data_parallel(config) as devices:
            yield devices
    else:
        yield Devices("single")


@contextmanager
def undistributed() -> Iterator[None]:
    """Let one process do in this block what the others do not, such as saving.

    Keras makes variables while it saves (keras.src.saving.saving_lib builds an optimizer to compare with), and under a
    distribution JAX waits for every process to make them as well.
    """
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


def first_process() -> bool:
    """Whether this process is the first of those that train together, or the only one: it reports, for all."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_index() == 0


def _refuse(config: Config, backend: str) -> None:
    """Raise UsageError for what could only fail later, with the reason."""
    if config.strategy == "mirrored" and backend != "tensorflow":
        raise UsageError(
            f"--strategy mirrored is TensorFlow's. Received: KERAS_BACKEND={backend}. Use --strategy data_parallel."
        )
    if config.strategy == "data_parallel" and backend != "jax":
        raise UsageError(
            "--strategy data_parallel is JAX's: pip install -r requirements-jax.txt, and set KERAS_BACKEND=jax. "
            f"TensorFlow trains on one machine, with --strategy mirrored or single. Received: KERAS_BACKEND={backend}."
        )
    if several_processes():
        _refuse_across(config, backend)
    if config.strategy == "mirrored" and config.gradient_accumulation_steps > 1:
        raise UsageError(
            "Keras 3 cannot accumulate gradients under tf.distribute (keras issue 20582). Leave "
            "--gradient-accumulation-steps at 1, or accumulate on one device with --strategy single. "
            f"Received: --gradient-accumulation-steps {config.gradient_accumulation_steps}."
        )


def _refuse_across(config: Config, backend: str) -> None:
    if backend != "jax":
        raise UsageError(
            "Across processes only JAX trains: tf.distribute's multi-worker strategy fails in Keras 3's fit (keras "
            f"issue 20585). Set KERAS_BACKEND=jax, or start one process. Received: KERAS_BACKEND={backend}."
        )
    if config.strategy not in ("auto", "data_parallel"):
        raise UsageError(
            f"Several processes train together with --strategy data_parallel only. Received: {config.strategy}."
        )
    if config.weights == "auto":
        raise UsageError(
            "One of several processes could find ImageNet's weights and another not. Say --weights imagenet, none, or "
            "a file that all of them see. Received: auto."
        )


def several_processes() -> bool:
    """Whether this process is one of several that shall train together, after the variables of Keras or of Slurm.

    SLURM_STEP_NODELIST is there under srun only: a batch script that calls python itself is one process of one.
    """
    return PROCESSES in os.environ or (
        int(os.environ.get("SLURM_NTASKS", 1)) > 1 and "SLURM_STEP_NODELIST" in os.environ
    )


def _mirrored_devices() -> list[str]:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise UsageError(
            f"--strategy mirrored needs two devices at least. TensorFlow sees: {', '.join(d.name for d in devices)}."
        )
    return [device.name for device in devices]


@contextmanager
def _data_parallel(config: Config) -> Iterator[Devices]:
    import jax

    joined = _join()
    try:
        names = keras.distribution.list_devices()
        if len(names) == 1 and config.strategy == "auto":
            yield Devices("single")
            return
        devices = Devices("data_parallel", len(names), jax.process_index(), jax.process_count())
        _refuse_uneven(config, devices)
        # Every process reads its own part of a batch (`Devices.share`), so Keras has nothing to share out.
        with keras.distribution.DataParallel(devices=names, auto_shard_dataset=False).scope():
            yield devices
    except BaseException:
        if joined:
            _end_at_once()
        raise
    if joined:  # so that none waits for what process 0 does alone afterwards
        jax.distributed.shutdown()


def _end_at_once() -> None:
    """End this process with the error that is being handled.

    The others wait for it in the middle of a step, and it would wait for them: up to five minutes in
    jax.distributed.shutdown, which Python calls at its end too.
    """
    error = sys.exception()
    if isinstance(error, UsageError):
        words = f"error: {error}"
    elif any(sign in str(error) for sign in LOST):
        first = next(iter(str(error).splitlines()))
        words = f"error: Another process of this run has ended, so start all of them again with --resume. ({first})"
    else:
        words = traceback.format_exc()
    print(words, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(2)


def _join() -> bool:
    """Join the other processes of this run, if there are any."""
    if not several_processes():
        return False
    try:
        keras.distribution.initialize()
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"The processes of this run did not find each other: {error}") from error
    return True


def _refuse_uneven(config: Config, devices: Devices) -> None:
    if config.batch_size % devices.replicas:
        raise UsageError(
            f"Every device takes an equal part of a batch. Received: --batch-size {config.batch_size} for "
            f"{devices.replicas} devices."
        )
