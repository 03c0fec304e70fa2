"""Finds the key frame from which the rest of a video is decoded, so that what comes before it is not decoded.

Its number among all frames must be known, and all frames after it must be those of a decoder that began at the start.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, dropwhile, islice
from typing import TypeVar

import av
import numpy as np

from tfaffect.media.skipping import AHEAD, CODECS, CannotSkipError, SkippedFrame

CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Containers in which every packet has its time stamp. A transport stream may lack packets, and AVI has no stamps."""

Frame = TypeVar("Frame", bound="av.VideoFrame | SkippedFrame | None")


@dataclass(frozen=True)
class Entry:
    """A key frame: its time stamp, in units of its stream, and its number among all frames."""

    pts: int
    number: int


def find_entry(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, latest: float
) -> Entry | None:
    """Return the last key frame that is shown until `latest`, in units of the stream; None to decode from the start.

    It decodes nothing. Where the file has a complete index, it reads few packets. Otherwise it reads all until there.
    """
    if container.format.name not in CONTAINERS or stream.codec_context.name not in CODECS:
        return None
    index = stream.index_entries
    if not 0 < len(index) == stream.frames:  # of Matroska it has the key frames, and of a fragmented MP4 the first part
        return _last_key_frame(container.demux(stream), latest)
    start = _last_key_frame(islice(container.demux(stream), AHEAD), -math.inf)
    if start is None or any(entry.is_discard for entry in index):
        return None
    container.seek(int(latest), stream=stream)
    packets = container.demux(stream)
    first = next(packets)
    place = next((place for place, entry in enumerate(index) if entry.timestamp == first.dts), 0)
    return _last_key_frame(chain([first], packets), latest, place) if place else None


def _last_key_frame(packets: Iterable[av.Packet], latest: float, before: int = 0) -> Entry | None:
    """Return the last key frame that is shown until `latest`. before: how many packets come before these.

    A frame that follows in the file may be shown before the key frame (in an open group of pictures). So it counts as
    one before it.
    """
    stamps: list[int] = []
    keys: list[int] = []
    later = 0
    for packet in packets:
        if packet.is_discard or not packet.size:  # outside the edit list; the last packet is empty
            continue
        if packet.pts is None:
            return None
        stamps.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
        later += packet.pts > latest
        if later > AHEAD:
            break
    if not _is_one_clock(stamps) or keys[:1] != stamps[:1] or (before == 0 and min(stamps) < stamps[0]):
        return None
    pts = max((key for key in keys if key <= latest), default=stamps[0])
    return Entry(pts, before + sum(stamp < pts for stamp in stamps)) if pts <= latest or not before else None


def packets_from(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, entry: Entry
) -> Iterator[av.Packet]:
    """Yield the packets of a stream from a key frame on."""
    container.seek(entry.pts, stream=stream)
    return dropwhile(lambda packet: packet.pts != entry.pts, container.demux(stream))


def frames_from(entry: Entry, frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the frames from a key frame on, and none that is shown before it.

    Raises CannotSkipError if the decoder cannot begin there: with intra refresh, pictures are complete later.
    """
    is_found = False
    for frame in frames:
        if not is_found:
            if frame is None or frame.pts is None or isinstance(frame, SkippedFrame):
                raise CannotSkipError
            if frame.pts < entry.pts:
                continue
            if frame.pts > entry.pts or not frame.key_frame:
                raise CannotSkipError
            is_found = True
        yield frame
    if not is_found:
        raise CannotSkipError


def _is_one_clock(stamps: list[int]) -> bool:
    """Return whether every frame has a stamp of its own, and no clock restarts."""
    ordered = np.array(stamps)
    highest = np.maximum.accumulate(ordered)[:-AHEAD]
    grows = bool((highest < ordered[AHEAD:]).all())
    return len(stamps) > 0 and len(set(stamps)) == len(stamps) and grows
