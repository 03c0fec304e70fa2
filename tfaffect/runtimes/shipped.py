"""The models that come with the project, for whoever names none."""

from __future__ import annotations

from pathlib import Path

from tfaffect.errors import UsageError

PACKAGED, CHECKOUT = Path(__file__).with_name("models"), Path(__file__).parents[2] / "models"
FOLDER = PACKAGED if PACKAGED.is_dir() else CHECKOUT
"""A wheel has the small models in this package; a checkout has all of them at its top."""
BY_ACCURACY = ("fer_plus_small", "fer_plus_micro", "fer_plus_b1")
"""Their folders, the one to take first."""


def folders() -> list[Path]:
    """Return the folders of the models that are there, the default first. Raises UsageError where there is none."""
    if found := [FOLDER / name for name in BY_ACCURACY if (FOLDER / name / "model.tflite").is_file()]:
        return found
    raise UsageError(
        f"No model lies in {FOLDER}, where an installation or a checkout has them. Name one with --model: a run folder "
        "that `tfaffect train` left, or an export."
    )


def default_model() -> Path:
    """Return the model that is taken when none is named. Raises UsageError where none was shipped."""
    return folders()[0]
