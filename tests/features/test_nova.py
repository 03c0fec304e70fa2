"""Annotations for NOVA: a tiny example worked out by hand, and their values read back."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from tfaffect.features.nova import write_nova
from tfaffect.features.replay import Video
from tfaffect.features.series import read_series
from tfaffect.labels import CLASSES, HEADS


def values(label, probability, valence, arousal):
    """One face: `probability` for its class and the rest for the next one."""
    expression = np.zeros(8, np.float32)
    expression[[label, (label + 1) % 8]] = probability, 1 - probability
    return np.array([*expression, valence, arousal], np.float32)


@pytest.fixture
def series():
    """Two people at 4 frames a second: the second one comes late, and nobody is seen in the fourth frame."""
    happy, sad = CLASSES.index("happiness"), CLASSES.index("sadness")
    frames = [
        (0.0, {0: values(happy, 0.75, 0.5, -0.25)}),
        (0.25, {0: values(happy, 0.875, 0.25, 0.0)}),
        (0.5, {0: values(sad, 1.0, -1.0, 1.0), 1: values(happy, 0.5, 0.125, 0.25)}),
        (0.75, {}),
        (1.0, {0: values(sad, 0.5, -0.5, 0.75)}),
    ]
    return read_series(Video("talk.mp4", {}, iter(frames)))


def read(path):
    """Read an annotation as NOVA's manual describes it: the XML, and the numbers of each line of the data."""
    root = ElementTree.parse(path).getroot()
    lines = path.with_name(f"{path.name}~").read_text().splitlines()
    assert int(root.find("info").get("size")) == len(lines)
    return root, [[float(cell) for cell in line.split(";")] for line in lines]


def test_the_files_are_those_that_were_worked_out_by_hand(series, tmp_path):
    write_nova(tmp_path / "talk", series, HEADS)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"talk.track{track}.{name}.annotation{end}" for track in (0, 1) for name in HEADS for end in ("", "~")
    )
    assert (tmp_path / "talk.track0.valence.annotation").read_text() == (
        '<?xml version="1.0" ?>\n'
        '<annotation ssi-v="3">\n'
        '    <info ftype="ASCII" size="5" />\n'
        '    <meta role="track0" annotator="tfaffect" />\n'
        '    <scheme name="valence" type="CONTINUOUS" sr="4" min="-1" max="1" mincolor="#FF3B4CC0"'
        ' maxcolor="#FFD1603D" />\n'
        "</annotation>\n"
    )
    valence = (tmp_path / "talk.track0.valence.annotation~").read_text()
    assert valence == "0.5000;1\n0.2500;1\n-1.0000;1\nNaN;0\n-0.5000;1\n"
    late = (tmp_path / "talk.track1.arousal.annotation~").read_text()
    assert late == "NaN;0\nNaN;0\n0.2500;1\nNaN;0\nNaN;0\n"
    segments = (tmp_path / "talk.track0.expression.annotation~").read_text()
    assert segments == "0.000;0.500;1;0.8125\n0.500;0.750;2;1.0000\n1.000;1.250;2;0.5000\n"
    assert (tmp_path / "talk.track1.expression.annotation~").read_text() == "0.500;0.750;1;0.5000\n"


def test_the_scheme_of_the_classes_names_all_of_them(series, tmp_path):
    write_nova(tmp_path / "talk", series, ("expression",))
    root, _ = read(tmp_path / "talk.track0.expression.annotation")
    scheme = root.find("scheme")
    assert (scheme.get("name"), scheme.get("type")) == ("expression", "DISCRETE")
    assert [(item.get("id"), item.get("name")) for item in scheme] == [(str(n), name) for n, name in enumerate(CLASSES)]
    assert [item.get("color") for item in scheme][:2] == ["#FF8A90A0", "#FFE0A400"]


def test_heads_that_never_learned_and_unsure_classes_are_not_written(series, tmp_path):
    write_nova(tmp_path / "talk", series, ("expression", "arousal"), abstain=0.8)
    names = {path.name.split(".")[2] for path in tmp_path.iterdir()}
    assert names == {"expression", "arousal"}
    _, segments = read(tmp_path / "talk.track0.expression.annotation")
    assert segments == [[0.25, 0.5, 1, 0.875], [0.5, 0.75, 2, 1]]
    root, segments = read(tmp_path / "talk.track1.expression.annotation")
    assert (root.find("info").get("size"), segments) == ("0", [])


def test_frames_of_variable_rate_are_put_on_the_grid_by_the_last_frame_on_screen(tmp_path):
    """Steps of 0.1 s, then one frame that stays for 0.35 s: the samples at 0.3, 0.4 and 0.5 s are of frame 2."""
    times = (0.0, 0.1, 0.2, 0.55, 0.65, 0.75)
    frames = [(time, {0: values(0, 1.0, place / 8, 0.0)}) for place, time in enumerate(times)]
    write_nova(tmp_path / "a", read_series(Video("a.mp4", {}, iter(frames))), ("valence",))
    root, lines = read(tmp_path / "a.track0.valence.annotation")
    assert root.find("scheme").get("sr") == "10"
    assert [8 * score for score, _ in lines] == [0, 1, 2, 2, 2, 2, 3, 4, 5]


@pytest.mark.parametrize(("rate", "stated"), [(25, "25"), (30, "30"), (30000 / 1001, "29.97"), (0.5, "0.5")])
def test_time_stamps_that_containers_round_to_milliseconds_give_the_frame_rate(rate, stated, tmp_path):
    frames = [(round(place / rate, 3), {0: values(0, 1.0, place / 3000, 0.0)}) for place in range(3000)]
    write_nova(tmp_path / "a", read_series(Video("a.mp4", {}, iter(frames))), ("valence",))
    root, lines = read(tmp_path / "a.track0.valence.annotation")
    assert float(root.find("scheme").get("sr")) == pytest.approx(float(stated), rel=1e-4)
    np.testing.assert_allclose([score for score, _ in lines], np.arange(3000) / 3000, atol=5.1e-5)


def test_a_video_that_starts_late_and_one_of_a_single_frame_keep_their_time(tmp_path):
    late = [(60 + place / 2, {0: values(0, 1.0, 0.5, 0.0)}) for place in range(3)]
    write_nova(tmp_path / "late", read_series(Video("a.mp4", {}, iter(late))), ("valence", "expression"))
    _, lines = read(tmp_path / "late.track0.valence.annotation")
    assert np.flatnonzero(~np.isnan([score for score, _ in lines])).tolist() == [120, 121, 122]
    assert read(tmp_path / "late.track0.expression.annotation")[1] == [[60, 61.5, 0, 1]]
    single = iter([(7.3, {0: values(0, 1.0, 0.5, 0.0)})])
    write_nova(tmp_path / "single", read_series(Video("a.mp4", {}, single)), ("valence", "expression"))
    root, lines = read(tmp_path / "single.track0.valence.annotation")
    assert (root.find("scheme").get("sr"), len(lines), lines[-1]) == ("1", 9, [0.5, 1])
    assert read(tmp_path / "single.track0.expression.annotation")[1] == [[7.3, 8.3, 0, 1]]


def test_a_video_without_anybody_has_no_annotations(tmp_path):
    write_nova(tmp_path / "a", read_series(Video("a.mp4", {}, iter([(0.0, {}), (0.1, {})]))), HEADS)
    assert list(tmp_path.iterdir()) == []


READER = """
import json, sys
from pathlib import Path
from nova_utils.data.handler.file_handler import FileHandler

found = {path.name: FileHandler().load(path).data.tolist() for path in Path(sys.argv[1]).glob("*.annotation")}
print(json.dumps(found))
"""


@pytest.mark.install
def test_the_reader_of_novas_developers_reads_them(series, tmp_path):
    """hcai-nova-utils is installed into an environment of its own: it needs an old pymongo."""
    write_nova(tmp_path / "out" / "talk", series, HEADS)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "hcai-nova-utils==1.6.8"], check=True)
    done = subprocess.run(
        [python, "-c", READER, tmp_path / "out"], check=True, capture_output=True, text=True
    )  # it warns that it finds no FFmpeg
    found = json.loads(done.stdout)
    nan = pytest.approx(np.nan, nan_ok=True)
    assert found["talk.track0.valence.annotation"] == [[0.5, 1], [0.25, 1], [-1, 1], [nan, 0], [-0.5, 1]]
    assert found["talk.track1.arousal.annotation"] == [[nan, 0], [nan, 0], [0.25, 1], [nan, 0], [nan, 0]]
    happy, sad = CLASSES.index("happiness"), CLASSES.index("sadness")
    segments = [[0, 500, happy, 0.8125], [500, 750, sad, 1.0], [1000, 1250, sad, 0.5]]  # milliseconds
    assert found["talk.track0.expression.annotation"] == segments
    assert found["talk.track1.expression.annotation"] == [[500, 750, happy, 0.5]]
