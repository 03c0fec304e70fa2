"""The devices that train a run together: one, all of a machine, or those of several machines."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import tensorflow as tf

from tfaffect.config import Config, Strategy
from tfaffect.errors import UsageError

PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"
LOST_PROCESS = ("Gloo", "NCCL", "oordination service", "onnection reset", "heartbeat")
"""Words in the errors of JAX and its transports when another process has ended."""


@dataclass(frozen=True)
class Devices:
    """The devices of a run, seen from one process."""

    strategy: Strategy
    """single, mirrored or data_parallel; `auto` is resolved."""
    replicas: int = 1
    """Number of devices; each takes an equal part of every batch."""
    process: int = 0
    processes: int = 1

    @property
    def share(self) -> tuple[int, int]:
        """The part of every batch that this process reads: (index, number of parts)."""
        return self.process, self.processes

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder; exactly one does."""
        return self.process == 0


@contextmanager
def distributed(config: Config) -> Iterator[Devices]:
    """Use the devices of the config inside this block; the model must be built in it too.

    `data_parallel` first joins the other processes, if there are any: those of KERAS_DISTRIBUTION_NUM_PROCESSES,
    KERAS_DISTRIBUTION_PROCESS_ID and KERAS_DISTRIBUTION_JOB_ADDRESSES, or the tasks of a Slurm step. Raises UsageError
    for a strategy that the backend, the devices or the other settings do not allow.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        tf.config.set_visible_devices([], "GPU")  # TensorFlow only reads data, and would take all GPU memory
    _check_backend(config, backend)
    if config.strategy == "mirrored":
        strategy = tf.distribute.MirroredStrategy(_mirrored_devices())
        devices = Devices("mirrored", strategy.num_replicas_in_sync)
        _check_batch_size(config, devices)
        with strategy.scope():
            yield devices
    elif backend == "jax" and config.strategy != "single":
        with _data_parallel(config) as devices:
            yield devices
    else:
        yield Devices("single")


@contextmanager
def undistributed() -> Iterator[None]:
    """Let one process do something alone in this block, such as saving.

    Keras creates variables while it saves (keras.src.saving.saving_lib builds an optimizer to compare with). Under a
    distribution, JAX waits until every process creates them.
    """
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


def first_process() -> bool:
    """Return whether this process is the first of those that train together, or the only one; it makes the report."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_index() == 0


def _check_backend(config: Config, backend: str) -> None:
    """Raise UsageError for a strategy that would fail later, with the reason."""
    if config.strategy == "mirrored" and backend != "tensorflow":
        raise UsageError(
            f"--strategy mirrored needs TensorFlow. Received: KERAS_BACKEND={backend}. Use --strategy data_parallel."
        )
    if config.strategy == "data_parallel" and backend != "jax":
        raise UsageError(
            "--strategy data_parallel needs JAX: pip install -r requirements-jax.txt, and set KERAS_BACKEND=jax. "
            f"TensorFlow trains on one machine, with --strategy mirrored or single. Received: KERAS_BACKEND={backend}."
        )
    if several_processes():
        _check_processes(config, backend)
    if config.strategy == "mirrored" and config.gradient_accumulation_steps > 1:
        raise UsageError(
            "Keras 3 cannot accumulate gradients under tf.distribute (keras issue 20582). Leave "
            "--gradient-accumulation-steps at 1, or accumulate on one device with --strategy single. "
            f"Received: --gradient-accumulation-steps {config.gradient_accumulation_steps}."
        )


def _check_processes(config: Config, backend: str) -> None:
    if backend != "jax":
        raise UsageError(
            "Several processes can only train with JAX: tf.distribute's multi-worker strategy fails in Keras 3 (keras "
            f"issue 20585). Set KERAS_BACKEND=jax, or start one process. Received: KERAS_BACKEND={backend}."
        )
    if config.strategy not in ("auto", "data_parallel"):
        raise UsageError(
            f"Several processes train together with --strategy data_parallel only. Received: {config.strategy}."
        )
    if config.weights == "auto":
        raise UsageError(
            "With several processes, --weights auto could give each another result. Pass --weights imagenet, lite1, "
            "none, or a file that all processes can read. Received: auto."
        )


def several_processes() -> bool:
    """Return whether several processes train together, according to the variables of Keras or of Slurm."""
    if PROCESSES in os.environ:
        return True
    # SLURM_STEP_NODELIST exists only under srun: a batch script that calls python itself is a single process.
    return int(os.environ.get("SLURM_NTASKS", 1)) > 1 and "SLURM_STEP_NODELIST" in os.environ


def _mirrored_devices() -> list[str]:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise UsageError(
            f"--strategy mirrored needs at least two devices. TensorFlow sees: {', '.join(d.name for d in devices)}."
        )
    return [device.name for device in devices]


@contextmanager
def _data_parallel(config: Config) -> Iterator[Devices]:
    import jax

    joined = several_processes()
    if joined:
        try:
            keras.distribution.initialize()
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"The processes of this run did not find each other: {error}") from error
    try:
        names = keras.distribution.list_devices()
        if len(names) == 1 and config.strategy == "auto":
            yield Devices("single")
            return
        devices = Devices("data_parallel", len(names), jax.process_index(), jax.process_count())
        _check_batch_size(config, devices)
        # Every process reads its own part of a batch (`Devices.share`), so Keras must not divide it again.
        with keras.distribution.DataParallel(devices=names, auto_shard_dataset=False).scope():
            yield devices
    except BaseException:
        if joined:
            _exit_at_once()
        raise
    if joined:  # otherwise the others would wait while process 0 makes the report
        jax.distributed.shutdown()


def _exit_at_once() -> None:
    """Exit this process at once, with the error that is being handled.

    The others wait for it in the middle of a step, and it would wait for them: up to five minutes in
    jax.distributed.shutdown, which Python also calls at exit.
    """
    error = sys.exception()
    if isinstance(error, UsageError):
        message = f"error: {error}"
    elif any(sign in str(error) for sign in LOST_PROCESS):
        reason = str(error).splitlines()[0]
        message = f"error: Another process of this run has ended. Start all of them again with --resume. ({reason})"
    else:
        message = traceback.format_exc()
    print(message, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(2)


def _check_batch_size(config: Config, devices: Devices) -> None:
    if config.batch_size % devices.replicas:
        raise UsageError(
            f"--batch-size must be a multiple of the number of devices. Received: --batch-size {config.batch_size} for "
            f"{devices.replicas} devices."
        )
