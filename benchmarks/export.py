"""Size, speed and scores of every exported format of a run, compared with Keras and with ONNX Runtime.

    python benchmarks/export.py RUN

Latency is for one face, throughput for batches of 32. Each format has its own process, with one and with two threads.
The formats are measured in turns, and medians over the rounds are printed. Scores are on the validation faces of the
run's corpora. The cosine compares the embeddings of a format with those of Keras on the same faces.
"""

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import get_args

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))

BATCH = 32
THREADS = (1, 2)
Times = dict[tuple[str, int], dict[str, list[float]]]


def main(run: tyro.conf.Positional[Path], records: Path | None = None, rounds: int = 7, faces: int = 64) -> None:
    """Measure and print a table.

    Args:
        run: Run folder.
        records: Folder of the prepared corpora; without it, that of the run.
        rounds: Number of measurements of every format.
        faces: Faces in a measurement, one by one and in batches.
    """
    with tempfile.TemporaryDirectory() as name:
        artefacts = make_artefacts(run, Path(name), records)
        quality = {kind: score(path, run, records) for kind, path in artefacts.items()}
        reference = quality["Keras"]["embedding"]
        speeds = time_all(artefacts, rounds, faces)
        print_table(artefacts, speeds, quality, reference)


def make_artefacts(run: Path, folder: Path, records: Path | None) -> dict[str, Path]:
    """Export the run in every format, with the exporters that users call."""
    from tfaffect.export import onnx, saved_model, tflite

    saved_model.export(run, folder / "saved_model", records)
    print("SavedModel written", flush=True)
    onnx.export(run, folder / "onnx", records)
    print("ONNX written", flush=True)
    paths = {"Keras": run / "model.keras", "SavedModel": folder / "saved_model", "ONNX": folder / "onnx" / onnx.FILE}
    for recipe in get_args(tflite.RecipeName):
        tflite.export(run, folder / recipe, records, recipe=recipe)
        paths[f"TFLite {recipe}"] = folder / recipe / tflite.FILE
        print(f"TFLite {recipe} written", flush=True)
    return paths


def score(path: Path, run: Path, records: Path | None) -> dict:
    """Return the scores of a format on the validation faces, and its embeddings of shape (n, 256)."""
    import pandas as pd

    from tfaffect.config import load as load_config
    from tfaffect.records.prepared import open_corpus
    from tfaffect.runtimes.opening import open_model
    from tfaffect.runtimes.predictions import tabulate
    from tfaffect.scoring.scores import score as score_table

    config, network, embeddings = load_config(run / "config.json"), open_model(path), list[np.ndarray]()

    def describe(pictures: np.ndarray) -> dict[str, np.ndarray]:
        outputs = network(pictures)
        embeddings.append(outputs.embedding)
        return outputs._asdict()

    corpora = [open_corpus(records or config.records, name) for name in config.corpora]
    size = network.contract.input_size
    tables = [tabulate(describe, corpus, "validation", size) for corpus in corpora if corpus.size("validation")]
    return {"figures": score_table(pd.concat(tables), resamples=0), "embedding": np.concatenate(embeddings)}


def time_all(artefacts: dict[str, Path], rounds: int, faces: int) -> Times:
    """Return milliseconds of a single face and faces a second in batches, by format and threads, for each round."""
    spawn = multiprocessing.get_context("spawn")
    workers = {}
    for kind, path in artefacts.items():
        for threads in THREADS:
            here, there = spawn.Pipe()
            process = spawn.Process(target=serve, args=(there, path, threads), daemon=True)
            process.start()
            workers[kind, threads] = here
    times: Times = {worker: {"single": [], "batch": []} for worker in workers}
    for number in range(rounds + 1):
        for worker, pipe in workers.items():
            pipe.send(faces)
            single, batch = pipe.recv()
            if number:  # the first warms up
                times[worker]["single"].append(1000 * single)
                times[worker]["batch"].append(1 / batch)
    for pipe in workers.values():
        pipe.send(0)
    return times


def serve(pipe: Connection, path: Path, threads: int) -> None:
    """Receive a number of faces until it is 0, and send the seconds a face, one by one and in batches."""
    call, size = load(path, threads)
    pictures = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3), np.uint8)
    while faces := pipe.recv():
        start = time.perf_counter()
        for number in range(faces):
            call(pictures[number % BATCH : number % BATCH + 1])
        middle = time.perf_counter()
        for _ in range(faces // BATCH):
            call(pictures)
        pipe.send(((middle - start) / faces, (time.perf_counter() - middle) / (faces // BATCH * BATCH)))


def load(path: Path, threads: int) -> tuple[Callable[[np.ndarray], object], int]:
    """Return a function that runs a format in its own runtime, and the input size."""
    from tfaffect import contract

    size = contract.read(path).input_size
    if path.suffix == ".tflite":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path), num_threads=threads).get_signature_runner("serving_default")
        return lambda pictures: runner(image=pictures), size
    if path.suffix == ".onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda pictures: session.run(None, {"image": pictures}), size
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if path.suffix == ".keras":
        from tfaffect.runtimes.opening import open_model

        return open_model(path).run, size
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    return lambda pictures: {k: v.numpy() for k, v in signature(image=tf.constant(pictures)).items()}, size


def print_table(artefacts: dict[str, Path], speeds: dict, quality: dict, reference: np.ndarray) -> None:
    """Print a Markdown table, and the ratios that the formats must reach."""
    from tfaffect.export.artefact import size

    heads = "format | MB | ms a face, 1 thread | 2 threads | faces/s in 32s, 2 threads | accuracy | macro F1 | ECE"
    print(f"| {heads} | cosine, mean (worst) |\n|{'---|' * 9}")
    for kind, path in artefacts.items():
        one, two = (statistics.median(speeds[kind, threads]["single"]) for threads in THREADS)
        batch = statistics.median(speeds[kind, 2]["batch"])
        expression, cosines = quality[kind]["figures"]["expression"], cosine(quality[kind]["embedding"], reference)
        shares = [expression["accuracy"]["value"], expression["macro_f1"]["value"], expression["ece"]]
        cells = [f"{size(path) / 1e6:.1f}", f"{one:.1f}", f"{two:.1f}", f"{batch:.0f}"]
        cells += [f"{100 * share:.2f} %" for share in shares] + [f"{cosines.mean():.4f} ({cosines.min():.4f})"]
        print(f"| {kind} | {' | '.join(cells)} |")
    for slow, fast in (("TFLite float32", "TFLite int8"), ("ONNX", "TFLite float32")):
        for threads in THREADS:
            pairs = zip(speeds[slow, threads]["single"], speeds[fast, threads]["single"], strict=True)
            ratios = [one / other for one, other in pairs]
            print(
                f"{fast} is {statistics.median(ratios):.2f} times as fast as {slow} with {threads} threads "
                f"(rounds {min(ratios):.2f} to {max(ratios):.2f})"
            )


def cosine(embeddings: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair of rows."""
    lengths = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(reference, axis=1)
    return (embeddings * reference).sum(axis=1) / lengths


if __name__ == "__main__":
    tyro.cli(main)
