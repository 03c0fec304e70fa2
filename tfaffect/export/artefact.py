"""What all exporters share: their options, the faces they check themselves on, and writing all or nothing."""

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
from tfaffect.export import card
from tfaffect.export.claims import scores_of_run
from tfaffect.files import atomic
from tfaffect.networks.model import load, predictor
from tfaffect.records import batches
from tfaffect.records.prepared import open_corpus

FACES = 64
"""Validation faces on which an export is compared with the network it came from."""

TOLERANCE = 1e-3
"""Largest absolute difference of any output; float32 artefacts are seen to stay below 1e-4."""

SHARE_OF_SPREAD = 0.1
"""Largest difference as a share of the output's own spread over the faces. A network of few steps gives nearly the same
for all faces (a spread of 1e-6 after 12 steps), and an artefact without its weights would be within the tolerance."""


LEAST_OF_WEIGHTS, MOST_OF_WEIGHTS, GRAPH_BYTES = 0.9, 1.1, 6_000_000
"""Bounds of an artefact's size over that of its weights, and what its graph and contract may take. B1's graph takes 0.2
MB in TFLite and 2.3 MB in a SavedModel; BatchNorm's weights vanish into the convolutions in TFLite and ONNX: 0.99."""

WARMING, TIMED = 3, 15
"""Calls before the clock counts, and those that it counts."""

SLOWEST = 2.0
"""Largest time of a face over that of Keras's `predict_on_batch`; on an idle machine every format is below 1."""


class ExportError(UsageError):
    """The artefact is not what it should be, and was not written."""


def open_run(run: Path, records: Path | None) -> tuple[keras.Model, Contract, np.ndarray]:
    """Return the predictor of a run, its contract with the report's scores, and faces to check the export on.

    Faces are uint8 (64, size, size, 3) from the validation split of the run's first corpus, below `records` or where
    the run found them. Raises UsageError when they are not there: an export that nobody checked is not written.
    """
    model, contract = load(run)
    config = load_config(run / "config.json")
    if not config.corpora:
        raise UsageError(f"{run} names no corpus to check an export on: import its weights again with --corpora NAME.")
    try:
        corpus = open_corpus(records or config.records, config.corpora[0])
    except UsageError as error:
        raise UsageError(
            f"An export is checked on faces of the run's corpus. {error} Or name them with --records."
        ) from error
    validation = batches.evaluation_batches(corpus, "validation", contract.input_size, FACES)
    (faces, _), *_ = islice(validation, 1)
    return predictor(model, contract), replace(contract, scores=scores_of_run(run, contract)), faces.numpy()


@contextmanager
def new_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder that becomes `out` when the block ends well.

    Raises UsageError when `out` exists, and with `overwrite` when it is not an earlier export: the whole folder goes.
    """
    atomic.remove_unfinished(out)
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists already. Name another folder, or replace it with --overwrite.")
    if out.exists() and not (out / MEMBER).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an earlier export, so it is not replaced. Name another folder, or remove it.")
    with atomic.write_folder(out) as folder:
        yield folder


def check_parity(expected: dict[str, np.ndarray], received: dict[str, np.ndarray]) -> float:
    """Return the largest difference between the network's outputs and the artefact's; raises as `differences` does."""
    return max(differences(expected, received).values(), default=0.0)


def differences(expected: dict[str, np.ndarray], received: dict[str, np.ndarray]) -> dict[str, float]:
    """Return for each output the largest difference between the network and the artefact on the same faces.

    Raises ExportError when one exceeds the tolerance or too large a share of the output's spread over the faces, when
    NaN stands elsewhere, and when the network gives one output for all faces: agreeing with it would prove nothing.
    Heads that were never trained are NaN on both sides, and have no difference.
    """
    learned = {name for name, values in expected.items() if not np.isnan(values).all()}
    if silent := [name for name in expected if name not in learned and not np.isnan(received[name]).all()]:
        raise ExportError(f"The artefact's {', '.join(silent)} should be NaN: never trained. Nothing was written.")
    return {name: _difference(name, expected[name], received[name]) for name in expected if name in learned}


def _difference(name: str, values: np.ndarray, received: np.ndarray) -> float:
    spread = np.ptp(values, axis=0).max()
    if spread == 0:
        raise ExportError(f"The network gives the same {name} for {len(values)} faces: it has learned nothing.")
    difference = np.max(np.abs(values - received))
    allowed = TOLERANCE if np.isnan(spread) else min(TOLERANCE, SHARE_OF_SPREAD * spread)
    if not difference <= allowed:
        raise ExportError(
            f"The artefact's {name} is off by {difference:.2g}, more than {allowed:.2g}. Nothing was written."
        )
    return float(difference)


def milliseconds(run: Callable[[np.ndarray], object], face: np.ndarray) -> float:
    """Return the median time that one face (1, size, size, 3) takes, after some that warm up."""
    times = []
    for _ in range(WARMING + TIMED):
        begun = time.perf_counter()
        run(face)
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times[WARMING:])


def check_size(path: Path, network: keras.Model, bytes_per_weight: float) -> int:
    """Return the bytes of an artefact. Raises ExportError when they cannot be those of the network's weights.

    Too few: weights are missing, which TFLite's converter does without a word. Too many: they are there twice.
    """
    found, expected = size(path), bytes_per_weight * network.count_params()
    least, most = LEAST_OF_WEIGHTS * expected, MOST_OF_WEIGHTS * expected + GRAPH_BYTES
    if not least <= found <= most:
        raise ExportError(
            f"The artefact has {found:,} bytes; {network.count_params():,} weights of {bytes_per_weight:g} bytes need "
            f"{least:,.0f} to {most:,.0f}. Nothing was written."
        )
    return found


@dataclass(frozen=True)
class Measured:
    """What an exporter found out about its artefact before it gave it its name.

    format, recipe: such as TFLite, int8. bytes: of the artefact. milliseconds: of one face on the machine that
    exported, and network_milliseconds: of Keras there; only their ratio means something elsewhere. operators: those it
    is made of. faces: how many it was compared on; differences: output -> the largest one; losses: of a recipe that
    changes the weights, what it costs.
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

    Raises ExportError when the artefact takes more than twice as long as `predict_on_batch`, twice in a row.
    """
    for _ in range(2):
        found, reference = milliseconds(run, face), milliseconds(network.predict_on_batch, face)
        if found <= SLOWEST * reference:
            return {"milliseconds": found, "network_milliseconds": reference}
    raise ExportError(f"The artefact takes {found:.1f} ms a face, Keras {reference:.1f} ms. Nothing was written.")


def measure(
    path: Path,
    run: Callable[[np.ndarray], dict[str, np.ndarray]],
    network: keras.Model,
    faces: np.ndarray,
    format: str,
    operators: tuple[str, ...],
) -> Measured:
    """Hold a float32 artefact, run by `run`, against its network. Raises ExportError where a check fails."""
    return Measured(
        format=format,
        recipe="float32",
        bytes=check_size(path, network, bytes_per_weight=4),
        operators=operators,
        faces=len(faces),
        differences=differences(network.predict_on_batch(faces), run(faces)),
        **check_milliseconds(run, network, faces[:1]),
    )


def write_contract(contract: Contract, artefact: Path, folder: Path, measured: Measured | None = None) -> None:
    """Write model.json and card.md into `folder`: with what was measured, and the hash of the artefact."""
    contract = replace(contract, weights_sha256=artefact_sha256(artefact), artefact=measured and asdict(measured))
    (folder / MEMBER).write_text(contract.dumps())
    card.write(contract, folder)


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )
