"""Choose among the tracks of a file: those that a user names as FILE#TIER, or those whose names say what they are."""

import re
from collections.abc import Sequence
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfaffect.labels import AFFECT
from tfrecords_builders.annotations.tracks import Curve, Tier, Track
from tfrecords_builders.label_table import CLASS

ALL = "*"
"""The tier that stands for all of a file: each is a rater."""

PLAIN = {"value", "values", "rating", "ratings", "score", "scores"}
"""Words in the name of a track that do not say what it rates."""

WORDS = {**{name: {name} for name in AFFECT}, "class": {*CLASS, *(f"{word}s" for word in CLASS)}}
"""Dimension -> words in the name of a track of this dimension."""


def of_video(path: Path, tracks: Sequence[Track], video: Path) -> list[Track]:
    """Return the tracks of a video. Raises UsageError where all tracks are of other videos."""
    own = [track for track in tracks if not isinstance(track, Tier) or track.media in ("", video.name.lower())]
    if tracks and not own:
        others = sorted({track.media for track in tracks if isinstance(track, Tier)})
        raise UsageError(
            f"{printable(path)} describes other videos than {printable(video.name)}. Received: {_few(others)}."
        )
    return own


def one_dimension(path: Path, tracks: Sequence[Track], dimension: str, tier: str) -> list[Track]:
    """Return the track of a dimension in a file, or all with the tier `*`.

    Without a tier it is the one whose name says so, or the only one. Raises UsageError where none or several fit, and
    for a track that is named after another dimension, unless the tier names it.
    """
    fitting = [track for track in tracks if dimension != "class" or isinstance(track, Tier)]
    if tier == ALL:
        found = _raters(path, fitting, dimension)
    elif tier:
        found = [track for track in tracks if track.name == tier]
        found = found or [track for track in tracks if track.name.lower() == tier.lower()]
    else:
        found = _named(fitting, dimension) or _only(path, fitting, dimension)
    if len(found) == 1 or (found and tier == ALL):
        return found
    names = _few([track.name for track in tracks])
    wanted = f"for {dimension}" if tier in ("", ALL) else f"called {tier!r}"
    raise UsageError(
        f"{printable(path)} has {len(found) or 'no'} {'tracks' if len(found) > 1 else 'track'} {wanted}. "
        f"Name one as FILE#TIER, or all as FILE#{ALL} where each is a rater. Tracks in the file: {names}."
    )


def all_dimensions(path: Path, tracks: Sequence[Track], tier: str) -> dict[str, list[Track]]:
    """Return the tracks of a file by dimension, by their names. The only tier with segments may have any name.

    With a tier, only that one. Raises UsageError where no name says what a track is, or several say the same.
    """
    if tier not in ("", ALL):
        tracks = one_dimension(path, tracks, "valence", tier)
    tiers = [track for track in tracks if isinstance(track, Tier)]
    found: dict[str, list[Track]] = {name: _named(tracks, name) for name in AFFECT}
    found["class"] = [track for track in _named(tracks, "class") if not isinstance(track, Curve)]
    affect = [track for name in AFFECT for track in found[name]]
    if not found["class"] and len(tiers) == 1 and tiers[0] not in affect:
        found["class"] = [*tiers]
    if several := next((name for name, named in found.items() if len(named) > 1), ""):
        one_dimension(path, tracks, several, "")  # raises the error
    if not any(found.values()):
        raise UsageError(
            f"{printable(path)} does not say whether it rates valence, arousal or classes. Name it in the column "
            f"valence, arousal or class, and not in the column annotation. "
            f"Tracks in the file: {_few([track.name for track in tracks])}."
        )
    return found


def is_unknown(track: Track, dimension: str) -> bool:
    """Return whether the name of a track says something else than its dimension. `rating` and `0` say nothing."""
    return not _named([track], dimension) and bool({*re.findall(r"[^\W\d_]+", track.name.lower())} - PLAIN)


def _only(path: Path, tracks: list[Track], dimension: str) -> list[Track]:
    """The tracks. Raises UsageError where the only one is named after another dimension."""
    if len(tracks) == 1 and (other := _other(tracks[0], dimension)):
        shown = _few([tracks[0].name])
        raise UsageError(
            f"{printable(path)} was named for {dimension}, but its only track for this is called {shown}. Name the "
            f"file in the column {other}. If the track does hold {dimension}, name it as FILE#TIER."
        )
    return tracks


def _raters(path: Path, tracks: list[Track], dimension: str) -> list[Track]:
    """The tracks, each of a rater. Raises UsageError where some are named after another dimension."""
    if others := [track.name for track in tracks if _other(track, dimension)]:
        raise UsageError(
            f"{printable(path)} has tracks that are no raters of {dimension}: {_few(others)}. FILE#{ALL} takes all "
            "tracks of a file. Name the tracks of the raters instead: FILE#TIER;FILE#TIER."
        )
    return tracks


def _other(track: Track, dimension: str) -> str:
    """The other dimension after which a track is named, or an empty text."""
    if _named([track], dimension):
        return ""
    return next((name for name in WORDS if _named([track], name)), "")


def _named(tracks: Sequence[Track], dimension: str) -> list[Track]:
    """The tracks of exactly this name, else those with a word for it in their names."""
    exact = [track for track in tracks if track.name.lower() == dimension]
    return exact or [track for track in tracks if {*re.findall("[a-z]+", track.name.lower())} & WORDS[dimension]]


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(repr(printable(name)[:50]) for name in names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown or "none"
