"""What moves the answer for faces of photos: frame, resolution, filter, colour, sharpness, contrast.

    tfaffect embed PHOTOS --out faces.csv          then keep only the rows that show one class, for example smiles
    python benchmarks/photos.py faces.csv --expected happiness

Prints, for every variation and model, how many faces get the expected class, and its mean probability.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pandas as pd
import tyro

from tfaffect.features.tables import BOX
from tfaffect.labels import CLASSES
from tfaffect.media import faces
from tfaffect.records import corruptions
from tfaffect.runtimes.opening import open_model
from tfaffect.scoring.report import align

Vary = Callable[[np.ndarray], np.ndarray]
RNG = np.random.default_rng(0)
"""The corruptions below draw nothing at random."""


def saturate(picture: np.ndarray) -> np.ndarray:
    """Return a picture with colours that are twice as far from grey."""
    return np.clip(2.0 * picture - faces.to_grey(picture), 0, 255).astype(np.uint8)


def contrast(picture: np.ndarray, factor: float) -> np.ndarray:
    """Return a picture with its values moved away from their mean by a factor."""
    return np.clip((picture - picture.mean()) * factor + picture.mean() + 0.5, 0, 255).astype(np.uint8)


def sharpen(picture: np.ndarray) -> np.ndarray:
    """Return a picture with its difference to a blur of one pixel added."""
    return cv2.addWeighted(picture, 2.0, cv2.GaussianBlur(picture, (0, 0), 1), -1.0, 0)


def shrink(crop: np.ndarray, size: int, interpolation: int) -> np.ndarray:
    """Return a crop whose longer side is `size`, scaled by a filter of OpenCV, on a square."""
    scale = size / max(crop.shape[:2])
    width, height = (max(1, int(side * scale)) for side in crop.shape[1::-1])
    return faces.letterbox(cv2.resize(crop, (width, height), interpolation=interpolation), size)


INPUT: dict[str, Vary] = {
    "as it is": lambda picture: picture,
    "grey": faces.to_grey,
    "colours twice as strong": saturate,
    **{f"cast {p} % more red": lambda picture, p=p: corruptions.cast(picture, p, RNG) for p in (-40, -20, 20, 40)},
    "cast 40, then grey": lambda picture: faces.to_grey(corruptions.cast(picture, 40, RNG)),
    "sharper": sharpen,
    **{f"blur {p} % of the side": lambda picture, p=p: corruptions.blur(picture, p, RNG) for p in (1, 2)},
    "blur 2 %, grey": lambda picture: faces.to_grey(corruptions.blur(picture, 2, RNG)),
    **{f"contrast x {f}": lambda picture, f=f: contrast(picture, f) for f in (0.5, 1.5)},
    "contrast x 1.5, grey": lambda picture: faces.to_grey(contrast(picture, 1.5)),
    **{f"JPEG {q}": lambda picture, q=q: corruptions.compress(picture, q, RNG) for q in (75, 25)},
}
"""Variations of the network's input."""

FRAME = {
    "margin": (-0.1, 0.05, 0.1, 0.2, 0.3),
    "frame lower, share of the side": (-0.1, -0.05, 0.05, 0.1),
    "crop of pixels": (24, 36, 72, 150),
}
FILTERS = {"area": cv2.INTER_AREA, "bilinear, not antialiased": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST}


def variations(picture: np.ndarray, box: faces.Box, margin: float, size: int) -> dict[str, np.ndarray]:
    """Return the inputs of the network for one face, by variation."""
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    crop = faces.crop(picture, box, margin)
    inputs = {name: vary(faces.letterbox(crop, size)) for name, vary in INPUT.items()}
    for name, values in FRAME.items():
        for value in values:
            if name == "margin":
                varied = faces.crop(picture, box, value)
            elif name == "crop of pixels":
                varied = shrink(crop, int(value), cv2.INTER_AREA)
            else:
                varied = faces.crop(picture, (left, top + value * side, right, bottom + value * side), margin)
            inputs[f"{name} {value:g}"] = faces.letterbox(varied, size)
    return inputs | {f"filter {name}": shrink(crop, size, filter_) for name, filter_ in FILTERS.items()}


def main(
    table: tyro.conf.Positional[Path],
    expected: Literal[CLASSES] = "happiness",  # type: ignore[valid-type]
    models: tuple[str, ...] = ("small", "micro"),
) -> None:
    """Print what moves the answers for the faces of a table of `tfaffect embed`."""
    rows = pd.read_csv(table)
    found = rows[rows[[*BOX]].notna().all(axis=1)]
    columns: list[list[str]] = []
    for model in models:
        network = open_model(Path(model))
        margin, size = network.contract.crop_margin, network.contract.input_size
        pictures = [faces.read(table.parent / path, upright=True) for path in found["path"]]
        inputs = [variations(p, box, margin, size) for p, box in zip(pictures, found[[*BOX]].to_numpy(), strict=True)]
        names = list(inputs[0])
        columns += [["variation", *names]] if not columns else []
        # `run` keeps the colours; a call would turn the pictures grey for a network whose contract says so.
        answers = [network.run(np.stack([face[name] for face in inputs]))["expression"] for name in names]
        place = CLASSES.index(expected)
        right = [f"{(answer.argmax(1) == place).sum()} of {len(answer)}" for answer in answers]
        columns += [[model, *right], ["mean", *(f"{answer[:, place].mean():.2f}" for answer in answers)]]
    print(align([list(row) for row in zip(*columns, strict=True)], left=1))


if __name__ == "__main__":
    tyro.cli(main)
