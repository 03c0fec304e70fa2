"""Training in processes of their own: under another backend, on several devices, or to be killed."""

import os
import signal
import socket
import subprocess
import sys
import time

from tests import ROOT

PROCESS = """
import os, sys
from pathlib import Path
devices, resume = int(sys.argv[3]), sys.argv[4] == "True"
import keras
if devices > 1 and keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
from tests.small_network import small_backbone
from tfaffect.config import load
from tfaffect.training.training import train
train(load(Path(sys.argv[1])), Path(sys.argv[2]), small_backbone, resume=resume)
if "KERAS_DISTRIBUTION_NUM_PROCESSES" in os.environ:  # as train.py ends
    from tfaffect.training.devices import first_process
    from tfaffect.evaluate import evaluate
    print("evaluates" if first_process() else "leaves")
    if first_process():
        evaluate(Path(sys.argv[2]))
"""


def start(config, folder, backend="tensorflow", devices=1, resume=False, **environment):
    """Start a process that trains the small network on so many CPU devices."""
    settings = folder.parent / f"{folder.name}.settings.json"
    config.save(settings)
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, settings, folder, str(devices), str(resume)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process, seconds=300):
    """Wait for a process that shall end well; return what it printed."""
    try:
        printed, error = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert process.returncode == 0, error
    return printed


def interrupt(process, folder, epochs, number=signal.SIGINT):
    """Send a process a signal some steps after so many epochs; return what it said."""
    while process.poll() is None and not any((folder / "checkpoint").glob(f"{epochs:06d}-*")):
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    return process.communicate(timeout=300)[1]


def start_across(processes, config, folder, backend="jax", resume=False):
    """Start so many processes of one device each, joined over localhost."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    return [
        start(
            config,
            folder,
            backend,
            resume=resume,
            KERAS_DISTRIBUTION_JOB_ADDRESSES=address,
            KERAS_DISTRIBUTION_NUM_PROCESSES=str(processes),
            KERAS_DISTRIBUTION_PROCESS_ID=str(number),
        )
        for number in range(processes)
    ]


def train_across(processes, config, folder, backend="jax", resume=False):
    """Train on so many processes; return what each printed."""
    started = start_across(processes, config, folder, backend, resume)
    try:
        return [end(process) for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
