"""A shipped file and the figures of its contract: are they still true?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from tfaffect import cli
from tfaffect.errors import UsageError
from tfaffect.files import atomic

if TYPE_CHECKING:
    import pandas as pd

    from tfaffect.records.prepared import Prepared
    from tfaffect.runtimes.runtime import Runtime
    from tfaffect.scoring.protocol import Protocol

Advance = Callable[[int, int], None]
"""Is told of how many faces so many are done."""

# TensorFlow, pandas and the runtimes are imported where they are used: --help answers within half a second.


class BrokenArtefactError(UsageError):
    """The file itself is at fault: it is not the one that its contract speaks of, or gives no probabilities."""


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
    """Score a shipped file anew and hold every figure that its contract claims against what is measured.

    artefact: anything that `runtimes.opening.open_model` opens, in the runtime of its format. records: folder of the
    prepared corpora. `split`, `corpora` and `only` default to the protocol of the claims; `only=""` keeps all records.
    faces: folder of labelled photos, as `photos.find` describes it, which are scored with the face detector in the
    loop; nothing is claimed of these.

    A figure holds when it is no worse than its claim, or worse by at most 0.002 (0.2 points); when the records are
    others than those of the claim (another split, tag, corpus, or number), also when the claim lies in the measured
    95 % interval. See `claims.compare`, also for coverage and for heads that were never trained. Accuracy, UAR, macro
    F1, ECE, CCC, RMSE, and the coverage of the intervals are compared, as far as they are claimed.

    Returns what --out writes: `figures`, a list of `claims.Finding`; `holds`, whether all that could be compared do;
    what was measured on what; and `faces`. Raises BrokenArtefactError for a file that is not what its contract names,
    and UsageError for a contract without figures, for records that are not there or of another version than the
    claim's, and where nothing that is claimed can be compared.
    """
    from tfaffect.export import claims, photos
    from tfaffect.media.detector import FaceDetector, find_weights
    from tfaffect.scoring.protocol import Protocol

    detector = FaceDetector(find_weights(face_detector)) if faces else None
    photographed = photos.find(faces) if faces else []
    network = _open(artefact)
    contract = replace(network.contract, scores=_claimed_scores(network))
    claimed_on = Protocol.parse(contract.scores.get("protocol") or {})
    prepared = _open_corpora(records, corpora, claimed_on, split or claimed_on.split)
    measured_on = replace(
        claimed_on,
        corpora={corpus.name: corpus.version for corpus in prepared},
        split=split or claimed_on.split,
        only=claimed_on.only if only is None else only,
    )
    predictions = _predict(network, prepared, measured_on, advance)
    same = measured_on == claimed_on and len(predictions) == contract.scores.get("records")
    findings = claims.compare(claims.claims(contract), claims.measure(predictions, contract), same)
    if not any(finding.holds is not None for finding in findings):
        raise UsageError(f"Nothing that {artefact} claims can be measured on these records: {measured_on.words()}.")
    return {
        "artefact": network.path.name,
        "weights": contract.weights_sha256,
        "claimed on": claimed_on.words(),
        "measured on": measured_on.words(),
        "records": len(predictions),
        "same records": same,
        "tolerance": claims.TOLERANCE,
        "figures": [asdict(finding) for finding in findings],
        "faces": photos.verify(photographed, network, detector, advance) if faces else None,
        "holds": all(finding.holds is not False for finding in findings),
    }


def _open(artefact: Path) -> Runtime:
    """Open the model; what is there and is refused is broken, but where only a package is missing."""
    from tfaffect.runtimes.opening import open_model

    try:
        return open_model(artefact)
    except UsageError as error:
        if artefact.exists() and not isinstance(error.__cause__, ModuleNotFoundError):
            raise BrokenArtefactError(str(error)) from error
        raise


def _claimed_scores(network: Runtime) -> dict:
    """The figures in the contract; those of a run are in its report."""
    found = network.contract.scores
    if found is None and network.path.suffix == ".keras":
        from tfaffect.export.claims import scores_of_run

        found = scores_of_run(network.path.parent, network.contract)
    if found is None:
        raise UsageError(f"The contract of {network.path} has no figures. Evaluate the run, and export it again.")
    return found


def _open_corpora(records: Path, corpora: tuple[str, ...], claimed_on: Protocol, split: str) -> list[Prepared]:
    """The corpora that are named; otherwise those of the claims, of a mix those that have the split."""
    from tfaffect.records.prepared import open_corpus, with_split

    prepared = [open_corpus(records, name) for name in corpora or claimed_on.corpora]
    for corpus in prepared:
        claimed = claimed_on.corpora.get(corpus.name, corpus.version)
        if corpus.version != claimed:
            raise UsageError(
                f"{corpus.folder} holds version {corpus.version} of {corpus.name}; the figures were measured on "
                f"{claimed}. Name records of that version with --records."
            )
    return prepared if corpora else with_split(prepared, split)


def _predict(network: Runtime, prepared: list[Prepared], on: Protocol, advance: Advance | None) -> pd.DataFrame:
    """One row per record. Raises BrokenArtefactError for outputs that cannot be scored."""
    import pandas as pd

    from tfaffect.runtimes.predictions import tabulate, with_tag
    from tfaffect.scoring import scores

    done, of = 0, sum(corpus.size(on.split) for corpus in prepared)

    def run(pictures):
        nonlocal done
        outputs = network(pictures)._asdict()
        done += len(pictures)
        if advance:
            advance(done, of)
        return outputs

    size = network.contract.input_size
    tables = [tabulate(run, corpus, on.split, size) for corpus in prepared]
    predictions = with_tag(pd.concat(tables, ignore_index=True), on.only)
    try:
        scores.validate(predictions)
    except ValueError as error:
        raise BrokenArtefactError(f"{network.path} gives what cannot be scored. {error}") from error
    return predictions


@contextmanager
def _bar() -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def main(
    artefact: tyro.conf.Positional[Path],
    records: Path,
    split: str | None = None,
    corpora: tuple[str, ...] = (),
    only: Annotated[str | None, tyro.conf.arg(metavar="TAG")] = None,
    faces: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
    face_detector: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE.json")] = None,
) -> None:
    """Score a shipped file anew and say of each figure that it claims whether it holds; exit status 1 if one does not.

    Args:
        artefact: Run folder, .keras, SavedModel, .tflite or .onnx with its model.json.
        records: Folder of the prepared corpora.
        split: train, validation or test; that of the claims when not named.
        corpora: Prepared corpora; those of the claims when none is named.
        only: Keep the records with this tag; as the claims when not named.
        faces: Folder of labelled photos, to be scored with the face detector in the loop.
        face_detector: Weights of YuNet; TFAFFECT_FACE_DETECTOR when not given, else downloaded once.
        out: File that receives everything that was measured.
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
