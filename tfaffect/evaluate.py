"""The command `tfaffect evaluate`: score a model on prepared corpora and write the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tfaffect import cli
from tfaffect import contract as contracts
from tfaffect.config import load as load_config
from tfaffect.contract import MIRRORED, Contract
from tfaffect.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


def evaluate(
    model: Path,
    corpora: tuple[str, ...] = (),
    split: str = "validation",
    records: Path | None = None,
    only: str = "",
    out: Path | None = None,
    by: tuple[str, ...] = (),
    prior: str = "",
    predictions: pd.DataFrame | None = None,
) -> dict:
    """Score a model on a split of prepared corpora, write the report, and return the content of report.json.

    model: a run folder, or anything that `runtimes.opening.open_model` opens. `corpora` defaults to the training
    corpora, `records` to the records of the run, and `out` to `report_folder`; an export needs `records` and `out`.
    `only` keeps the records with this tag. `by` groups the records as `scoring.groupings.assign` describes. `prior`
    turns the class probabilities to other class shares, see `with_prior`. `predictions`: the model's answers for these
    records, if they are known (`runtimes.predictions.predict_validation`); then it is not run. Raises UsageError when a
    split, tag, corpus, grouping or file of shares does not exist, and for a prior when the contract lacks its class
    shares.
    """
    from tfaffect.runtimes import shipped

    model = shipped.find(model)
    names, records, out = _resolve_paths(model, corpora, split, records, only, out, prior)  # before seconds of imports

    import pandas as pd

    from tfaffect.records.prepared import open_corpus, with_split
    from tfaffect.runtimes.opening import model_file, open_model
    from tfaffect.runtimes.predictions import predict, with_rater_agreement, with_tag
    from tfaffect.scoring import report
    from tfaffect.scoring.calibration import THRESHOLDS
    from tfaffect.scoring.groupings import assign
    from tfaffect.scoring.priors import check
    from tfaffect.scoring.protocol import Protocol

    contract = contracts.read(model_file(model))
    if prior:
        check(prior, contract)  # before minutes of reading faces
    prepared = [open_corpus(records, name) for name in names or contract.corpora]
    if not corpora:
        prepared = with_split(prepared, split)
    if predictions is None:
        network = open_model(model)
        predictions = pd.concat([predict(network, corpus, split) for corpus in prepared])
    tables = [predictions[predictions["corpus"] == corpus.name] for corpus in prepared]
    tables = [with_rater_agreement(table, corpus) for table, corpus in zip(tables, prepared, strict=True)]
    predictions = with_tag(pd.concat(tables, ignore_index=True), only)
    shares = with_prior(predictions, prior, contract) if prior else {}
    thresholds = [row["threshold"] for row in (contract.calibration or {}).get("abstain", ())]
    history = model / "history.csv"
    protocol = Protocol({corpus.name: corpus.version for corpus in prepared}, split, only)
    return report.write(
        predictions,
        out,
        {
            "model": model.resolve().name,
            "trained on": ", ".join(f"{name} {version}" for name, version in contract.corpora.items()),
            **protocol.as_text(),
            "input": contract.preprocessing(),
            "weights": contract.weights_sha256[:12],
            "temperature": round(contract.temperature, 4),
            **shares,
            **({"answers": MIRRORED} if contract.mirror else {}),
        },
        history=pd.read_csv(history) if history.exists() else None,
        groupings=assign(predictions, by),
        thresholds=thresholds or THRESHOLDS,
    )


def with_prior(predictions: pd.DataFrame, prior: str, contract: Contract) -> dict[str, str]:
    """Turn the probabilities in a table to other class shares, in place. Return what the report says of it.

    prior: one of the words or files of `scoring.priors.target_shares`, or `estimate` for the shares that
    `estimate_shares` finds in the table.
    """
    import sys

    from tfaffect.scoring import priors
    from tfaffect.scoring.scores import PREDICTED

    notes: list[str] = []
    probabilities, answers = predictions[[*PREDICTED]].to_numpy(float), priors.answer_shares(contract)
    if prior == priors.ESTIMATE:
        target = priors.estimate_shares(probabilities, answers)
        notes.append(f"Estimated class shares: {priors.describe(target)}.\n{priors.WARNING}")
    else:
        target = priors.target_shares(prior, contract, notes)
    print(*notes, sep="\n", end="\n" * bool(notes), file=sys.stderr)
    predictions[[*PREDICTED]] = priors.reweigh(probabilities, answers, target)
    return {"prior": Path(prior).name, "class shares": priors.describe(target)}


def _resolve_paths(
    model: Path, corpora: tuple[str, ...], split: str, records: Path | None, only: str, out: Path | None, prior: str
) -> tuple[tuple[str, ...], Path, Path]:
    """Return the corpora, the records folder and the report folder, from the arguments or from the run's config."""
    if (model / "config.json").is_file():
        config = load_config(model / "config.json")
        if not (corpora or config.corpora):
            raise UsageError(f"{model} has no corpus, because its weights were imported. Name one with --corpora.")
        out = out or report_folder(model, corpora, split, only, prior)
        return corpora or config.corpora, records or config.records, out
    from tfaffect.runtimes.opening import model_file

    model_file(model)
    if records is None or out is None:
        missing = " and ".join(flag for flag, path in (("--records", records), ("--out", out)) if path is None)
        raise UsageError(f"{model} is not a run folder, so it needs {missing} too.")
    return corpora, records, out


def report_folder(
    run: Path, corpora: tuple[str, ...] = (), split: str = "validation", only: str = "", prior: str = ""
) -> Path:
    """Return the folder of a report: `report` for the protocol at the end of training, another for other protocols.

    So a report on the test split does not replace the report on the validation split.
    """
    same = set(corpora) in (set(), set(load_config(run / "config.json").corpora))
    parts = [*(() if same else corpora), "" if split == "validation" else split, only, Path(prior).stem]
    return run / "-".join(["report", *filter(None, parts)])


def main(
    model: cli.Model,
    corpora: cli.Corpora = (),
    split: cli.Split = "validation",
    records: cli.Records = None,
    only: cli.Tag = "",
    out: Annotated[Path | None, cli.option("DIR", "RUN/report, or beside it for another split, tag or corpus")] = None,
    by: Annotated[tuple[str, ...], cli.option("NAME...", "those of sex, age, ethnicity that the records have")] = (),
    prior: Annotated[str, cli.option("training|uniform|estimate|FILE", "as the model answers")] = "",
    overwrite: bool = False,
) -> None:
    """Score a model on prepared corpora: tables on the terminal and report.html.

    Args:
        model: Run folder of `tfaffect train`, or a .keras, SavedModel, .tflite or .onnx with its model.json. Or a
            name of `tfaffect models`.
        corpora: Prepared corpora to score on.
        split: Split to score.
        records: Folder of the prepared corpora.
        only: Keep only records with this tag, for example strict.
        out: Folder of the report.
        by: Compare groups of people: sex, age, ethnicity, a tag, or a table (CSV, TSV, Excel) with the columns key and
            group. With a comma between two of them, groups are by both at once, for example sex,age.
        prior: Class shares to which the probabilities are turned: training, uniform, estimate (found from the answers
            themselves), or a .json or .csv file of class and share. docs/rare_classes.md tells when each is right.
        overwrite: Replace an earlier report in OUT. Without --out, the report of the same protocol is replaced.
    """
    if out and (out / "report.json").exists() and not overwrite:
        raise UsageError(f"{out} has a report already. Name another folder, or replace it with --overwrite.")

    from tfaffect.scoring import report

    written = evaluate(model, corpora, split, records, only, out, by, prior)
    print(report.summarise(written))
    print(f"\nReport: {(out or report_folder(model, corpora, split, only, prior)) / 'report.html'}")


if __name__ == "__main__":
    cli.run(main)
