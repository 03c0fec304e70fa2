"""The models that come with the project, and the default among them."""

from __future__ import annotations

from pathlib import Path

from tfaffect.errors import UsageError

PACKAGED, CHECKOUT = Path(__file__).with_name("models"), Path(__file__).parents[2] / "models"
FOLDER = PACKAGED if PACKAGED.is_dir() else CHECKOUT
"""An installed wheel has the small models in this package; a checkout has all models in models/."""
BY_ACCURACY = ("fer_plus_small", "fer_plus_micro", "fer_plus_b1")
"""Names of their folders, the most accurate first."""


def folders() -> list[Path]:
    """Return the folders of the shipped models, the default first. Raises UsageError when there is none."""
    if found := [FOLDER / name for name in BY_ACCURACY if (FOLDER / name / "model.tflite").is_file()]:
        return found
    raise UsageError(
        f"There is no model in {FOLDER}, the folder of the shipped models. Name one with --model: a run folder of "
        "`tfaffect train`, or an export."
    )


def default_model() -> Path:
    """Return the folder of the default model. Raises UsageError when no model was shipped."""
    return folders()[0]
