"""A model on prepared corpora: predictions, and the report on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from tfaffect import cli
from tfaffect.errors import UsageError

if TYPE_CHECKING:
    import keras
    import numpy as np
    import pandas as pd

    from tfaffect.contract import Contract
    from tfaffect.prepared import Prepared

ALL = "all records"
"""What a report says where no tag was asked for; no tag has a blank in it."""

# TensorFlow, Keras and pandas are imported where they are used: --help answers within half a second.


@dataclass(frozen=True)
class Protocol:
    """The records that figures are about, as words for a report and back.

    corpora: names and versions; split: of each of them; only: the tag of the records that were kept, "" for all.
    """

    corpora: dict[str, str]
    split: str
    only: str = ""

    def words(self) -> dict[str, str]:
        """Return what a report says of it."""
        corpora = ", ".join(f"{name} {version}" for name, version in self.corpora.items())
        return {"evaluated on": corpora, "split": self.split, "only": self.only or ALL}

    @classmethod
    def parse(cls, words: Mapping[str, object]) -> Protocol:
        """Return what `words` wrote into the protocol of a report. Raises UsageError for anything else."""
        evaluated, split, only = (words.get(name) for name in ("evaluated on", "split", "only"))
        parts = [part.split(" ") for part in evaluated.split(", ")] if isinstance(evaluated, str) else [[]]
        corpora = {part[0]: part[1] for part in parts if len(part) == 2 and all(part)}
        if len(corpora) != len(parts) or not all(isinstance(word, str) and word for word in (split, only)):
            received = {"evaluated on": evaluated, "split": split, "only": only}
            raise UsageError(f"The protocol of some figures cannot be read, so evaluate again. Received: {received}.")
        return cls(corpora, split, "" if only == ALL else only)


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
    from tfaffect.prepared import open_corpus
    from tfaffect.runtimes.opening import open_model
    from tfaffect.scoring import report

    network = open_model(model)
    contract = network.contract
    prepared = [open_corpus(records, name) for name in names or contract.corpora]
    if not corpora:  # of a mix, those that have the split
        prepared = [corpus for corpus in prepared if corpus.size(split)] or prepared
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


def predict(model: keras.Model, contract: Contract, corpus: Prepared, split: str, batch_size: int = 64) -> pd.DataFrame:
    """Return one row per record: labels under `true_...`, predictions under the names that `report.write` reads."""
    from tfaffect.model import predictor

    return tabulate(predictor(model, contract).predict_on_batch, corpus, split, contract.input_size, batch_size)


def tabulate(
    network: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    corpus: Prepared,
    split: str,
    image_size: int,
    batch_size: int = 64,
) -> pd.DataFrame:
    """Return the same of whatever turns uint8 RGB pictures (n, size, size, 3) into outputs by name."""
    import numpy as np
    import pandas as pd

    from tfaffect import data
    from tfaffect.labels import AFFECT, CLASSES

    rows = []
    for pictures, records in data.evaluation_batches(corpus, split, image_size, batch_size):
        outputs = {name: np.asarray(values) for name, values in network(pictures.numpy()).items()}
        labels = {name: values.numpy() for name, values in records.items()}
        table = {name: [text.decode() for text in labels[name]] for name in ("key", "group", "tags")}
        for place, name in enumerate(CLASSES):
            table[f"true_{name}"] = labels["expression"][:, place]
            table[f"expression_{name}"] = outputs["expression"][:, place]
        for name in AFFECT:
            table |= {f"true_{name}": labels[name], name: outputs[name]}
        rows.append(pd.DataFrame(table))
    predictions = pd.concat(rows, ignore_index=True)
    predictions.insert(0, "corpus", corpus.name)
    return predictions


def with_people(predictions: pd.DataFrame, corpus: Prepared) -> pd.DataFrame:
    """Return predictions with what another panel of raters would score, where the labels of their corpus are votes."""
    if not corpus.raters:
        return predictions
    from tfaffect.scoring import raters, scores

    return predictions.assign(**{scores.HUMAN: raters.agreement(predictions[[*scores.TRUE]].to_numpy(), corpus.raters)})


def with_tag(predictions: pd.DataFrame, tag: str) -> pd.DataFrame:
    """Return the rows with a tag, all rows for "". Raises UsageError when there are none."""
    if not tag:
        return predictions
    tags = predictions["tags"].str.split(",")
    kept = predictions[tags.map(lambda names: tag in names)]
    if kept.empty:
        known = sorted({name for names in tags for name in names if name})
        raise UsageError(f"No record has the tag {tag!r}. Tags there: {', '.join(known) or 'none'}.")
    return kept


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
