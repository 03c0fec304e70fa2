"""Values of flags of `tfaffect embed` that are words."""

from __future__ import annotations

import sys
from pathlib import Path

from tfaffect import contract
from tfaffect.errors import UsageError
from tfaffect.features.sample import Prior
from tfaffect.runtimes.opening import model_file
from tfaffect.scoring import priors


def parse_faces(faces: str) -> int | None:
    """Return the largest number of faces that --faces allows per picture; None for all."""
    words = {"all": None, "largest": 1}
    if faces in words:
        return words[faces]
    if faces.isdecimal() and int(faces) > 0:
        return int(faces)
    raise UsageError(f"--faces must be all, largest or a number of at least 1. Received: {faces!r}.")


def population(prior: str, model: Path) -> Prior:
    """Return the class shares that --prior names. Print a note if they were divided by their sum."""
    read, notes = contract.read(model_file(model)), list[str]()
    if prior == priors.ESTIMATE:
        priors.check(prior, read)
        return "estimate"
    shares = priors.target_shares(prior, read, notes)
    print(*notes, sep="\n", end="\n" * len(notes), file=sys.stderr)
    return tuple(map(float, shares))
