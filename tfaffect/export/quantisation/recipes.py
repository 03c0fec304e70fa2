"""The recipes by name: what each does to the weights, and what it promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfaffect.export.quantisation.fidelity import Fidelity


@dataclass(frozen=True)
class Promise:
    """What a file may cost at most, on validation faces.

    megabytes: of the file. accuracy: a share, 0.003 for 0.3 points; a single face is always allowed. ccc: of either
    dimension. cosine: the mean over faces, at least. missing: of the variance of any output.
    """

    megabytes: float
    accuracy: float
    ccc: float
    cosine: float
    missing: float

    def broken(self, size: int, fidelity: Fidelity) -> str | None:
        """Return the first promise that a file of so many bytes does not keep, with both numbers; None if all hold."""
        return next((words for kept, words in self._findings(size, fidelity) if not kept), None)

    def _findings(self, size: int, found: Fidelity) -> Iterator[tuple[bool, str]]:
        """Whether each promise holds, by comparisons that NaN fails."""
        yield size <= self.megabytes * 1e6, f"it has {size / 1e6:.1f} MB, more than {self.megabytes:g}"
        points, most = 100 * found.accuracy, 100 * self.accuracy
        yield (
            found.lost <= max(1, self.accuracy * found.labelled),
            f"it loses {points:.2f} points of accuracy ({found.lost} of {found.labelled:,} faces), more than {most:g}",
        )
        for name, loss in found.ccc.items():
            yield loss <= self.ccc, f"it loses {loss:.4f} of {name}'s CCC, more than {self.ccc:g}"
        cosine = f"the mean cosine between embeddings is {found.cosine:.4f}, less than {self.cosine:g}"
        yield found.cosine >= self.cosine, cosine
        for name, share in found.missing.items():
            yield share <= self.missing, f"{share:.3f} of the variance of {name} is missing, more than {self.missing:g}"


@dataclass(frozen=True)
class Recipe:
    """How a TFLite file is made.

    weights: bytes that most of them take. promise: None where the file gives what the network gives, digit by digit.
    """

    weights: float
    promise: Promise | None = None


RECIPES = {
    "float32": Recipe(4),
    "float16": Recipe(2, Promise(megabytes=14.5, accuracy=0.001, ccc=0.001, cosine=0.999, missing=0.01)),
    "dynamic_int8": Recipe(1, Promise(megabytes=9.5, accuracy=0.003, ccc=0.005, cosine=0.995, missing=0.05)),
    "int8": Recipe(1, Promise(megabytes=9.5, accuracy=0.003, ccc=0.01, cosine=0.99, missing=0.1)),
}
"""float32: all as it was. float16: weights of half the size. dynamic_int8: int8 weights; of the activations that meet
them, each picture finds its own ranges. int8: on large maps the activations are int8 too, of ranges that calibration
faces gave. Megabytes are of EfficientNet-B1. A tenth of a point is 4 of 3,553 faces of FER+."""
