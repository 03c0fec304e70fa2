"""The command `tfaffect calibrate`: fit a temperature and intervals, and store them in the run's contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from tfaffect import cli
from tfaffect import contract as contracts
from tfaffect.config import load_run
from tfaffect.errors import UsageError


def calibrate(run: Path, records: Path | None = None, coverage: float = 0.9, mirror: bool | None = None) -> dict:
    """Calibrate on the validation splits of the run's corpora; store the result in model.keras and return it.

    The result: that of `scoring.calibration.calibrate`, with `split` and `corpora`. The weights do not change; earlier
    reports show the earlier temperature. `mirror` turns flip test-time augmentation on or off; None keeps it. Raises
    UsageError when records are missing, and for a run that names no corpus.
    """
    config = load_run(run)  # report a wrong path before seconds of imports
    from tfaffect.networks import model as models
    from tfaffect.runtimes.predictions import predict_validation
    from tfaffect.scoring import calibration

    if not config.corpora:
        raise UsageError(f"{run} has no corpus, because its weights were imported. Import them again with --corpora.")
    model, contract = models.load(run)
    contract = replace(contract, temperature=1.0, mirror=contract.mirror if mirror is None else mirror)
    predictions, versions = predict_validation(model, contract, config, records)
    found = calibration.calibrate(predictions, coverage)
    temperature = found.pop("temperature")
    found = {"split": "validation", "corpora": versions, **found}
    contracts.replace_in_archive(run / "model.keras", replace(contract, temperature=temperature, calibration=found))
    return {"temperature": temperature, **found}


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


def main(
    run: cli.Run,
    records: cli.Records = None,
    coverage: float = 0.9,
    mirror: Literal["as_before", "on", "off"] = "as_before",
) -> None:
    """Fit temperature and intervals of a run on validation faces; rewrite its report.

    `tfaffect train` calibrates at its end; run this command to change an option afterwards.

    Args:
        run: Run folder of `tfaffect train`.
        records: Folder of the prepared corpora.
        coverage: Share of faces whose label must lie in the interval around valence or arousal, from 0 to 1.
        mirror: on: return the mean over a face and its mirror image (flip test-time augmentation), in twice the time.
            off: use the face only. as_before: keep the run's setting.
    """
    from tfaffect.evaluate import evaluate

    print(summarise(calibrate(run, records, coverage, {"on": True, "off": False}.get(mirror))))
    evaluate(run, records=records)


if __name__ == "__main__":
    cli.run(main)
