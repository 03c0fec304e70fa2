"""Every exported format in the runtimes that other people use: does it load, and does it return the same?

    python benchmarks/runtimes.py RUN

A runtime that is not installed here gets an environment of its own, which is removed afterwards. One that cannot be
installed has a row that says so. Each pair of runtime and format has its own process, on one thread.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.export import make_artefacts

WORKER = Path(__file__).with_name("runtimes_worker.py")
NODE_WORKER = WORKER.with_suffix(".mjs")
NODE_PACKAGE = "onnxruntime-web@1.30.0"
COUNTS = (1, 3)
"""Batch sizes."""

TFLITE = ("TFLite float32", "TFLite float16", "TFLite dynamic_int8", "TFLite int8")
RUNTIMES = {
    "litert": ("LiteRT", "ai-edge-litert", "ai_edge_litert", TFLITE),
    "tensorflow": ("TensorFlow", "tensorflow", "tensorflow", ("SavedModel",)),
    "onnxruntime": ("ONNX Runtime", "onnxruntime", "onnxruntime", ("ONNX",)),
    "openvino": ("OpenVINO, float32", "openvino", "openvino", (*TFLITE, "ONNX", "SavedModel")),
    "openvino_default": ("OpenVINO, its default", "openvino", "openvino", ("TFLite float32", "ONNX")),
    "opencv": ("OpenCV dnn", "opencv-python-headless", "cv2", ("ONNX", "TFLite float32")),
}
"""Function of the worker -> name in the table, package, module, and the formats to try."""


@dataclass
class Row:
    """A row of the table. problem: why the file did not run; empty if it did."""

    runtime: str
    format: str
    problem: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    milliseconds: float = 0.0


def main(run: tyro.conf.Positional[Path], records: Path | None = None) -> None:
    """Export a run in every format, open each file in every runtime, and print a table.

    Args:
        run: Run folder.
        records: Folder of the prepared corpora; without it, that of the run.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        artefacts = make_artefacts(run, folder, records)
        faces, expected = make_faces(run, records)
        np.save(folder / "faces.npy", faces)
        print("| runtime | format | names | 1 and 3 faces | untrained heads | largest difference | ms a face |")
        print(f"|{'---|' * 7}")
        for row in measure(artefacts, folder, faces.shape[1]):
            print(describe(row, expected), flush=True)


def make_faces(run: Path, records: Path | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return three validation faces, and what the network of the run returns for them."""
    from tfaffect.export import artefact

    network, _, faces = artefact.open_run(run, records)
    return faces[: max(COUNTS)], network.predict_on_batch(faces[: max(COUNTS)])


def measure(artefacts: dict[str, Path], folder: Path, size: int) -> Iterator[Row]:
    """Yield a row for each runtime and format."""
    for function, (runtime, package, module, formats) in RUNTIMES.items():
        python, problem = find_python(package, module, folder / package)
        for kind in formats:
            command = [python, str(WORKER), function, str(artefacts[kind]), str(folder / "faces.npy")]
            yield Row(runtime, kind, problem) if problem else run_worker(Row(runtime, kind), command, folder / "o.npz")
    node, problem = install_node(folder / "node")
    command = ["node", str(node), str(artefacts["ONNX"]), str(folder / "faces.npy"), str(size)]
    row = Row("ONNX Runtime, WebAssembly in node", "ONNX", problem)
    yield row if problem else run_worker(row, command, folder / "o.json")


def find_python(package: str, module: str, environment: Path) -> tuple[str, str]:
    """Return a Python that has a package, and a problem if it cannot be installed."""
    if importlib.util.find_spec(module):
        return sys.executable, ""
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        done = subprocess.run([python, "-m", "pip", "install", "-q", "numpy", package], capture_output=True, text=True)
        if done.returncode:
            return "", f"{package} could not be installed: {last_line(done.stderr)}"
    return str(python), ""


def install_node(folder: Path) -> tuple[Path, str]:
    """Return the worker for node beside its package, and a problem if there is no npm or it fails."""
    if not shutil.which("npm"):
        return folder, "npm is not installed"
    folder.mkdir()
    done = subprocess.run(["npm", "install", "--silent", NODE_PACKAGE], cwd=folder, capture_output=True, text=True)
    return Path(shutil.copy(NODE_WORKER, folder)), f"npm install failed: {last_line(done.stderr)}" * bool(
        done.returncode
    )


def run_worker(row: Row, command: list[str], outputs: Path) -> Row:
    """Fill a row with what a worker found, or with its last line of error."""
    done = subprocess.run([*command, str(outputs)], capture_output=True, text=True)
    if done.returncode:
        row.problem = last_line(done.stderr)
        return row
    found = json.loads(done.stdout.strip().splitlines()[-1])
    row.inputs, row.milliseconds = found["inputs"], found["milliseconds"]
    for key, values in read_outputs(outputs).items():
        count, name = key.split("|", 1)
        row.outputs.setdefault(int(count), {})[name] = values
    return row


def read_outputs(path: Path) -> dict[str, np.ndarray]:
    """Return what a worker wrote: .npz from Python, .json from node."""
    if path.suffix == ".npz":
        return dict(np.load(path))
    content = json.loads(path.read_text())
    return {key: np.array(part["values"], np.float32).reshape(part["shape"]) for key, part in content.items()}


def last_line(text: str) -> str:
    """Return the last error in a program's messages with what follows it, in one line of a table."""
    lines = [line for line in text.splitlines() if line.strip()] or ["failed without a message"]
    errors = [place for place, line in enumerate(lines) if re.match(r"[\w.]*(error|exception)\b", line, re.IGNORECASE)]
    message = " ".join(lines[(errors or [-1])[-1] :])
    return re.sub(r" /\S+ error:", "", message).replace("|", "/")[:300]


def describe(row: Row, expected: dict[str, np.ndarray]) -> str:
    """Return a row of the table in Markdown."""
    if row.problem:
        return f"| {row.runtime} | {row.format} | **does not run**: {row.problem} | | | | |"
    names = {name: name.removeprefix("serving_default/") for name in row.outputs[1]}
    shown = "as written" if set(names.values()) == set(expected) else ", ".join(names)
    outputs = {count: {names[name]: values for name, values in found.items()} for count, found in row.outputs.items()}
    if shown != "as written":
        return f"| {row.runtime} | {row.format} | {shown} | | | | {row.milliseconds:.2f} |"
    equal = all(
        outputs[count][name].shape == (count, *values.shape[1:])
        for name, values in expected.items()
        for count in COUNTS
    )
    untrained = {name for name, values in expected.items() if np.isnan(values).all()}
    kept = all(np.isnan(outputs[3][name]).all() for name in untrained)
    differences = [
        np.abs(outputs[count][name].reshape(count, -1) - values[:count].reshape(count, -1)).max()
        for name, values in expected.items()
        if name not in untrained
        for count in COUNTS
    ]
    heads = ("NaN" if kept else "**numbers**") if untrained else "none"
    cells = [row.runtime, row.format, shown, "yes" if equal else "**other shapes**", heads]
    return f"| {' | '.join(cells)} | {max(differences):.1e} | {row.milliseconds:.2f} |"


if __name__ == "__main__":
    tyro.cli(main)
