"""What a user must know about a video is said once: HDR, and more than one video stream."""

import logging

import numpy as np
import pytest

from tests import clips
from tfaffect.media import video


def pictures(grey=90):
    return [np.full((64, 128, 3), grey, np.uint8)] * 4


def said(caplog, path, **how):
    """What is logged while the whole video is read."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert len(list(video.sample_frames(path, **how))) == 4
    return [record.getMessage() for record in caplog.records]


CODECS = [("mp4", "libx265"), ("mov", "libx265"), ("ts", "libx265"), ("webm", "libvpx-vp9"), ("mkv", "libsvtav1")]


@pytest.mark.parametrize(("suffix", "codec"), CODECS)
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_an_hdr_video_is_mentioned_once(tmp_path, caplog, suffix, codec, transfer, name):
    path = clips.write_hdr(tmp_path / f"clip.{suffix}", pictures(), codec, transfer)
    (note,) = said(caplog, path)
    assert note.startswith(f"{path} is HDR ({name})")


@pytest.mark.parametrize("transfer", [1, 2, 13, 14])  # BT.709, none, sRGB, BT.2020 with the curve of BT.709
def test_a_video_of_10_bits_is_not_hdr_for_that(tmp_path, caplog, transfer):
    assert said(caplog, clips.write_hdr(tmp_path / "clip.mp4", pictures(), "libx265", transfer)) == []


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov", "ts"])
def test_a_second_video_stream_is_mentioned_unless_it_was_chosen(tmp_path, caplog, suffix):
    path = clips.write_streams(tmp_path / f"clip.{suffix}", pictures(90), pictures(200))
    (note,) = said(caplog, path)
    assert note == f"{path} has 2 video streams. The first is read; choose another with --stream."
    assert said(caplog, path, stream=1) == []
    assert [round(next(video.sample_frames(path, stream=number)).picture.mean(), -1) for number in (0, 1)] == [90, 200]


def test_a_cover_is_no_second_stream(tmp_path, caplog):
    path = clips.write_streams(tmp_path / "clip.mp4", pictures(), cover=pictures()[0])
    assert said(caplog, path) == []


def test_a_name_that_is_not_utf_8_can_be_said(tmp_path, caplog):
    path = clips.write_hdr(tmp_path / "clip.mp4", pictures(), "libx265", 16)
    renamed = path.rename(tmp_path / "caf\udce9.mp4")
    (note,) = said(caplog, renamed)
    assert r"caf\xe9.mp4 is HDR" in note
