"""The recipes by name: the weights of each, and the limits of its losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfaffect.export.quantisation.fidelity import Fidelity


@dataclass(frozen=True)
class Limits:
    """Limits of a file's size and of its losses on validation faces.

    megabytes: maximum size. accuracy: maximum loss, 0.003 for 0.3 points; one face is always allowed. ccc: maximum loss
    of a dimension. cosine: minimum of the mean over faces. unexplained: maximum share of any output's variance.
    """

    megabytes: float
    accuracy: float
    ccc: float
    cosine: float
    unexplained: float

    def exceeded(self, size: int, fidelity: Fidelity) -> str | None:
        """Return a message about the first limit that a file of `size` bytes exceeds; None if it keeps all."""
        return next((message for kept, message in self._checks(size, fidelity) if not kept), None)

    def describe(self, losses: Mapping[str, float]) -> Iterator[str]:
        """Yield a line for the terminal for each of `Fidelity.losses`, with its limit."""
        for name, loss in losses.items():
            verb = "gains" if loss < 0 else "loses"
            if name == "accuracy":
                yield f"{verb} {100 * abs(loss):.2f} points of accuracy (limit {100 * self.accuracy:g})"
            elif name.startswith("CCC"):
                yield f"{verb} {abs(loss):.4f} of {name} (limit {self.ccc:g})"
            elif name == "embedding cosine":
                yield f"{name}, mean: {1 - loss:.4f} (limit {self.cosine:g})"
            else:
                yield f"{name}: {1 - loss:.4f}" if "worst" in name else f"{name}: {100 * loss:.2f} %"

    def _checks(self, size: int, found: Fidelity) -> Iterator[tuple[bool, str]]:
        """Yield for each limit whether it is kept; a comparison with NaN counts as exceeded."""
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
        for name, share in found.unexplained.items():
            unexplained = f"{share:.3f} of the variance of {name} is lost, more than {self.unexplained:g}"
            yield share <= self.unexplained, unexplained


@dataclass(frozen=True)
class Recipe:
    """How a TFLite file is made.

    weights: bytes of most weights. limits: None for float32, which every export checks against stricter tolerances.
    """

    weights: float
    limits: Limits | None = None


RECIPES = {
    "float32": Recipe(4),
    "float16": Recipe(2, Limits(megabytes=14.5, accuracy=0.001, ccc=0.001, cosine=0.999, unexplained=0.01)),
    "dynamic_int8": Recipe(1, Limits(megabytes=9.5, accuracy=0.003, ccc=0.005, cosine=0.995, unexplained=0.05)),
    "int8": Recipe(1, Limits(megabytes=9.5, accuracy=0.003, ccc=0.01, cosine=0.99, unexplained=0.1)),
}
"""float16: weights of half the size. dynamic_int8: int8 weights; the ranges of activations are computed for each
picture. int8: in networks with depthwise convolutions also the activations on large maps are int8, with ranges from
calibration faces. The megabytes are for EfficientNet-B1. A tenth of a point is 4 of 3,553 faces of FER+."""
