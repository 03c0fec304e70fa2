"""Shared by all exporters: open the run, check the artefact against the network, and write it atomically."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

import keras
import numpy as np

from tfaffect.config import load as load_config
from tfaffect.contract import MEMBER, Contract, artefact_sha256
from tfaffect.errors import UsageError
from tfaffect.export import card, pooling
from tfaffect.export.claims import scores_of_run
from tfaffect.files import atomic
from tfaffect.networks.model import load, predictor
from tfaffect.records import batches
from tfaffect.records.prepared import open_corpus

FACES = 64
"""Validation faces on which an artefact is compared with its network."""

TOLERANCE = 1e-3
"""Largest allowed difference of any output; float32 artefacts differ by less than 1e-4."""

MAX_SPREAD_SHARE = 0.1
"""Largest allowed difference as a share of the output's range over the faces. After few training steps a network gives
nearly the same for all faces (a range of 1e-6 after 12 steps): an artefact without weights would pass `TOLERANCE`."""

MIN_WEIGHTS_RATIO, MAX_WEIGHTS_RATIO, MAX_GRAPH_BYTES = 0.9, 1.1, 6_000_000
"""Bounds of an artefact's size as a ratio to its weights' size, and a limit for graph and contract. B1's graph has 0.2
MB in TFLite and 2.3 MB in a SavedModel; TFLite and ONNX fold BatchNorm's weights into the convolutions: 0.99."""

WARM_UP_CALLS, TIMED_CALLS = 3, 15

MAX_TIME_RATIO = 2.0
"""Largest time of a face relative to Keras's `predict_on_batch`; on an idle machine every format is below 1."""


class ExportError(UsageError):
    """The artefact failed a check and was not written."""


def open_run(run: Path, records: Path | None) -> tuple[keras.Model, Contract, np.ndarray]:
    """Return the predictor of a run, its contract with the report's scores, and faces for checking the export.

    Faces are uint8 (64, size, size, 3) from the validation split of the run's first corpus. `records` overrides the
    run's own records folder. Raises UsageError when they are missing: an unchecked export is not written.
    """
    model, contract = load(run)
    pooling.split_large(model)
    config = load_config(run / "config.json")
    if not config.corpora:
        raise UsageError(f"{run} has no corpus for checking the export: import its weights again with --corpora NAME.")
    try:
        corpus = open_corpus(records or config.records, config.corpora[0])
    except UsageError as error:
        raise UsageError(
            f"An export is checked on faces of the run's corpus. {error} Or name the records folder with --records."
        ) from error
    validation = batches.evaluation_batches(corpus, "validation", contract.input_size, FACES)
    (faces, _), *_ = islice(validation, 1)
    return predictor(model, contract), replace(contract, scores=scores_of_run(run, contract)), faces.numpy()


@contextmanager
def new_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder that becomes `out` when the block ends without an exception.

    `overwrite` replaces the complete folder. Raises UsageError when `out` exists and `overwrite` is False, or when it
    is not an earlier export.
    """
    atomic.remove_unfinished(out)
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists already. Name another folder, or replace it with --overwrite.")
    if out.exists() and not (out / MEMBER).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an earlier export, so it is not replaced. Name another folder, or remove it.")
    with atomic.write_folder(out) as folder:
        yield folder


def differences(expected: dict[str, np.ndarray], received: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the largest difference of each output between the network and the artefact on the same faces.

    Raises ExportError when a difference exceeds `TOLERANCE` or `MAX_SPREAD_SHARE`, when NaN values differ, and when the
    network returns the same output for all faces, because then the comparison proves nothing. Heads that were never
    trained must be NaN in both; they have no difference in the result.
    """
    trained = {name for name, values in expected.items() if not np.isnan(values).all()}
    if wrong := [name for name in expected if name not in trained and not np.isnan(received[name]).all()]:
        raise ExportError(f"The artefact's {', '.join(wrong)} should be NaN: never trained. Nothing was written.")
    return {name: _difference(name, expected[name], received[name]) for name in expected if name in trained}


def _difference(name: str, values: np.ndarray, received: np.ndarray) -> float:
    spread = np.ptp(values, axis=0).max()
    if spread == 0:
        raise ExportError(f"The network returns the same {name} for {len(values)} faces: it has learned nothing.")
    difference = np.max(np.abs(values - received))
    allowed = TOLERANCE if np.isnan(spread) else min(TOLERANCE, MAX_SPREAD_SHARE * spread)
    if not difference <= allowed:
        raise ExportError(
            f"The artefact's {name} is off by {difference:.2g}, more than {allowed:.2g}. Nothing was written."
        )
    return float(difference)


def milliseconds(run: Callable[[np.ndarray], object], face: np.ndarray) -> float:
    """Return the median time for one face (1, size, size, 3), after warm-up calls."""
    times = []
    for _ in range(WARM_UP_CALLS + TIMED_CALLS):
        start = time.perf_counter()
        run(face)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[WARM_UP_CALLS:])


def check_size(path: Path, network: keras.Model, bytes_per_weight: float) -> int:
    """Return the bytes of an artefact. Raises ExportError when they do not fit the number of weights.

    Too few: weights are missing; TFLite's converter can lose them without an error. Too many: they are stored twice.
    """
    found, expected = size(path), bytes_per_weight * network.count_params()
    least, most = MIN_WEIGHTS_RATIO * expected, MAX_WEIGHTS_RATIO * expected + MAX_GRAPH_BYTES
    if not least <= found <= most:
        raise ExportError(
            f"The artefact has {found:,} bytes; {network.count_params():,} weights of {bytes_per_weight:g} bytes need "
            f"{least:,.0f} to {most:,.0f}. Nothing was written."
        )
    return found


@dataclass(frozen=True)
class Measurements:
    """An exporter's measurements of its artefact.

    format, recipe: for example TFLite, int8. bytes: size of the artefact. milliseconds, network_milliseconds: time for
    one face on the exporting machine, with the artefact and with Keras; only their ratio is valid on other machines.
    operators: names of its operators. faces: number of faces in the comparison. differences: output -> largest
    difference. losses: figure -> loss, for a recipe that changes the weights.
    """

    format: str
    recipe: str
    bytes: int
    milliseconds: float
    network_milliseconds: float
    operators: tuple[str, ...]
    faces: int
    differences: dict[str, float]
    losses: dict[str, float] = field(default_factory=dict)

    def summary(self, path: Path) -> str:
        """Return a line for the terminal."""
        speed = f"{self.milliseconds:.1f} ms a face here (Keras {self.network_milliseconds:.1f})"
        worst = max(self.differences.values(), default=0.0)
        return (
            f"{path}: {self.bytes / 1e6:.1f} MB, {speed}, differs from the network by at most {worst:.1e} "
            f"on {self.faces:,} validation faces"
        )


def check_milliseconds(run: Callable[[np.ndarray], object], network: keras.Model, face: np.ndarray) -> dict:
    """Return `milliseconds` of an artefact and `network_milliseconds` of Keras for one face (1, size, size, 3).

    Raises ExportError when two measurements in a row exceed `MAX_TIME_RATIO`.
    """
    for _ in range(2):
        found, reference = milliseconds(run, face), milliseconds(network.predict_on_batch, face)
        if found <= MAX_TIME_RATIO * reference:
            return {"milliseconds": found, "network_milliseconds": reference}
    raise ExportError(f"The artefact takes {found:.1f} ms a face, Keras {reference:.1f} ms. Nothing was written.")


def measure(
    path: Path,
    run: Callable[[np.ndarray], dict[str, np.ndarray]],
    network: keras.Model,
    faces: np.ndarray,
    format: str,
    operators: tuple[str, ...],
) -> Measurements:
    """Measure a float32 artefact, called by `run`, against its network. Raises ExportError when a check fails."""
    return Measurements(
        format=format,
        recipe="float32",
        bytes=check_size(path, network, bytes_per_weight=4),
        operators=operators,
        faces=len(faces),
        differences=differences(network.predict_on_batch(faces), run(faces)),
        **check_milliseconds(run, network, faces[:1]),
    )


def write_contract(contract: Contract, artefact: Path, folder: Path, measured: Measurements) -> None:
    """Write model.json and card.md into `folder`, with the measurements and the hash of the artefact."""
    contract = replace(contract, weights_sha256=artefact_sha256(artefact), artefact=asdict(measured))
    (folder / MEMBER).write_text(contract.dumps())
    card.write(contract, folder)


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    return sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())
