"""The models that come with the project, for whoever names none."""

from __future__ import annotations

from pathlib import Path

from tfaffect.errors import UsageError

FOLDER = Path(__file__).parents[1] / "models"
BY_ACCURACY = ("fer_plus_small", "fer_plus_micro", "fer_plus_b1")
"""Their folders, the one to take first."""


def default_model() -> Path:
    """Return the model that is taken when none is named. Raises UsageError where none was shipped."""
    for name in BY_ACCURACY:
        if (FOLDER / name / "model.tflite").is_file():
            return FOLDER / name
    raise UsageError(
        f"No model lies in {FOLDER}, where a checkout of the project has them. Name one with --model: a run folder "
        "that train.py left, or an export."
    )
