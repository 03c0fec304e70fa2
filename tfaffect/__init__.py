"""Expression classes, valence, arousal and affective features of faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfaffect.features.embedder import Embedder

__version__ = "0.1.0"
__all__ = ["Embedder", "__version__"]


def __getattr__(name: str) -> object:
    """Import `Embedder` when it is first asked for: it needs OpenCV, which --help and --version do without."""
    if name == "Embedder":
        from tfaffect.features.embedder import Embedder

        return Embedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
