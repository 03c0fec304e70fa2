"""The models that come with the project: their names, their folders, and the default among them."""

from __future__ import annotations

from pathlib import Path

from tfaffect.errors import UsageError

PACKAGED, CHECKOUT = Path(__file__).with_name("models"), Path(__file__).parents[2] / "models"
FOLDER = PACKAGED if PACKAGED.is_dir() else CHECKOUT
"""An installed wheel has the small models in this package; a checkout has all models in models/."""
FILE = "model.tflite"
BY_ACCURACY = ("fer_plus_small", "fer_plus_micro", "fer_plus_b1")
"""Names of their folders, the most accurate first."""
CHECKOUT_ONLY = ("fer_plus_b1",)
"""Models that a wheel does not have."""


def short(name: str) -> str:
    """Return the short name of a shipped model: `micro` for `fer_plus_micro`."""
    return name.removeprefix("fer_plus_")


LISTED = f"a model of `tfaffect models`: {', '.join(map(short, BY_ACCURACY))}"
"""The short names, in words for an error."""


def find(model: str | Path) -> Path:
    """Return the path of a model. A path that exists stays as it is, and so does a word that names nothing.

    The short or full name of a shipped model, `micro` or `fer_plus_micro`, becomes its folder. Raises UsageError for
    one that is not part of this installation.
    """
    name = _named(Path(model))
    if name is None or Path(model).exists():
        return Path(model)
    if (FOLDER / name / FILE).is_file():
        return FOLDER / name
    if name in CHECKOUT_ONLY:
        reason = f"It is part of a checkout only: get the repository, and name its folder models/{name}"
    else:
        reason = "The installation is incomplete: install tfaffect again"
    installed = ", ".join(short(folder.name) for folder in folders())
    raise UsageError(f"{FOLDER} has no model {name}. {reason}. Or name one that is installed: {installed}.")


def hint(path: Path) -> str:
    """Return a sentence for an error about a path that exists and has the name of a shipped model; "" for others."""
    name = _named(path)
    return f" This path comes before the model that tfaffect has: {FOLDER / name}." if name else ""


def _named(path: Path) -> str | None:
    return next((name for name in BY_ACCURACY if str(path) in (name, short(name))), None)


def folders() -> list[Path]:
    """Return the folders of the shipped models, the default first. Raises UsageError when there is none."""
    if found := [FOLDER / name for name in BY_ACCURACY if (FOLDER / name / FILE).is_file()]:
        return found
    raise UsageError(
        f"There is no model in {FOLDER}, the folder of the shipped models. Name one with --model: a run folder of "
        "`tfaffect train`, or an export."
    )


def default_model() -> Path:
    """Return the folder of the default model. Raises UsageError when no model was shipped."""
    return folders()[0]
