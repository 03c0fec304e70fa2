"""Runs one exported file in one runtime, for benchmarks/runtimes.py; it needs NumPy and that runtime alone.

    python benchmarks/runtimes_worker.py RUNTIME FILE FACES.npy OUTPUTS.npz

Prints one line of JSON: the names of inputs and outputs as this runtime shows them, and milliseconds a face.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

Call = Callable[[np.ndarray], dict[str, np.ndarray]]
Opened = tuple[list[str], Call]
"""The names of the inputs, and a function from faces to outputs by name."""

WARM_UP_CALLS, TIMED_CALLS = 5, 30


def litert(path: str) -> Opened:
    """Open a signature in LiteRT, on one thread."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(path, num_threads=1).get_signature_runner("serving_default")
    return list(runner.get_input_details()), lambda faces: runner(image=faces)


def tensorflow(path: str) -> Opened:
    """Open a SavedModel in TensorFlow without Keras."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    signature = tf.saved_model.load(path).signatures["serving_default"]
    call = lambda faces: {k: v.numpy() for k, v in signature(image=tf.constant(faces)).items()}  # noqa: E731
    return list(signature.structured_input_signature[1]), call


def onnxruntime(path: str) -> Opened:
    """Open an ONNX file in ONNX Runtime, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    inputs = [value.name for value in session.get_inputs()]
    return inputs, lambda faces: dict(zip(names, session.run(names, {inputs[0]: faces}), strict=True))


def opencv(path: str) -> Opened:
    """Open a file in OpenCV's dnn module, on one thread."""
    import cv2

    cv2.setNumThreads(1)
    network = cv2.dnn.readNet(path)
    names = list(network.getUnconnectedOutLayersNames())

    def call(faces: np.ndarray) -> dict[str, np.ndarray]:
        network.setInput(faces)
        return dict(zip(names, network.forward(names), strict=True))

    return ["image"], call


def openvino(path: str, precision: str | None = "f32") -> Opened:
    """Open a file in OpenVINO, on one thread and in float32."""
    from openvino import Core

    settings = {"INFERENCE_NUM_THREADS": 1} | ({"INFERENCE_PRECISION_HINT": precision} if precision else {})
    compiled = Core().compile_model(path, "CPU", settings)
    names = [output.get_any_name() if output.names else "" for output in compiled.outputs]
    inputs = [value.get_any_name() if value.names else "" for value in compiled.inputs]
    return inputs, lambda faces: dict(zip(names, compiled(faces).values(), strict=True))


def openvino_default(path: str) -> Opened:
    """Open a file in OpenVINO with the precision that it chooses: bfloat16 where the processor has it."""
    return openvino(path, None)


RUNTIMES = {
    function.__name__: function for function in (litert, tensorflow, onnxruntime, opencv, openvino, openvino_default)
}


def main(runtime: str, path: str, faces_file: str, outputs_file: str) -> None:
    """Run batches of one face and of three, write the outputs, and print what was found."""
    faces = np.load(faces_file)
    inputs, call = RUNTIMES[runtime](path)
    outputs = {f"{len(batch)}|{name}": values for batch in (faces[:1], faces) for name, values in call(batch).items()}
    np.savez(outputs_file, **outputs)
    times = []
    for _ in range(WARM_UP_CALLS + TIMED_CALLS):
        start = time.perf_counter()
        call(faces[:1])
        times.append(time.perf_counter() - start)
    print(json.dumps({"inputs": inputs, "milliseconds": 1000 * statistics.median(times[WARM_UP_CALLS:])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
