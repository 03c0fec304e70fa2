"""The command `tfaffect verify`: measure the figures in a model's contract again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tfaffect import cli
from tfaffect.errors import UsageError
from tfaffect.files import atomic

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from tfaffect.records.prepared import Prepared
    from tfaffect.runtimes.runtime import Runtime
    from tfaffect.scoring.protocol import Protocol

Advance = Callable[[int, int], None]
"""Receives the number of finished faces and of all faces."""


class BrokenArtefactError(UsageError):
    """The file is wrong: it does not match its contract, or its outputs are not probabilities."""


def verify(
    artefact: Path,
    records: Path,
    split: str | None = None,
    corpora: tuple[str, ...] = (),
    only: str | None = None,
    faces: Path | None = None,
    face_detector: Path | None = None,
    advance: Advance | None = None,
) -> dict:
    """Score a file again and compare the results with all figures that its contract claims.

    artefact: any model that `runtimes.opening.open_model` opens, in the runtime of its format. records: folder of the
    prepared corpora. `split`, `corpora` and `only` default to the protocol of the claims; `only=""` keeps all records.
    faces: folder of labelled photos, see `photos.find`. They are scored with the face detector and have no claims.

    A claim holds when the measured figure is worse by at most 0.002 (0.2 points). If the records differ from those of
    the claim (split, tag, corpus or number), it also holds when the claim lies in the measured 95 % interval. See
    `claims.compare`, also for coverage and untrained heads. Compared are the claimed ones of accuracy, UAR, macro F1,
    ECE, CCC, RMSE and the coverage of the intervals.

    Returns the content of --out: `figures`, a list of `claims.Finding`; `holds`, whether all compared claims hold; the
    protocols; and `faces`. Raises BrokenArtefactError for a file that does not match its contract, and UsageError for a
    contract without figures, for records that are missing or have another version, and when no claim can be compared.
    """
    from tfaffect.export import claims, photos
    from tfaffect.media.detector import FaceDetector, find_weights
    from tfaffect.runtimes import shipped
    from tfaffect.scoring.protocol import Protocol

    artefact = shipped.find(artefact)
    detector = FaceDetector(find_weights(face_detector)) if faces else None
    labelled = photos.find(faces) if faces else []
    network = _open(artefact)
    scores = _claimed_scores(network)
    contract = replace(network.contract, scores=scores)
    claimed_on = Protocol.from_text(scores.get("protocol") or {})
    prepared = _open_corpora(records, corpora, claimed_on, split or claimed_on.split)
    measured_on = replace(
        claimed_on,
        corpora={corpus.name: corpus.version for corpus in prepared},
        split=split or claimed_on.split,
        only=claimed_on.only if only is None else only,
    )
    predictions = _predict(network, prepared, measured_on, advance)
    same = measured_on == claimed_on and len(predictions) == scores.get("records")
    findings = claims.compare(claims.claims(contract), claims.measure(predictions, contract), same)
    if not any(finding.holds is not None for finding in findings):
        raise UsageError(f"No claim of {artefact} can be measured on these records: {measured_on.as_text()}.")
    return {
        "artefact": network.path.name,
        "weights": contract.weights_sha256,
        "claimed on": claimed_on.as_text(),
        "measured on": measured_on.as_text(),
        "records": len(predictions),
        "same records": same,
        "tolerance": claims.TOLERANCE,
        "figures": [asdict(finding) for finding in findings],
        "faces": photos.verify(labelled, network, detector, advance) if detector else None,
        "holds": all(finding.holds is not False for finding in findings),
    }


def _open(artefact: Path) -> Runtime:
    """Open the model. An existing file that is refused is broken, unless only a package is missing."""
    from tfaffect.runtimes.opening import open_model

    try:
        return open_model(artefact)
    except UsageError as error:
        if artefact.exists() and not isinstance(error.__cause__, ModuleNotFoundError):
            raise BrokenArtefactError(str(error)) from error
        raise


def _claimed_scores(network: Runtime) -> dict:
    """Return the figures in the contract, or in the report of a run."""
    found = network.contract.scores
    if found is None and network.path.suffix == ".keras":
        from tfaffect.export.claims import scores_of_run

        found = scores_of_run(network.path.parent, network.contract)
    if found is None:
        raise UsageError(f"The contract of {network.path} has no figures. Evaluate the run and export it again.")
    return found


def _open_corpora(records: Path, corpora: tuple[str, ...], claimed_on: Protocol, split: str) -> list[Prepared]:
    """Return the named corpora, or those corpora of the claims that have the split."""
    from tfaffect.records.prepared import open_corpus, with_split

    prepared = [open_corpus(records, name) for name in corpora or claimed_on.corpora]
    for corpus in prepared:
        claimed = claimed_on.corpora.get(corpus.name, corpus.version)
        if corpus.version != claimed:
            raise UsageError(
                f"{corpus.folder} holds version {corpus.version} of {corpus.name}; the figures were measured on "
                f"{claimed}. Name a folder with that version with --records."
            )
    return prepared if corpora else with_split(prepared, split)


def _predict(network: Runtime, prepared: list[Prepared], on: Protocol, advance: Advance | None) -> pd.DataFrame:
    """Return one row per record. Raises BrokenArtefactError for outputs that cannot be scored."""
    import pandas as pd

    from tfaffect.runtimes.predictions import tabulate, with_tag
    from tfaffect.scoring import scores

    done, total = 0, sum(corpus.size(on.split) for corpus in prepared)

    def run(pictures: np.ndarray) -> dict[str, np.ndarray]:
        nonlocal done
        outputs = network(pictures)._asdict()
        done += len(pictures)
        if advance:
            advance(done, total)
        return outputs

    size = network.contract.input_size
    tables = [tabulate(run, corpus, on.split, size) for corpus in prepared]
    predictions = with_tag(pd.concat(tables, ignore_index=True), on.only)
    try:
        scores.validate(predictions)
    except ValueError as error:
        raise BrokenArtefactError(f"{network.path} returns outputs that cannot be scored. {error}") from error
    return predictions


@contextmanager
def _bar() -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def main(
    artefact: cli.Model,
    records: Annotated[Path, cli.option("DIR")],
    split: Annotated[str | None, cli.option("train|validation|test", "the split of the claims")] = None,
    corpora: Annotated[tuple[str, ...], cli.option("NAME...", "those of the claims")] = (),
    only: Annotated[str | None, cli.option("TAG", "the tag of the claims")] = None,
    faces: Annotated[Path | None, cli.option("DIR")] = None,
    face_detector: cli.FaceDetector = None,
    out: Annotated[Path | None, cli.option("FILE.json")] = None,
) -> None:
    """Measure the figures that a model claims again; exit with 1 if one is wrong.

    Args:
        artefact: Run folder, .keras, SavedModel, .tflite or .onnx with its model.json, or a name of `tfaffect models`.
        records: Folder of the prepared corpora.
        split: Split to measure on.
        corpora: Prepared corpora to measure on.
        only: Keep only records with this tag.
        faces: Folder of labelled photos to score together with the face detector.
        face_detector: Weights of the face detector YuNet.
        out: JSON file for all results.
    """
    from tfaffect.export import verdict

    if out:
        atomic.check_writable(out)
    try:
        with _bar() as advance:
            found = verify(artefact, records, split, corpora, only, faces, face_detector, advance)
    except BrokenArtefactError as error:
        cli.fail(str(error), status=1)
    print(verdict.summarise(found))
    if out:
        with atomic.write_file(out) as partial:
            partial.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if not found["holds"]:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main)
