"""Kinds of int8 files of one network at several sizes of the picture: speed, and what is left of the features.

    python benchmarks/integers.py RUN --sizes 64 112 240

Each size is the same network with the same weights, so a size that it was not trained for only ranks the files. All
files of a size are measured in turns, each in processes of their own, on one and on two threads; medians over the
rounds are printed. With npm packages (`npm ci --prefix tfaffect/demo`) and Chromium they are also measured in
WebAssembly, on one thread. The cosine compares the embeddings of a file with those of the float32 file.
ai-edge-quantizer is installed into a folder that is removed afterwards. Its GPTQ is not tried: in version 0.10 it does
not support convolutions.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.export import THREADS, cosine, time_all

LIBRARY = ("ai-edge-quantizer==0.10.0", "litert-lm-builder==0.18.1")
CALIBRATION = 200
"""Training faces for ranges, ours and the library's."""

OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "MUL", "ADD", "MEAN", "LOGISTIC", "PAD")
"""Operators of the backbone that the library's static files compute with integers; dense layers stay float."""

MIN_MAX = "MIN_MAX_UNIFORM_QUANT"

IN_BROWSER = """async ({ size, rounds, faces }) => {
  const { loadAndCompile, loadLiteRt, Tensor } = await import("/litert/index.js");
  const { fixBatch } = await import("/fixed_batch.js");
  self.Module = { locateFile: (name) => `/litert/${name}`, printErr: () => {} };
  await loadLiteRt("/litert/", {});
  const content = new Uint8Array(await (await fetch("/model/model.tflite")).arrayBuffer());
  fixBatch(content);
  const model = await loadAndCompile(content, { accelerator: "wasm" });
  const times = [];
  for (let round = 0; round <= rounds; round++) {
    const start = performance.now();
    for (let face = 0; face < faces; face++) {
      const pixels = Uint8Array.from({ length: 3 * size ** 2 }, (_, place) => (place * 73 + face) % 251);
      const image = new Tensor(pixels, [1, size, size, 3]);
      const found = await model.signatures.serving_default.run({ image });
      for (const tensor of [image, ...Object.values(found)]) tensor.delete();
    }
    times.push((performance.now() - start) / faces);
  }
  return times.slice(1);
}"""


def main(
    run: tyro.conf.Positional[Path],
    records: Path | None = None,
    sizes: tuple[int, ...] = (64, 112, 240),
    rounds: int = 7,
    faces: int = 32,
    compared: int = 400,
) -> None:
    """Measure and print a table for each size.

    Args:
        run: Run folder.
        records: Folder of the prepared corpora; without it, that of the run.
        sizes: Sides of the pictures in pixels.
        rounds: Number of measurements of every file.
        faces: Faces in a measurement, 32 or more.
        compared: Validation faces for the cosine.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder / "library", *LIBRARY]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        sys.path.append(str(folder / "library"))
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        for size in sizes:
            print(measure(run, records, folder / str(size), size, rounds, faces, compared), flush=True)


def measure(run: Path, records: Path | None, folder: Path, size: int, rounds: int, faces: int, compared: int) -> str:
    """Make all files of a size, measure them, and return their table."""
    from tfaffect.config import load
    from tfaffect.export.quantisation.faces import read

    folder.mkdir()
    config = load(run / "config.json")
    calibration = read(config, records, "train", CALIBRATION, size).pictures
    pictures = read(config, records, "validation", compared, size).pictures
    made = dict(files(float_file(run, size, folder), calibration))
    paths = {kind: save(content, run, folder / kind, size) for kind, content in made.items() if content[:1] != b"!"}
    speeds = time_all(paths, rounds, faces)
    browser = time_in_browser(paths, size, rounds, faces)
    embeddings = {kind: embed(path, pictures) for kind, path in paths.items()}
    lines = [f"\n{size} pixels, {len(pictures)} faces\n"]
    lines += ["| file | MB | ms a face, 1 thread | 2 threads | WebAssembly | cosine, mean (worst) |", f"|{'---|' * 6}"]
    for kind, content in made.items():
        if kind not in paths:
            lines.append(f"| {kind} | **not made**: {content[1:].decode()} | | | | |")
            continue
        times = [statistics.median(speeds[kind, threads]["single"]) for threads in THREADS]
        times += [statistics.median(browser[kind])] if browser else []
        cosines = cosine(embeddings[kind], embeddings["float32"])
        cells = [f"{len(content) / 1e6:.1f}", *(f"{time:.2f}" for time in times), *[""] * (not browser)]
        lines.append(f"| {kind} | {' | '.join(cells)} | {cosines.mean():.4f} ({cosines.min():.3f}) |")
    return "\n".join(lines)


def float_file(run: Path, size: int, folder: Path) -> bytes:
    """Return TensorFlow's float32 file of a run's network for pictures of another size, without the mirror image.

    All heads count as trained: ai-edge-quantizer gives the constant NaN of an untrained head the scale NaN, and LiteRT
    refuses such a file.
    """
    from tfaffect import contract as contracts
    from tfaffect.config import load as load_config
    from tfaffect.export import pooling, saved_model, tflite
    from tfaffect.networks import model as models

    trained, contract = models.load(run / "model.keras")
    network = models.build(replace(load_config(run / "config.json"), image_size=size, weights="none"))
    network.set_weights(trained.get_weights())
    pooling.split_large(network)
    contract = replace(contract, input_size=size, mirror=False, trained=contracts.HEADS)
    saved_model.write(models.predictor(network, contract), folder / "saved")
    return tflite._convert(folder / "saved")


def files(content: bytes, calibration: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each kind of file; "!" and a message if it cannot be made."""
    from tfaffect.export.quantisation import integers
    from tfaffect.export.quantisation.graph import pack
    from tfaffect.export.quantisation.making import candidates

    for recipe in ("float32", "float16", "dynamic_int8"):
        yield recipe, pack(next(candidates(recipe, content)))
    for kind, reduction in (("integers on large maps", integers.MAX_REDUCTION), ("integers on all maps", 1024)):
        yield kind, own_integers(content, calibration, reduction)
    single = one_signature(content)
    for kind, algorithm in (("min and max", MIN_MAX), ("OCTAV", "OCTAV")):
        yield f"library, dynamic, {kind}", by_library(single, algorithm)
    for kind, algorithm in (("min and max", MIN_MAX), ("OCTAV", "OCTAV"), ("MSE", "MSE")):
        yield f"library, static, {kind}", by_library(single, algorithm, calibration)


def own_integers(content: bytes, calibration: np.ndarray, reduction: int) -> bytes:
    """Return our static file, with integers on maps that are smaller than the picture by at most this factor."""
    from tfaffect.export.quantisation import integers, weights
    from tfaffect.export.quantisation.graph import Graph, pack
    from tfaffect.export.quantisation.observation import observe
    from tfaffect.export.quantisation.simplification import simplify
    from tfaffect.export.saved_model import SIGNATURES

    graph, usual = Graph(content), integers.MAX_REDUCTION
    simplify(graph)
    integers.MAX_REDUCTION = reduction
    operators = integers.choose_operators(graph)
    integers.MAX_REDUCTION = usual
    integers.quantise(graph, operators, observe(graph, integers.tensors_to_observe(graph, operators), calibration))
    weights.make_dynamic(graph)
    return pack(graph.with_signatures(SIGNATURES))


def one_signature(content: bytes) -> bytes:
    """Return the float32 file with our simplifications and only the signature with all outputs."""
    from tfaffect.export.quantisation.graph import Graph, pack
    from tfaffect.export.quantisation.simplification import simplify
    from tfaffect.export.saved_model import SIGNATURES

    graph, key = Graph(content), "serving_default"
    simplify(graph)
    return pack(graph.with_signatures({key: SIGNATURES[key]}))


def by_library(content: bytes, algorithm: str, calibration: np.ndarray | None = None) -> bytes:
    """Return the file of ai-edge-quantizer, or "!" and its error: static with calibration faces, dynamic without.

    Operators that an algorithm does not support get their ranges from minimum and maximum.
    """
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    names, maker = qtyping.TFLOperationName, quantizer.Quantizer(content)
    with contextlib.redirect_stderr(io.StringIO()):  # progress bars
        try:
            if calibration is None:
                maker.add_dynamic_config(".*", names.ALL_SUPPORTED, 8, algorithm_key=AlgorithmName[algorithm])
                return bytes(maker.quantize(enable_progress_report=False).quantized_model)
            for operator in OPERATORS:
                for known in (MIN_MAX, algorithm):  # the second replaces the first
                    with contextlib.suppress(ValueError):
                        maker.add_static_config(".*", names[operator], 8, 8, algorithm_key=AlgorithmName[known])
            found = maker.calibrate({"serving_default": [{"image": picture[None]} for picture in calibration]})
            return bytes(maker.quantize(found, enable_progress_report=False).quantized_model)
        except Exception as error:  # it has no error type of its own
            return f"!{type(error).__name__}: {' '.join(str(error).split())[:200]}".encode()


def save(content: bytes, run: Path, folder: Path, size: int) -> Path:
    """Write a file with the contract that benchmarks/export.py and the demo need."""
    from tfaffect import contract

    folder.mkdir()
    path = folder / "model.tflite"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    written = replace(contract.read(run / "model.keras"), input_size=size, weights_sha256=sha256)
    (folder / contract.MEMBER).write_text(written.dumps())
    return path


def time_in_browser(paths: dict[str, Path], size: int, rounds: int, faces: int) -> dict[str, list[float]]:
    """Return milliseconds of a face in Chromium by file; nothing without Chromium, Node.js or the npm packages."""
    from tfaffect.demo.addresses import PACKAGES, find_files
    from tfaffect.demo.server import open_server

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not (chromium and shutil.which("node") and PACKAGES.exists()):
        return {}
    times = {}
    for kind, path in paths.items():
        with open_server(find_files(path.parent), 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            times[kind] = in_chromium(chromium, PACKAGES.parent / "drive.js", server.server_port, size, rounds, faces)
            server.shutdown()
    return times


def in_chromium(chromium: str, driver: Path, port: int, size: int, rounds: int, faces: int) -> list[float]:
    """Return milliseconds of a face in each round, for the model that a server of the demo has."""
    given = {"size": size, "rounds": rounds, "faces": faces}
    steps = [
        {"command": "open", "url": f"http://localhost:{port}/", "flags": []},
        {"command": "evaluate", "expression": IN_BROWSER, "given": given},
    ]
    environment = {**os.environ, "CHROMIUM": chromium}
    text = "".join(json.dumps(step) + "\n" for step in steps)
    done = subprocess.run(["node", driver], input=text, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["answer"]


def embed(path: Path, pictures: np.ndarray) -> np.ndarray:
    """Return the embeddings of a file for uint8 pictures, (n, 256)."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path), num_threads=2).get_signature_runner("serving_default")
    return np.concatenate([runner(image=picture[None])["embedding"] for picture in pictures])


if __name__ == "__main__":
    tyro.cli(main)
