"""A `.tflite` file in LiteRT, without TensorFlow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from ai_edge_litert.interpreter import Interpreter, SignatureRunner

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.files import processors
from tfaffect.runtimes.runtime import Runtime

SIGNATURE = "serving_default"
INTERPRETERS = 4
"""Limit of interpreters: each has its own copy of the weights in memory, 30 to 60 MB for EfficientNet-B1."""


class Signature:
    """A signature of a TFLite file, as a function from pictures to outputs by name. One thread may call it at a time.

    LiteRT 2.3 computes wrong numbers, without an error, in a batch of twice the size of the one before if it is the
    largest so far: the features of a face differ by up to 1 (findings/litert_batch_grows.sh). So an interpreter gets no
    larger batch than its first one; a new interpreter does.
    """

    def __init__(self, path: Path, name: str = SIGNATURE, threads: int = 1) -> None:
        self._path, self._name, self._threads = path, name, threads
        self._largest, self._runner = 0, self._open()

    def __call__(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name for uint8 RGB pictures (n, size, size, 3)."""
        if len(pictures) > self._largest:
            self._runner = self._open() if self._largest else self._runner
            self._largest = len(pictures)
        return self._runner(image=np.ascontiguousarray(pictures))

    def input_shape(self) -> tuple[int | None, ...]:
        """Return the shape that the network takes, None for the batch."""
        (image,) = self._runner.get_input_details().values()
        return tuple(None if side < 0 else int(side) for side in image["shape_signature"])

    def _open(self) -> SignatureRunner:
        return Interpreter(str(self._path), num_threads=self._threads).get_signature_runner(self._name)


class TFLiteFile(Runtime):
    """A pool of single-threaded interpreters that share a batch, and one multithreaded interpreter for a single face.

    An interpreter has one set of tensors, so it serves one caller at a time; its extra threads spin while other code
    decodes and detects. On two cores a face of 240 pixels takes 22 ms with one thread, 12 ms with two threads, and
    11 ms with two interpreters of one thread.
    """

    # Milliseconds a face on one thread, EfficientNet-B1, for batches of 1, 2, 4 and 32: at 240 pixels 21.8, 22.3, 24.4
    # and 31; at 48 pixels 1.85, 1.68, 1.39 and 1.04.
    pixels_at_once = 4 * 240**2

    def __init__(self, path: Path, contract: Contract) -> None:
        super().__init__(path, contract)
        self._count = min(INTERPRETERS, processors.count())
        signatures = [self._open(threads=1) for _ in range(self._count)]
        self._shape = signatures[0].input_shape()
        self._idle: SimpleQueue[Signature] = SimpleQueue()
        for signature in signatures:
            self._idle.put(signature)
        self._pool = ThreadPoolExecutor(self._count)

    def run(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name for uint8 RGB pictures (n, size, size, 3)."""
        parts = np.array_split(pictures, min(self._count, len(pictures)))
        if len(parts) == 1:
            return self._run_part(self._multithreaded, pictures)
        outputs = list(self._pool.map(lambda part: self._run_part(self._idle, part), parts))
        return {name: np.concatenate([part[name] for part in outputs]) for name in outputs[0]}

    def input_shape(self) -> tuple[int | None, ...]:
        """Return the shape that the network takes, None for the batch."""
        return self._shape

    @cached_property
    def _multithreaded(self) -> SimpleQueue[Signature]:
        queue: SimpleQueue[Signature] = SimpleQueue()
        queue.put(self._open(threads=processors.count()))
        return queue

    def _run_part(self, idle: SimpleQueue[Signature], pictures: np.ndarray) -> dict[str, np.ndarray]:
        signature = idle.get()  # waits until another thread returns one
        try:
            return signature(pictures)
        finally:
            idle.put(signature)

    def _open(self, threads: int) -> Signature:
        try:
            return Signature(self.path, threads=threads)
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"{self.path} could not be loaded as TFLite: {error}") from error
