"""The requirements files, made of the lists in pyproject.toml: `python -m tests.requirements` writes them."""

import re

from tests import ROOT

FILES = {
    "requirements-runtime.txt": (
        "dependencies",
        "What `tfaffect embed` needs with a .tflite model; nothing of TensorFlow.",
    ),
    "requirements.txt": ("train", "What preparing, training, evaluating and exporting need."),
    "requirements-jax.txt": ("jax", "What training under JAX needs as well."),
    "requirements-excel.txt": ("excel", "What reading tables in .xlsx needs as well."),
    "requirements-annotations.txt": ("annotations", "What reading files of ELAN and YOLO needs as well."),
    "requirements-imagenet.txt": ("imagenet", "What ImageNet's weights of EfficientNet-Lite1 need as well."),
    "requirements-storage.txt": ("storage", "What `embed` needs as well for files at s3://, gs:// and https://."),
    "requirements-beam.txt": ("beam", "What `--beam-runner` needs as well: building records on a cluster."),
    "requirements-wandb.txt": ("wandb", "What `--tracker wandb` needs as well."),
    "requirements-dev.txt": ("dev", "What the tests and the checks of CONTRIBUTING.md need as well."),
    "requirements-docs.txt": ("docs", "What the documentation site and its notebook need as well."),
}
"""File -> its list in pyproject.toml, and its first line."""


def lines(name: str, text: str) -> list[str]:
    """Return the lines of a list in pyproject.toml as a requirements file has them: `name>=version  # reason`."""
    block = re.search(rf"^{name} = \[\n(.*?)^\]", text, flags=re.M | re.S)[1]
    found = []
    for line in block.splitlines():
        requirement, reason = re.fullmatch(r'  "(.+?)",(?: # (.+))?', line).groups()
        if requirement == "tfaffect[train]":
            found.append("-r requirements.txt")
        elif requirement == "tfaffect[onnx]":
            found += lines("onnx", text)
        elif other := re.fullmatch(r"tfaffect\[(\w+)\]", requirement):
            found.append(f"-r requirements-{other[1]}.txt")
        else:
            found.append(f"{requirement:28} # {reason}")
    return found


def compose() -> dict[str, str]:
    """Return the text of each requirements file."""
    text = (ROOT / "pyproject.toml").read_text()
    composed = {}
    for file, (name, title) in FILES.items():
        base = ["-r requirements-runtime.txt"] if name == "train" else []
        head = [f"# {title}", "# Made of pyproject.toml by `python -m tests.requirements`; a test compares them."]
        composed[file] = "\n".join([*head, *base, *lines(name, text)]) + "\n"
    return composed


if __name__ == "__main__":
    for file, content in compose().items():
        (ROOT / file).write_text(content)
