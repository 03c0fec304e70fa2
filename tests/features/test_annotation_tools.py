"""What the command writes for NOVA, ELAN and Py-Feat, on drawn people with the real detector."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pympi
import pytest

from tests import ROOT
from tests.features.test_embed import clip, embed, ended, model, portraits, room, started, write  # noqa: F401
from tfaffect.features import fex
from tfaffect.features.replay import Video
from tfaffect.features.source import Source
from tfaffect.features.video_names import with_numbers
from tfaffect.labels import CLASSES


def scores(path):
    return np.array([float(line.split(";")[0]) for line in path.read_text().splitlines()])


def test_nova_and_elan_hold_what_the_table_holds(embed, clip, tmp_path):  # noqa: F811
    folder = tmp_path / "annotations"
    embed(clip, "--nova", folder, "--elan", folder, "--out", tmp_path / "faces.parquet")
    table = pd.read_parquet(tmp_path / "faces.parquet")
    for track in (0, 1):
        rows = table[table["track"] == track]
        for name in ("valence", "arousal"):
            found = scores(folder / f"walk.track{track}.{name}.annotation~")
            assert len(found) == 30
            assert np.flatnonzero(~np.isnan(found)).tolist() == rows["frame"].tolist()
            np.testing.assert_allclose(found[rows["frame"]], rows[name], atol=5.1e-5)
    seen = table[table["track"] == 0].set_index("frame")["expression"]
    for start, end, name in pympi.Elan.Eaf(str(folder / "walk.eaf")).get_annotation_data_for_tier("track0"):
        assert set(seen.loc[start // 100 : end // 100 - 1]) == {name}
    segments = (folder / "walk.track0.expression.annotation~").read_text().splitlines()
    frames = [frame for line in segments for frame in range(*(round(10 * float(t)) for t in line.split(";")[:2]))]
    assert frames == list(seen.index)
    assert {CLASSES[int(line.split(";")[2])] for line in segments} == set(seen)
    media = pympi.Elan.Eaf(str(folder / "walk.eaf")).media_descriptors[0]
    assert media["MEDIA_URL"] == f"file://{clip}"
    curve = np.loadtxt(folder / "walk.track1.csv", delimiter=",")
    assert (curve[0, 0], curve[-1, 0], np.isnan(curve[:, 1]).sum()) == (1.0, 2.9, 5)


def test_videos_of_one_name_and_a_picture_beside_them_do_not_meet(embed, clip, portraits, tmp_path):  # noqa: F811
    inputs, folder = tmp_path / "in", tmp_path / "annotations"
    for name in ("a/walk.avi", "b/walk.avi", "b/walk.mkv"):
        (inputs / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, inputs / name)
    write(inputs / "a" / "walk.png", room((portraits[0], 20, 60, 300)))
    embed(inputs, "--elan", folder, "--every", "10")
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.eaf"))
    assert found == ["a/walk.eaf", "b/walk-3.eaf", "b/walk.eaf"]
    links = [pympi.Elan.Eaf(str(folder / name)).media_descriptors[0]["RELATIVE_MEDIA_URL"] for name in found]
    assert links == [f"../../in/{name}" for name in ("a/walk.avi", "b/walk.mkv", "b/walk.avi")]


def test_another_run_removes_the_tracks_of_the_earlier_one_and_nothing_else(embed, clip, tmp_path):  # noqa: F811
    folder = tmp_path / "annotations"
    embed(clip, "--nova", folder, "--elan", folder, "--every", "10")
    (folder / "walk.track0.notes.txt").write_text("mine")
    assert (folder / "walk.track1.csv").exists()
    done = embed(clip, "--nova", folder, "--every", "10", status=2)
    assert "exists already" in done.stderr or "is not empty" in done.stderr
    embed(clip, "--nova", folder, "--elan", folder, "--every", "10", "--faces", "largest", "--overwrite")
    assert not list(folder.glob("walk.track1*"))
    assert (folder / "walk.track0.notes.txt").read_text() == "mine"
    assert (folder / "walk.track0.valence.annotation~").exists()


def test_pictures_only_give_nothing_and_it_is_said(embed, portraits, tmp_path):  # noqa: F811
    photo = write(tmp_path / "photo.png", room((portraits[0], 20, 60, 300)))
    done = embed(photo, "--nova", tmp_path / "nova", "--elan", tmp_path / "elan")
    assert "no video among the inputs: nothing for --nova and --elan" in done.stdout
    assert not list((tmp_path / "nova").iterdir())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{folder}", "--nova", "{folder}/nova"], "is inside the input folder"),
        (["{folder}", "--elan", "{folder}"], "is inside the input folder"),
        (["{folder}/walk.avi", "--nova", "{folder}/walk.avi"], "--nova must be a folder"),
        (["{folder}/walk.avi", "--elan", "{folder}"], "is not empty. Name another folder for --elan"),
        (["{folder}/walk.avi", "--elan", "/proc/elan"], "cannot be written"),
        (["{folder}/walk.avi", "--elan", "{new}", "--out", "{new}/walk.track0.csv"], "would overwrite"),
        (["{folder}/walk.avi", "--layout", "feat"], "--layout must be tfaffect or fex. Received: feat."),
        (["{folder}/list.csv", "--layout", "fex"], "columns that the output has too: ['Happy']"),
    ],
)
def test_what_would_fail_or_destroy_is_refused_at_the_start(embed, clip, tmp_path, arguments, expected):  # noqa: F811
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(clip, folder / "walk.avi")
    (folder / "list.csv").write_text("path,Happy\nwalk.avi,yes\n")
    words = [word.format(folder=folder, new=tmp_path / "new") for word in arguments]
    assert expected in embed(*words, status=2).stderr


def test_without_a_table_there_are_no_annotations(clip):  # noqa: F811
    for flag in (["--nova", "x"], ["--elan", "x"], ["--layout", "fex"]):
        command = [sys.executable, "-m", "tfaffect.embed", str(clip), *flag]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "add --out FILE" in done.stderr


def test_the_layout_of_py_feat_and_the_dictionaries(embed, clip, tmp_path):  # noqa: F811
    embed(clip, "--every", "10", "--layout", "fex", "--window", "2", "--out", tmp_path / "faces.csv")
    table = pd.read_csv(tmp_path / "faces.csv")
    assert list(table.columns) == fex.SCHEMA.names
    assert table["approx_time"].unique().tolist() == ["00:00", "00:01", "00:02"]
    emotions = table[table["FaceScore"] > 0][list(fex.EMOTIONS.values())]
    np.testing.assert_allclose(emotions.sum(axis=1), 1, atol=1e-5)
    rows, windows = (json.loads((tmp_path / f"faces{n}.csv.columns.json").read_text()) for n in ("", ".windows"))
    assert list(rows["columns"]) == list(table.columns)
    assert list(windows["columns"]) == list(pd.read_csv(tmp_path / "faces.windows.csv").columns)
    assert (windows["run"]["window_seconds"], windows["run"]["hop_seconds"]) == (2, 1)
    (tmp_path / "faces.csv").unlink()
    (tmp_path / "faces.windows.csv").unlink()
    assert "faces.csv.columns.json exists already" in embed(clip, "--out", tmp_path / "faces.csv", status=2).stderr
    embed(clip, "--every", "10", "--out", tmp_path / "faces.csv", "--overwrite")
    assert not (tmp_path / "faces.windows.csv.columns.json").exists()
    assert "path" in json.loads((tmp_path / "faces.csv.columns.json").read_text())["columns"]


def test_killed_while_annotations_are_written_the_run_goes_on(
    model,  # noqa: F811
    face_detector,
    clip,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    """Killed in the third file: the data of one annotation is there, and its XML is under way."""
    (tmp_path / "sitecustomize.py").write_text("""
import os, signal
from tfaffect.features import nova
original, calls = nova.write_text, []
def killed(path, lines):
    def until_killed():
        yield from lines
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(path)
    original(path, lines if len(calls) < 4 else until_killed())
nova.write_text = killed
""")
    folder = tmp_path / "nova"
    arguments = (clip, "--out", tmp_path / "faces.csv", "--nova", folder, "--faces", "largest", "--every", "5")
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
        assert ended(started(model, face_detector, *arguments))[0] == -signal.SIGKILL
    assert len(list(folder.glob("*.annotation"))) == 1
    assert list(folder.glob(".*/")), "a file was under way"
    assert "Add --resume to continue" in ended(started(model, face_detector, *arguments))[1]
    assert ended(started(model, face_detector, *arguments, "--resume"))[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"walk.track0.{name}.annotation{end}" for name in ("valence", "arousal", "expression") for end in ("", "~")
    )


def test_videos_find_their_sources_also_when_one_is_named_twice_or_has_no_frames():
    sources = [Source(Path(name), name) for name in ("a.mp4", "photo.jpg", "broken.mp4", "b.mp4", "a.mp4")]
    found = with_numbers([Video(name, {}, iter(())) for name in ("a.mp4", "b.mp4", "a.mp4")], sources)
    assert [number for number, _ in found] == [0, 3, 4]


def test_a_segment_without_frames_leaves_its_number_to_nobody():
    """Its video is named by its source, so later segments must not move up."""
    sources = [Source(Path("a.mp4"), "a.mp4", {"from": start}) for start in ("900", "0", "5")]
    found = with_numbers([Video("a.mp4", {"from": start, "note": None}, iter(())) for start in ("0", "5")], sources)
    assert [number for number, _ in found] == [1, 2]
