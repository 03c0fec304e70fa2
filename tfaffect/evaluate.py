"""A model on prepared corpora: predictions, and the report on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from tfaffect import cli
from tfaffect.errors import UsageError

# TensorFlow, Keras and pandas are imported where they are used: --help answers within half a second.


def evaluate(
    model: Path,
    corpora: tuple[str, ...] = (),
    split: str = "validation",
    records: Path | None = None,
    only: str = "",
    out: Path | None = None,
) -> dict:
    """Score a model on a split of prepared corpora and write the report; return what report.json holds.

    model: a run folder, or anything else that `runtimes.opening.open_model` opens. `corpora` default to those that it
    was trained on; `records` and `out` to the run's own and to `report_folder`, and must be named for an export. `only`
    keeps the records with that tag. Raises UsageError for a split, tag or corpus that is not there.
    """
    names, records, out = _places(model, corpora, split, records, only, out)  # said before seconds of imports

    import pandas as pd

    from tfaffect.contract import MIRRORED
    from tfaffect.records.prepared import open_corpus, with_split
    from tfaffect.runtimes.opening import open_model
    from tfaffect.runtimes.predictions import tabulate, with_people, with_tag
    from tfaffect.scoring import report
    from tfaffect.scoring.protocol import Protocol

    network = open_model(model)
    contract = network.contract
    prepared = [open_corpus(records, name) for name in names or contract.corpora]
    if not corpora:
        prepared = with_split(prepared, split)
    tables = [
        tabulate(lambda faces: network(faces)._asdict(), corpus, split, contract.input_size) for corpus in prepared
    ]
    predictions = pd.concat([with_people(table, corpus) for table, corpus in zip(tables, prepared, strict=True)])
    history = model / "history.csv"
    protocol = Protocol({corpus.name: corpus.version for corpus in prepared}, split, only)
    return report.write(
        with_tag(predictions, only),
        out,
        {
            "model": model.resolve().name,
            "trained on": ", ".join(f"{name} {version}" for name, version in contract.corpora.items()),
            **protocol.words(),
            "input": contract.preprocessing(),
            "weights": contract.weights_sha256[:12],
            "temperature": round(contract.temperature, 4),
            **({"answers": MIRRORED} if contract.mirror else {}),
        },
        history=pd.read_csv(history) if history.exists() else None,
    )


def _places(
    model: Path, corpora: tuple[str, ...], split: str, records: Path | None, only: str, out: Path | None
) -> tuple[tuple[str, ...], Path, Path]:
    """Return the corpora named, or those of a run, and where records and report are."""
    if (model / "config.json").is_file():
        from tfaffect.config import load as load_config

        config = load_config(model / "config.json")
        if not (corpora or config.corpora):
            raise UsageError(f"{model} names no corpus, for its weights were imported. Name one with --corpora.")
        folder = out or report_folder(model, corpora, split, only)
        return corpora or config.corpora, records or config.records, folder
    if records is None or out is None:
        raise UsageError(
            f"{model} is no run folder, which would know where records and reports are. Name them with --records and "
            "--out."
        )
    return corpora, records, out


def report_folder(run: Path, corpora: tuple[str, ...] = (), split: str = "validation", only: str = "") -> Path:
    """Return the folder of a report: `report` for the protocol that training ends with, one of its own for others.

    So the scores on a test split stand beside those on the validation split, and not in their place.
    """
    from tfaffect.config import load as load_config

    own = set(corpora) in (set(), set(load_config(run / "config.json").corpora))
    parts = [*(() if own else corpora), "" if split == "validation" else split, only]
    return run / "-".join(["report", *filter(None, parts)])


def main(
    model: tyro.conf.Positional[Path],
    corpora: tuple[str, ...] = (),
    split: str = "validation",
    records: Path | None = None,
    only: Annotated[str, tyro.conf.arg(metavar="TAG")] = "",
    out: Path | None = None,
) -> None:
    """Score a model on prepared corpora: tables on the terminal, report.html with pictures for people.

    Args:
        model: Run folder that train.py left; or a .keras, SavedModel, .tflite or .onnx with its model.json.
        corpora: Prepared corpora; those of its training when none is named.
        split: train, validation or test.
        records: Folder of the prepared corpora; a run's own when not named.
        only: Keep the records with this tag, such as strict.
        out: Folder of the report; RUN/report when not named, or beside it for another split, tag or corpus.
    """
    from tfaffect.scoring import report

    written = evaluate(model, corpora, split, records, only, out)
    print(report.summarise(written))
    print(f"\nReport: {(out or report_folder(model, corpora, split, only)) / 'report.html'}")


if __name__ == "__main__":
    cli.run(main)
