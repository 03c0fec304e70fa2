"""A trained run learns how sure it may be: a temperature, and intervals, go into its contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import tyro

from tfaffect import cli

# TensorFlow, Keras and pandas are imported where they are used: --help answers within half a second.


def calibrate(run: Path, records: Path | None = None, coverage: float = 0.9, mirror: bool | None = None) -> dict:
    """Fit on the validation splits of the run's corpora, keep it in the contract inside model.keras, and return it.

    What is kept: `scoring.calibration.calibrate`, with `split` and `corpora`. The weights stay as they are; reports
    written before speak of another temperature. Raises UsageError for records that are not there, and for a run that
    names no corpus. `mirror` changes whether the run answers with the mean over a face and its mirror image.
    """
    from tfaffect import contract as contracts
    from tfaffect.config import load as load_config
    from tfaffect.errors import UsageError
    from tfaffect.networks import model as models
    from tfaffect.runtimes.predictions import predict_validation
    from tfaffect.scoring import calibration

    config = load_config(run / "config.json")
    if not config.corpora:
        raise UsageError(f"{run} names no corpus, for its weights were imported: there is nothing to calibrate it on.")
    model, contract = models.load(run)
    contract = replace(contract, temperature=1.0, mirror=contract.mirror if mirror is None else mirror)
    predictions, versions = predict_validation(model, contract, config, records)
    found = calibration.calibrate(predictions, coverage)
    temperature = found.pop("temperature")
    found = {"split": "validation", "corpora": versions, **found}
    contract = replace(contract, temperature=temperature, calibration=found)
    contracts.replace_in_archive(run / "model.keras", contract)
    return {"temperature": temperature, **found}


def summarise(calibration: dict) -> str:
    """Return lines for the terminal."""
    lines = []
    if ece := calibration.get("ece"):
        errors = (
            f"{100 * ece['before']:.1f} % before, {100 * ece['after']:.1f} % after (on the other half of the faces)"
        )
        lines.append(f"temperature {calibration['temperature']:.3f}; expected calibration error {errors}")
    for name, width in calibration["half_width"].items():
        if width is not None:
            lines.append(
                f"{name} +- {width:.3f} holds the truth for {100 * calibration['coverage']:.0f} % of the faces"
            )
    return "\n".join(lines) or "No head was both learned and labelled: nothing to calibrate."


def main(
    run: tyro.conf.Positional[Path],
    records: Path | None = None,
    coverage: float = 0.9,
    mirror: Literal["as_before", "on", "off"] = "as_before",
) -> None:
    """Fit temperature and intervals of a run on its validation faces, and write its report anew. train.py does so too.

    Args:
        run: Run folder that train.py left.
        records: Folder of the prepared corpora; the run's own when not named.
        coverage: Share of faces for which an interval around valence or arousal is to hold the truth.
        mirror: Answer with the mean over a face and its mirror image from now on, in twice the time, or no longer.
    """
    from tfaffect.evaluate import evaluate

    print(summarise(calibrate(run, records, coverage, {"on": True, "off": False}.get(mirror))))
    evaluate(run, records=records)


if __name__ == "__main__":
    cli.run(main)
