"""Copies the sound of a video into an annotated copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from tfaffect.errors import UsageError
from tfaffect.files import remote

COPIED = ("aac", "mp3", "opus", "flac")
"""Codecs that an mp4 can hold and browsers play. Sound in another codec, such as AC-3 or PCM, is encoded as AAC."""


class Sound:
    """The first audio stream of a video, on the clock of `media.decoding`. Without a video or a stream, nothing.

    source: the video. container: the open mp4 that receives the sound. start: time in seconds that becomes 0 there;
    earlier sound is left out.
    """

    def __init__(self, source: Path | None, container: av.container.OutputContainer, start: float) -> None:
        self._source, self._container, self._start = source, container, start
        self._stack = ExitStack()
        self._packets: Iterator[av.Packet] = iter(())
        self._next: Any = None

    def __enter__(self) -> Sound:
        with suppress(av.error.FFmpegError):  # animations and folders of pictures are no files of FFmpeg
            if self._source is not None and remote.is_file(self._source):
                file = self._stack.enter_context(remote.opened_for_ffmpeg(self._source))
                source = self._stack.enter_context(av.open(file, metadata_errors="ignore"))
                if source.streams.audio:
                    self._packets = self._copied(source, source.streams.audio[0])
                    self._next = next(self._packets, None)
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        return self._stack.__exit__(*exception)

    def copy_until(self, seconds: float) -> None:
        """Write the packets that begin before a time of the video."""
        try:
            while self._next is not None and float(self._next.pts * self._next.time_base) <= seconds - self._start:
                self._container.mux(self._next)
                self._next = next(self._packets, None)
        except remote.RemoteError as error:
            raise UsageError(
                f"The sound of {error.filename} cannot be read: {error.strerror}. Try --resume."
            ) from error

    def _copied(self, source: av.container.InputContainer, stream: Any) -> Iterator[av.Packet]:
        shift = round((Fraction(source.start_time or 0, av.time_base) + Fraction(self._start)) / stream.time_base)
        if stream.codec_context.name in COPIED:
            target = self._container.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.pts is not None and packet.dts is not None and packet.pts >= shift:
                    packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, target
                    yield packet
            return
        encoder: Any = self._container.add_stream("aac", rate=stream.rate, layout=stream.layout.name)
        for frame in source.decode(stream):
            if frame.pts is not None and frame.pts >= shift:
                frame.pts -= shift
                yield from encoder.encode(frame)
        yield from encoder.encode(None)
