"""The command `tfaffect calibrate`: fit a temperature and intervals, and store them in the run's contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tfaffect import cli
from tfaffect import contract as contracts
from tfaffect.config import load_run
from tfaffect.errors import UsageError
from tfaffect.evaluate import evaluate

if TYPE_CHECKING:
    import pandas as pd

ONE_TEMPERATURE = (
    "One temperature is fitted for all groups. A temperature for each group is refused: the model would need the sex, "
    "age or ethnicity of a face to give it a probability, and the same face would get another probability in another "
    "group. Where a group has a large calibration error, train on more faces of it."
)


def calibrate(
    run: Path,
    records: Path | None = None,
    coverage: float = 0.9,
    mirror: bool | None = None,
    by: tuple[str, ...] = (),
) -> dict:
    """Calibrate on the validation splits of the run's corpora; store the result in model.keras and return it.

    The result: that of `scoring.calibration.calibrate`, with `split` and `corpora`. The weights do not change; earlier
    reports show the earlier temperature. `mirror` turns flip test-time augmentation on or off; None keeps it. `by`
    names the groups that the report will show; they do not change the result. Raises UsageError for missing records,
    for a grouping that the records do not have, and for a run that names no corpus.

    The contract's class shares `training` become the mean of the calibrated answers for these faces. Where labels are
    votes, the temperature moves the answers from the shares of votes to those of the classes with most votes. `answers`
    changes by the same factors.
    """
    return _calibrate(run, records, coverage, mirror, by)[0]


def calibrate_and_evaluate(
    run: Path,
    records: Path | None = None,
    coverage: float = 0.9,
    mirror: bool | None = None,
    by: tuple[str, ...] = (),
) -> tuple[dict, dict]:
    """Do `calibrate` and then `evaluate`, and return both results. The network sees each face once, not twice."""
    found, predictions = _calibrate(run, records, coverage, mirror, by)
    return found, evaluate(run, records=records, by=by, predictions=predictions)


def _calibrate(
    run: Path, records: Path | None, coverage: float, mirror: bool | None, by: tuple[str, ...]
) -> tuple[dict, pd.DataFrame]:
    """Return the result of `calibrate`, and the predictions of the calibrated network."""
    config = load_run(run)  # report a wrong path before seconds of imports
    from tfaffect.networks import model as models
    from tfaffect.runtimes.keras_model import KerasModel
    from tfaffect.runtimes.predictions import predict_validation
    from tfaffect.scoring import calibration, priors
    from tfaffect.scoring.groupings import assign
    from tfaffect.scoring.scores import PREDICTED

    if not config.corpora:
        raise UsageError(f"{run} has no corpus, because its weights were imported. Import them again with --corpora.")
    model, contract = models.load(run)
    contract = replace(contract, temperature=1.0, mirror=contract.mirror if mirror is None else mirror)
    predictions, versions = predict_validation(KerasModel(run, model, contract), config, records)
    assign(predictions.reset_index(drop=True), by)  # refuse a wrong name before the contract changes
    ratios = priors.training_ratios(contract)
    found = calibration.calibrate(predictions, coverage, ratios)
    temperature = found.pop("temperature")
    found = {"split": "validation", "corpora": versions, **found}
    calibrated = replace(contract, temperature=temperature, calibration=found)
    predictions[[*PREDICTED]] = calibration.with_temperature(predictions[[*PREDICTED]].to_numpy(float), temperature)
    shares = priors.calibrated_shares(contract, predictions[[*PREDICTED]].to_numpy())
    contracts.replace_in_archive(run / "model.keras", replace(calibrated, class_shares=shares))
    return {"temperature": temperature, **found}, predictions


def summarise(calibration: dict) -> str:
    """Return lines for the terminal."""
    lines = []
    if ece := calibration.get("ece"):
        errors = f"{100 * ece['before']:.1f} % before, {100 * ece['after']:.1f} % after (2-fold cross-validation)"
        lines.append(f"temperature {calibration['temperature']:.3f}; expected calibration error {errors}")
    for name, width in calibration["half_width"].items():
        if width is not None:
            coverage = 100 * calibration["coverage"]
            lines.append(f"{name} +- {width:.3f} contains the label for {coverage:.0f} % of the faces")
    return "\n".join(lines) or "Nothing to calibrate: no trained head has labels in these records."


def summarise_groups(groups: dict) -> str:
    """Return the calibration error of every group of a report for the terminal, and why the temperature is one."""
    from tfaffect.scoring.formatting import format_interval
    from tfaffect.scoring.report import align

    tables = []
    for name, grouping in groups.items():
        known = {group: value for group, value in grouping["values"].items() if value["expression"]}
        rows = [[f"by {name}", "faces", "ECE", "95 % interval"]]
        for group, value in known.items():
            figure, *interval = format_interval(value, "expression", "ece").split("\n")
            rows.append([group, f"{value['expression']['n']:,}", figure, *(interval or ["-"])])
        tables.append(align(rows) if known else f"by {name}: no face has a class.")
    return "\n\n".join([*tables, ONE_TEMPERATURE])


def main(
    run: cli.Run,
    records: cli.Records = None,
    coverage: float = 0.9,
    mirror: Literal["as_before", "on", "off"] = "as_before",
    by: Annotated[tuple[str, ...], cli.option("NAME...", "no table of groups")] = (),
) -> None:
    """Fit temperature and intervals of a run on validation faces; rewrite its report.

    `tfaffect train` calibrates at its end; run this command to change an option afterwards.

    Args:
        run: Run folder of `tfaffect train`.
        records: Folder of the prepared corpora.
        coverage: Share of faces whose label must lie in the interval around valence or arousal, from 0 to 1.
        mirror: on: return the mean over a face and its mirror image (flip test-time augmentation), in twice the time.
            off: use the face only. as_before: keep the run's setting.
        by: Also show the calibration error of groups of people, as `tfaffect evaluate --by` names them. All groups
            keep one temperature.
    """
    found, written = calibrate_and_evaluate(run, records, coverage, {"on": True, "off": False}.get(mirror), by)
    print(summarise(found))
    if by:
        print(f"\n{summarise_groups(written['groups'])}")


if __name__ == "__main__":
    cli.run(main)
