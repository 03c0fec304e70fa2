"""The command and the class, on drawn people with the real detector and a small trained network."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests import ROOT
from tfaffect.embed import Embedder
from tfaffect.errors import UsageError
from tfaffect.features import tables
from tfaffect.features.line import line
from tfaffect.features.parts import Parts
from tfaffect.features.row import Row
from tfaffect.media.faces import crop, letterbox
from tfaffect.runtimes import shipped
from tfaffect.runtimes.opening import open_model
from tfrecords_builders.synthetic import Synthetic

EMBEDDINGS = [f"embedding_{place}" for place in range(256)]


@pytest.fixture(scope="module")
def model(exported):
    return exported


@pytest.fixture(scope="module")
def portraits():
    """Drawn faces of three people, RGB, 300 pixels a side."""
    faces = list(Synthetic(subjects=3, pictures=2).faces(None))[::2]
    return [cv2.resize(face.image(), (300, 300), interpolation=cv2.INTER_CUBIC) for face in faces]


def room(*placed, shape=(480, 900)):
    """A grey picture with portraits in it, each given with its left, top and side."""
    picture = np.full((*shape, 3), 128, np.uint8)
    for face, left, top, side in placed:
        picture[top : top + side, left : left + side] = cv2.resize(face, (side, side))
    return picture


def write(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture[..., ::-1])
    return path


def film(path, pictures, rate=10):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, pictures[0].shape[1::-1])
    for picture in pictures:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory, portraits):
    """Three seconds at 10 frames a second: one person walks, a second comes after a second; nobody from 2.0 to 2.5."""
    frames = []
    for number in range(30):
        placed = [(portraits[0], 20 + 4 * number, 100, 260)]
        placed += [(portraits[1], 500, 150, 180)] if number >= 10 else []
        frames.append(room(*(placed if not 20 <= number < 25 else ())))
    return film(tmp_path_factory.mktemp("clips") / "walk.avi", frames)


@pytest.fixture
def embed(model, face_detector, tmp_path):
    """Call the command as a person does; return the finished process."""

    def call(*arguments, status=0, stdin=None, out="faces.parquet", model=model):
        words = [*map(str, arguments), "--model", str(model)]
        words += [] if "--out" in words else ["--out", str(tmp_path / out)]
        done = subprocess.run(
            [sys.executable, "-m", "tfaffect.embed", *words],
            cwd=ROOT,
            env={**os.environ, "TFAFFECT_FACE_DETECTOR": str(face_detector)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return call


def test_every_face_of_every_picture_becomes_a_row(embed, model, portraits, tmp_path):
    photos = tmp_path / "photos"
    two = room((portraits[0], 20, 60, 300), (portraits[1], 500, 100, 160))
    write(photos / "b" / "two.png", two)
    write(photos / "a.png", room((portraits[2], 300, 60, 300)))
    write(photos / "empty.png", room())
    (photos / "broken.jpg").write_bytes(b"no picture")
    (photos / "notes.txt").write_text("not a picture, and not named like one")
    done = embed(photos)
    assert "5 rows, 3 faces; 1 pictures or frames without a face; 1 not readable" in done.stdout
    assert "broken.jpg: unreadable" in done.stderr
    table = pd.read_parquet(tmp_path / "faces.parquet")
    names = [str(Path(path).relative_to(photos)) for path in table["path"]]
    assert sorted(names) == ["a.png", "b/two.png", "b/two.png", "broken.jpg", "empty.png"]
    table = table.assign(path=names).set_index("path")
    assert table.loc["empty.png", "problem"] == "no face"
    assert table.loc["empty.png", EMBEDDINGS].isna().all()
    assert table.loc["broken.jpg", "problem"].startswith("unreadable")
    assert table["frame"].isna().all()
    assert table["track"].isna().all()
    large, small = (row for _, row in table.loc["b/two.png"].iterrows())
    assert (large["face"], small["face"]) == (0, 1)
    assert large["box_left"] < 320 < 500 < small["box_left"] < small["right_eye_x"] < small["left_eye_x"] < 660
    outputs = Embedder(model)([crop(two, tuple(large[["box_left", "box_top", "box_right", "box_bottom"]]))])
    np.testing.assert_allclose(large[EMBEDDINGS].astype(float), outputs.embedding[0], atol=1e-5)
    assert large["valence"] == pytest.approx(outputs.valence[0], abs=1e-5)
    assert large["expression"] == max(
        ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"),
        key=lambda name: large[f"expression_{name}"],
    )


def test_a_video_becomes_a_regular_series_with_a_track_for_each_person(embed, clip, tmp_path):
    embed(clip, out="faces.csv")
    table = pd.read_csv(tmp_path / "faces.csv")
    assert table["frame"].drop_duplicates().tolist() == list(range(30))
    np.testing.assert_allclose(table["seconds"], table["frame"] / 10, atol=1e-6)
    empty = table[table["problem"] == "no face"]
    assert empty["frame"].tolist() == [20, 21, 22, 23, 24]
    assert empty[EMBEDDINGS].isna().all(axis=None)
    first, second = table[table["track"] == 0], table[table["track"] == 1]
    assert first["frame"].tolist() == [*range(20), *range(25, 30)]
    assert second["frame"].tolist() == [*range(10, 20), *range(25, 30)]
    assert (first["box_right"] - first["box_left"]).min() > (second["box_right"] - second["box_left"]).max()


@pytest.mark.parametrize(
    ("options", "frames"),
    [(["--every", "7"], [0, 7, 14, 21, 28]), (["--fps", "2"], [0, 5, 10, 15, 20, 25])],
    ids=["every", "fps"],
)
def test_fewer_frames_on_request(embed, clip, tmp_path, options, frames):
    embed(clip, "--faces", "largest", *options)
    table = pd.read_parquet(tmp_path / "faces.parquet")
    assert table["frame"].tolist() == frames
    assert (table["track"].dropna() == 0).all()


@pytest.mark.parametrize(("faces", "count"), [("all", 3), ("largest", 1), ("2", 2)])
def test_the_largest_faces_are_kept(model, face_detector, portraits, tmp_path, faces, count):
    picture = room(*((face, 10 + 300 * place, 50, 280 - 40 * place) for place, face in enumerate(portraits)))
    path = write(tmp_path / "three.png", picture)
    most = {"all": None, "largest": 1}.get(faces, 2)
    rows = list(Embedder(model, face_detector=face_detector).rows(path, faces=most))
    assert [row.face for row in rows] == list(range(count))
    assert [row.box[0] > 300 * place for place, row in enumerate(rows)] == [True] * count


def test_ready_crops_are_taken_as_they_are(embed, model, portraits, tmp_path):
    for place, face in enumerate(portraits):
        write(tmp_path / "crops" / f"{place}.png", face)
    embed(tmp_path / "crops", "--no-detect")
    table = pd.read_parquet(tmp_path / "faces.parquet")
    expected = open_model(model)(np.stack([letterbox(face, 32) for face in portraits]))
    np.testing.assert_allclose(table[EMBEDDINGS], expected.embedding, atol=1e-5)
    assert table["box_left"].isna().all()


def test_columns_of_a_csv_are_carried_over_and_inputs_mix(embed, clip, portraits, tmp_path):
    write(tmp_path / "ä photo.png", room((portraits[0], 20, 60, 300)))
    with open(tmp_path / "list.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "subject"], ["ä photo.png", "007"], ["missing.png", "8"]])
    done = embed(tmp_path / "list.csv", "-", stdin=f"{clip}\n\n{tmp_path / 'ä photo.png'}\n", out="faces.parquet")
    assert "1 not readable" in done.stdout
    table = pd.read_parquet(tmp_path / "faces.parquet")
    assert table["subject"].tolist()[:2] == ["007", "8"]
    assert table["subject"][2:].isna().all()
    assert "No such file" in table["problem"][1]
    assert table["path"].iloc[-1].endswith("ä photo.png")
    assert table["frame"].max() == 29


def test_strict_makes_an_unreadable_picture_a_failure_and_still_writes_the_table(embed, tmp_path):
    (tmp_path / "zero.jpg").touch()
    embed(tmp_path / "zero.jpg", "--strict", status=1)
    assert pd.read_parquet(tmp_path / "faces.parquet")["problem"][0].startswith("unreadable")


def test_smoothing_follows_the_formula_and_leaves_the_embeddings(model, face_detector, clip):
    embedder = Embedder(model, face_detector=face_detector)
    raw = [row for row in embedder.rows(clip, faces=1) if row.face is not None]
    smooth = [row for row in embedder.rows(clip, faces=1, smooth=0.2) if row.face is not None]
    state = raw[0].valence
    for before, row, filtered in zip(raw, raw[1:], smooth[1:], strict=False):
        state += (1 - np.exp(-(row.seconds - before.seconds) / 0.2)) * (row.valence - state)
        assert filtered.valence == pytest.approx(state, abs=1e-5)
        assert filtered.expression.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(filtered.embedding, row.embedding, atol=1e-5)
    also = [row for row in embedder.rows(clip, faces=1, smooth=0.2, smooth_embeddings=True) if row.face is not None]
    assert np.abs(also[-1].embedding - raw[-1].embedding).max() > 1e-3


def test_below_the_threshold_of_abstain_no_class_is_named(embed, clip, model, face_detector, tmp_path):
    embedder = Embedder(model, face_detector=face_detector)
    raw = [row for row in embedder.rows(clip, faces=1) if row.face is not None]
    highest = np.array([row.expression.max() for row in raw])
    threshold = round(float(np.median(highest)), 4)
    for row in embedder.rows(clip, faces=1, abstain=threshold):
        assert row.face is None or (row.top_class is None) == (row.expression.max() < threshold)
    embed(clip, "--faces", "largest", "--abstain", threshold)
    table = pd.read_parquet(tmp_path / "faces.parquet")
    found = table[table["face"].notna()]
    assert found["expression"].isna().tolist() == (highest < threshold).tolist()
    assert 0 < found["expression"].isna().sum() < len(found)
    assert found["expression_neutral"].notna().all()


def test_windows_summarise_each_track(embed, clip, tmp_path):
    embed(clip, "--window", "1", "--hop", "0.5")
    rows = pd.read_parquet(tmp_path / "faces.parquet")
    windows = pd.read_parquet(tmp_path / "faces.windows.parquet")
    assert windows["begin_seconds"].drop_duplicates().tolist() == [0, 0.5, 1, 1.5, 2]
    part = windows[(windows["track"] == 1) & (windows["begin_seconds"] == 1.5)].iloc[0]
    inside = rows[(rows["track"] == 1) & (rows["seconds"] > 1.45) & (rows["seconds"] < 2.45)]
    assert (part["frames"], part["faces"], part["face_share"]) == (10, 5, 0.5)
    assert part["valence_mean"] == pytest.approx(inside["valence"].mean(), abs=1e-5)
    assert part["embedding_9_deviation"] == pytest.approx(inside["embedding_9"].std(ddof=0), abs=1e-5)
    slope = np.polyfit(inside["seconds"], inside["arousal"].astype(float), 1)[0]
    assert part["arousal_slope"] == pytest.approx(slope, abs=1e-4)


def test_pictures_for_people_are_drawn(embed, clip, portraits, tmp_path):
    photo = write(tmp_path / "photo.png", room((portraits[0], 20, 60, 300)))
    folder = tmp_path / "drawn"
    embed(clip, photo, "--annotate", folder, "--timeline", tmp_path / "time.png", "--every", "3")
    assert cv2.imread(str(tmp_path / "time.png")) is not None
    drawn = {path.suffix: path for path in folder.rglob("*") if path.is_file()}
    assert sorted(path.name for path in drawn.values()) == ["photo.png", "walk.avi.mp4"]
    changed = np.abs(cv2.imread(str(drawn[".png"])).astype(int) - cv2.imread(str(photo))).max(axis=2) > 40
    assert changed.mean() > 0.01
    capture = cv2.VideoCapture(str(drawn[".mp4"]))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10 / 3, rel=0.01)


def test_drawing_never_replaces_a_source(embed, portraits, tmp_path):
    photo = write(tmp_path / "photos" / "photo.png", room((portraits[0], 20, 60, 300)))
    before = photo.read_bytes()
    done = embed(photo, "--annotate", photo.parent, "--overwrite", status=2)
    assert "would overwrite" in done.stderr
    assert photo.read_bytes() == before


def test_what_is_there_stays_unless_told(embed, clip, tmp_path):
    (tmp_path / "faces.parquet").write_text("mine")
    done = embed(clip, status=2)
    assert "exists already" in done.stderr
    assert (tmp_path / "faces.parquet").read_text() == "mine"
    embed(clip, "--overwrite", "--every", "15")
    assert len(pd.read_parquet(tmp_path / "faces.parquet")) > 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--faces", "none"], "--faces must be all, largest or a number of at least 1. Received: 'none'"),
        (["--fps", "0"], "fps must be more than 0"),
        (["--every", "0"], "every must be a whole number of at least 1. Received: every=0"),
        (["--smooth", "0"], "smooth must be more than 0 seconds. Received: smooth=0.0"),
        (["--window", "0"], "window must be more than 0 seconds"),
        (["--batch-size", "0"], "batch_size must be at least 1"),
        (["--detect-side", "5"], "detect_side must be 32 to 4096 pixels. Received: detect_side=5"),
        (["--detect-side", "100000"], "detect_side must be 32 to 4096 pixels"),
        (["--timeline", "plot.jpg"], "--timeline must be a .png file"),
        (["--resume", "--overwrite"], "choose one of them"),
        (["--hop", "1"], "add --window"),
        (["--smooth-embeddings"], "smooth_embeddings must be False unless smooth is given"),
        (["--fps", "2", "--every", "2"], "cannot be used together with every"),
        (["--abstain", "60"], "abstain must be a probability from 0 to 1. Received: abstain=60.0"),
    ],
)
def test_wrong_options_are_refused_before_any_work(embed, clip, arguments, expected):
    assert expected in embed(clip, *arguments, status=2).stderr


def test_help_shows_what_people_type():
    done = subprocess.run(
        [sys.executable, "-m", "tfaffect.embed", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--no-detect" in done.stdout
    for noise in ("--no-resume", "--no-overwrite", "--no-strict", "--no-smooth", "default: )", "None"):
        assert noise not in done.stdout


def test_the_best_shipped_model_is_taken_when_none_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    with pytest.raises(UsageError, match=r"There is no model in .* Name one with --model"):
        shipped.default_model()
    for name in reversed(shipped.BY_ACCURACY):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.tflite").touch()
        assert shipped.default_model() == tmp_path / name


def test_without_a_table_a_line_per_face_is_printed(model, face_detector, portraits, tmp_path):
    write(tmp_path / "two.png", room((portraits[0], 20, 100, 260), (portraits[1], 400, 150, 180)))
    write(tmp_path / "none.png", room())
    (tmp_path / "torn.png").write_bytes(b"no picture")
    words = [sys.executable, "-m", "tfaffect.embed", "--model", str(model), "--face-detector", str(face_detector)]
    names = ["two.png", "none.png", "torn.png"]

    def call(*more):
        return subprocess.run(
            [*words, *names, *more], cwd=tmp_path, env=here, capture_output=True, text=True, check=False
        )

    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = call()
    assert done.returncode == 0, done.stderr
    first, second, *others = done.stdout.splitlines()
    assert re.match(r"two.png: face 0 at \d+,\d+,\d+,\d+: \w+ \d+ %.* valence [+-]0\.\d\d, arousal [+-]0\.\d\d$", first)
    assert second.startswith("two.png: face 1 at ")
    assert others[0] == "none.png: no face"
    assert others[1].startswith("torn.png: ")
    assert len(others) == 2
    assert call("--strict").returncode == 1
    refused = call("--window", "4")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "need a table: add --out FILE" in refused.stderr


@pytest.mark.parametrize(
    ("expression", "abstain", "valence", "expected"),
    [
        (
            [0.05, 0.8, 0.15, 0, 0, 0, 0, 0],
            0.0,
            float("nan"),
            "a.png: face 0 at 1,2,31,42: happiness 80 %, sadness 15 %",
        ),
        ([0.125] * 8, 0.9, -0.256, "a.png: face 0 at 1,2,31,42: no class is sure enough, neutral 12 %"),
        ([float("nan")] * 8, 0.0, 0.25, "a.png: face 0 at 1,2,31,42: valence +0.25"),
    ],
)
def test_a_line_by_hand(expression, abstain, valence, expected):
    row = Row("a.png", face=0, box=(1, 2, 31, 42), expression=np.array(expression), abstain=abstain, valence=valence)
    assert line(row).startswith(expected)
    assert ("valence" in line(row)) == (valence == valence)


def test_a_line_of_a_video_has_its_time():
    assert line(Row("a.mp4", frame=30, seconds=1.0, problem="no face")) == "a.mp4 1.00 s: no face"


def started(model, face_detector, *arguments):
    words = [sys.executable, "-m", "tfaffect.embed", *map(str, arguments), "--model", str(model)]
    surroundings = {**os.environ, "TFAFFECT_FACE_DETECTOR": str(face_detector)}
    return subprocess.Popen(
        words, cwd=ROOT, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process):
    """Wait for a process; return its status and what it said of errors."""
    _, errors = process.communicate()
    return process.returncode, errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory, portraits, clip):
    """Sixty pictures and, in their middle, a video."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(60):
        write(folder / f"{number:03d}.png", room((portraits[number % 3], 10 * number, 60, 280)))
    (folder / "030 walk.avi").write_bytes(clip.read_bytes())
    return folder


@pytest.fixture(scope="module")
def whole(folder, model, face_detector, tmp_path_factory):
    """The table of the folder from a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "faces.parquet"
    assert ended(started(model, face_detector, folder, "--out", out))[0] == 0
    return pd.read_parquet(out)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_goes_on_to_the_same_table(
    folder, whole, model, face_detector, tmp_path, monkeypatch, how
):
    out = tmp_path / "faces.parquet"
    slow = tmp_path / "slow" / "sitecustomize.py"  # parts of few rows, so that there is a middle to be stopped in
    slow.parent.mkdir()
    slow.write_text("import tfaffect.features.parts as p\np.ROWS = 8\n")
    monkeypatch.setenv("PYTHONPATH", f"{slow.parent}{os.pathsep}{ROOT}")
    process = started(model, face_detector, folder, "--out", out)
    parts = tmp_path / "faces.parquet.parts"
    while process.poll() is None and len(list(parts.glob("*.arrow"))) < 5:
        time.sleep(0.001)
    process.send_signal(how)
    ended(process)
    if how == signal.SIGINT:
        assert process.returncode == 130
        early = pd.read_parquet(out)
        assert 0 < len(early) < len(whole)
        pd.testing.assert_frame_equal(early, whole[: len(early)], check_exact=False, check_dtype=False, atol=1e-5)
        status, errors = ended(started(model, face_detector, folder, "--out", out))
        assert status == 2
        assert "interrupted. Add --resume to continue" in errors
    else:
        assert not out.exists()
    assert ended(started(model, face_detector, folder, "--out", out, "--resume"))[0] == 0
    pd.testing.assert_frame_equal(pd.read_parquet(out), whole, check_exact=False, check_dtype=False, atol=1e-5)
    left = ["faces.parquet", "faces.parquet.columns.json", "slow"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left
    status, errors = ended(started(model, face_detector, folder, "--out", out, "--resume"))
    assert status == 2
    assert "nothing to resume" in errors


def test_going_on_with_other_inputs_is_refused(model, face_detector, folder, tmp_path):
    out = tmp_path / "faces.csv"
    parts = tmp_path / "faces.csv.parts"
    parts.mkdir()
    (parts / "run.json").write_text(json.dumps({"model": "other"}))
    status, errors = ended(started(model, face_detector, folder, "--out", out, "--resume"))
    assert status == 2
    assert "--resume needs the same inputs, model and options" in errors


def test_after_a_kill_the_same_command_names_resume_also_with_annotated_copies(model, face_detector, folder, tmp_path):
    parts, copies = tmp_path / "faces.csv.parts", tmp_path / "copies"
    for killed in (parts, copies):
        killed.mkdir()
    (parts / "run.json").write_text("{}")
    (copies / "first.jpg").write_text("done before the kill")
    command = ["--out", tmp_path / "faces.csv", "--annotate", copies]
    status, errors = ended(started(model, face_detector, folder, *command))
    assert status == 2
    assert "interrupted. Add --resume to continue" in errors


def test_arrays_go_in_and_arrays_come_out(model, portraits):
    embedder = Embedder(model)
    outputs = embedder(portraits)
    assert [values.shape for values in outputs] == [(3, 8), (3,), (3,), (3, 256)]
    stacked = embedder(np.stack(portraits))
    np.testing.assert_array_equal(stacked.embedding, outputs.embedding)
    assert embedder([]).embedding.shape == (0, 256)
    assert embedder.contract.input_size == 32
    for wrong in (portraits[0], [portraits[0].astype(np.float32)], [portraits[0][..., 0]], ["face.png"]):
        with pytest.raises(ValueError, match=r"uint8 RGB.*Received"):
            embedder(wrong)


def test_several_threads_share_an_embedder(model, face_detector, clip, portraits, tmp_path):
    embedder = Embedder(model, face_detector=face_detector)
    photos = [write(tmp_path / f"{place}.png", room((face, 20, 60, 300))) for place, face in enumerate(portraits)]
    jobs = [clip, *photos] * 3
    alone = {path: [row.embedding for row in embedder.rows(path)] for path in {clip, *photos}}
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda path: [row.embedding for row in embedder.rows(path)], jobs))
    for path, received in zip(jobs, together, strict=True):
        np.testing.assert_allclose(received, alone[path], atol=1e-5)


def test_rows_come_while_the_video_is_read_and_can_be_left(model, face_detector, clip):
    rows = Embedder(model, face_detector=face_detector).rows(clip)
    first = next(rows)
    assert (first.frame, first.face, first.track) == (0, 0, 0)
    assert first.top_class is not None
    rows.close()


def test_rows_of_a_folder_are_those_of_all_below_it(model, face_detector, clip, portraits, tmp_path):
    embedder = Embedder(model, face_detector=face_detector)
    for name, face in zip(("a.png", "b/2.png", "b/10.png"), portraits, strict=True):
        write(tmp_path / "photos" / name, room((face, 20, 60, 300)))
    (tmp_path / "photos" / "b" / "walk.avi").write_bytes(clip.read_bytes())
    (tmp_path / "photos" / "notes.txt").write_text("nothing to see")
    rows = list(embedder.rows(tmp_path / "photos", faces=1, every=15))
    found = [str(Path(row.source).relative_to(tmp_path / "photos")) for row in rows]
    assert found == ["a.png", "b/2.png", "b/10.png", "b/walk.avi", "b/walk.avi"]
    assert [row.frame for row in rows] == [None, None, None, 0, 15]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"folders that hold some.*empty"):
        embedder.rows(tmp_path / "empty")
    for nothing in (tmp_path / "missing.png", "x/" * 3000, "a\0b"):
        (row,) = embedder.rows(nothing)
        assert row.problem.startswith("unreadable: ")


def test_one_process_writes_a_table_at_a_time(folder, model, face_detector, tmp_path):
    out = tmp_path / "faces.parquet"
    first = started(model, face_detector, folder, "--out", out)
    begun = tmp_path / "faces.parquet.parts" / "run.json"
    while first.poll() is None and not begun.exists():
        time.sleep(0.01)
    for how in ("--overwrite", "--resume"):
        status, errors = ended(started(model, face_detector, folder, "--out", out, how))
        if begun.exists():  # otherwise the first was done before the second had begun
            assert (status, "Another process is writing" in errors) == (2, True)
    assert ended(first)[0] == 0


def test_a_table_is_not_made_of_parts_that_are_being_removed(tmp_path):
    """A run that was killed while it removed the parts of a complete table must not resume from the remaining parts."""
    parts = Parts(tmp_path / "faces.csv", tables.SCHEMA)
    parts.start({})
    removed = []
    original = Path.rename
    try:
        Path.rename = lambda self, target: (removed.append(target), original(self, target))[1]
        parts.remove()
    finally:
        Path.rename = original
    assert removed == [tmp_path / ".faces.csv.parts-removed"], "the folder goes in one step"
    assert not parts.exist()


@pytest.mark.parametrize(("name", "there"), [("_write_array", []), ("to_window_batch", ["faces.npz"])])
def test_killed_while_a_table_is_written_nothing_half_written_has_its_name(
    model, face_detector, clip, tmp_path, monkeypatch, name, there
):
    """Killed in the second array of the rows, or in the first windows."""
    (tmp_path / "sitecustomize.py").write_text(f"""
import os, signal
from tfaffect.features import tables
original, calls = tables.{name}, []
def killed(*arguments):
    calls.append(1)
    if len(calls) == 2 or "{name}" == "to_window_batch":
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)
tables.{name} = killed
""")
    folder, out = tmp_path / "out", tmp_path / "out" / "faces.npz"
    arguments = (clip, "--out", out, "--window", "1", "--hop", "1", "--faces", "largest")
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
        assert ended(started(model, face_detector, *arguments))[0] == -signal.SIGKILL
    assert [path.name for path in folder.glob("*.npz")] == there
    assert any(folder.glob(".faces*.npz-*/*")), "a table was under way"
    assert ended(started(model, face_detector, *arguments, "--resume"))[0] == 0
    dictionaries = ["faces.npz.columns.json", "faces.windows.npz.columns.json"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*dictionaries, "faces.npz", "faces.windows.npz"])
    assert np.load(out)["frame"].tolist() == list(range(30))
    assert np.load(folder / "faces.windows.npz")["begin_seconds"].tolist() == [0, 1, 2]


def test_an_annotated_video_that_was_cut_short_is_drawn_again(model, face_detector, clip, tmp_path):
    """A source is done when its drawing is whole, not before."""
    first, second = (tmp_path / name for name in ("first.avi", "second.avi"))
    for path in (first, second):
        path.write_bytes(clip.read_bytes())
    drawn, out = tmp_path / "drawn", tmp_path / "faces.csv"
    process = started(model, face_detector, first, second, "--out", out, "--annotate", drawn)
    while process.poll() is None and not (drawn / "first.avi.mp4").exists():
        time.sleep(0.001)
    process.kill()
    ended(process)
    arguments = (first, second, "--out", out, "--annotate", drawn, "--resume")
    if (tmp_path / "faces.csv.parts").exists():
        assert ended(started(model, face_detector, *arguments))[0] == 0
    assert sorted(path.name for path in drawn.iterdir()) == ["first.avi.mp4", "second.avi.mp4"]


def test_annotated_files_never_share_a_name(embed, clip, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("walk.avi", "walk.avi.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    (folder / ("界" * 80 + ".avi")).write_bytes(clip.read_bytes())
    (folder / os.fsdecode(b"bad\xe9.avi")).write_bytes(clip.read_bytes())
    embed(folder, "--annotate", tmp_path / "drawn", "--every", "15")
    assert len(list((tmp_path / "drawn").iterdir())) == 4
    assert len(pd.read_parquet(tmp_path / "faces.parquet")["path"].unique()) == 4


@pytest.mark.slow
def test_ctrl_c_ends_soon_where_nobody_is_seen(model, face_detector, tmp_path):
    empty = film(tmp_path / "empty.avi", [room()] * 2000, rate=25)
    process = started(model, face_detector, empty, "--out", tmp_path / "faces.csv")
    while process.poll() is None and not (tmp_path / "faces.csv.parts").exists():
        time.sleep(0.01)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    status, errors = ended(process)
    assert status == 130, errors
    assert time.monotonic() - begun < 8
    assert len(pd.read_csv(tmp_path / "faces.csv")) > 10


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{folder}", "--annotate", "{folder}/drawn"], "is inside the input folder"),
        (["{folder}", "--timeline", "{folder}/time.png"], "is inside the input folder"),
        (["{folder}/list.csv", "--out", "{folder}/list.csv", "--overwrite"], "is an input and would be overwritten"),
        (["{folder}/walk.avi", "--out", "/proc/faces.csv"], "cannot be written"),
        (["{folder}/walk.avi", "--out", "{folder}/" + "x" * 247 + ".csv"], "cannot be written"),
        (["{folder}/walk.avi", "--timeline", "{folder}/walk.avi/time.png"], "cannot be written"),
        (["{folder}/index.csv"], "has a column without a name"),
        (["{folder}/walk.avi", "--out", "{folder}/folder.csv", "--overwrite"], "folder.csv is a folder. Name a file."),
        (["{folder}/walk.avi", "--out", "{folder}/" + "x/" * 3000 + "faces.csv"], "File name too long"),
        (["{folder}/" + "x/" * 3000 + "walk.avi"], "There is no picture, video, folder, table or list"),
    ],
)
def test_what_would_fail_or_destroy_is_refused_at_the_start(embed, clip, tmp_path, arguments, expected):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "walk.avi").write_bytes(clip.read_bytes())
    (folder / "folder.csv").mkdir()
    (folder / "list.csv").write_text("path\nwalk.avi\n")
    (folder / "index.csv").write_text(",path\n0,walk.avi\n")
    before = (folder / "list.csv").read_text()
    words = [word.format(folder=folder) for word in arguments]
    assert expected in embed(*words, status=2).stderr
    assert (folder / "list.csv").read_text() == before


def test_what_a_list_names_and_nobody_can_read_is_a_row_and_not_waited_for(embed, portraits, tmp_path):
    """With --annotate, which would give each of them a file."""
    for name in ("pipe.jpg", "pipe.mp4", "pipe.csv"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "folder.png").mkdir()
    os.symlink("loop.png", tmp_path / "loop.png")
    write(tmp_path / "fine.png", room((portraits[0], 20, 60, 300)))
    (tmp_path / "list.csv").write_text("path\nfolder.png\nloop.png\nfine.png\n")
    typed = ["pipe.jpg", "pipe.mp4", "pipe.csv", "loop.png", "a\0b.png", "x/" * 3000 + "y.png"]
    lines = "".join(f"{tmp_path / name}\n" for name in typed)
    done = embed(tmp_path / "list.csv", tmp_path / "pipe.jpg", "-", "--annotate", tmp_path / "drawn", stdin=lines)
    assert "10 rows, 1 face; 9 not readable" in done.stdout
    table = pd.read_parquet(tmp_path / "faces.parquet")
    assert table["problem"].isna().tolist() == [place == 2 for place in range(10)]
    assert [path.name for path in (tmp_path / "drawn").rglob("*") if path.is_file()] == ["fine.png"]


def test_a_video_shorter_than_what_is_asked_of_it_and_one_without_frames(embed, clip, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "none.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    writer.release()
    out = tmp_path / "new" / "folder" / "faces.csv"
    embed(tmp_path / "none.avi", clip, "--every", "1000", "--window", "1000", "--faces", "largest", "--out", out)
    rows, windows = pd.read_csv(out), pd.read_csv(out.with_name("faces.windows.csv"))
    assert rows["frame"].isna().tolist() == [True, False]
    assert rows["problem"][0].endswith("has no frames that can be decoded. Its codec is 'mjpeg'.")
    assert windows[["begin_seconds", "end_seconds", "frames"]].to_numpy().tolist() == [[0, 1000, 1]]


def test_the_margin_of_the_contract_decides_the_crop(model, face_detector, portraits, tmp_path):
    other = shutil.copytree(model, tmp_path / "other")
    contract = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps({**contract, "crop_margin": 0.4}))
    path = write(tmp_path / "photo.png", room((portraits[0], 300, 60, 300)))
    (row,) = Embedder(other, face_detector=face_detector).rows(path)
    wide = crop(cv2.imread(str(path))[..., ::-1], row.box, 0.4)
    np.testing.assert_allclose(row.embedding, Embedder(model)([wide]).embedding[0], atol=1e-5)


def test_going_on_with_another_search_is_refused(folder, model, face_detector, tmp_path):
    out = tmp_path / "faces.csv"
    process = started(model, face_detector, folder, "--out", out)
    while process.poll() is None and not (tmp_path / "faces.csv.parts" / "run.json").exists():
        time.sleep(0.01)
    process.kill()
    ended(process)
    status, errors = ended(started(model, face_detector, folder, "--out", out, "--resume", "--detect-side", "1280"))
    assert (status, "detect_sides was [640, 192], is [1280, 640, 192]" in errors) == (2, True)


def test_pictures_have_neither_windows_nor_a_timeline_and_it_says_so(embed, portraits, tmp_path):
    photo = write(tmp_path / "photo.png", room((portraits[0], 20, 60, 300)))
    done = embed(photo, "--window", "1", "--timeline", tmp_path / "time.png")
    assert "no video among the inputs" in done.stdout
    assert pd.read_parquet(tmp_path / "faces.windows.parquet").empty


def test_a_video_named_twice_is_two_videos(embed, clip, tmp_path):
    embed(clip, clip, "--window", "10", "--every", "30", "--faces", "largest")
    windows = pd.read_parquet(tmp_path / "faces.windows.parquet")
    assert windows["frames"].tolist() == [1, 1]
