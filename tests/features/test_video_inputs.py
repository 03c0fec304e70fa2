"""Videos as people bring them, read by `embed`: interlaced, with changing sizes, animations, numbered pictures."""

import io
import json
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests import ROOT, clips
from tfaffect.embed import Embedder
from tfaffect.errors import UsageError
from tfaffect.features.annotated import AnnotatedFiles
from tfaffect.features.drawing import TRACK_COLOURS
from tfaffect.features.sample import Options
from tfaffect.features.sources import Search, Source, find_sources, kind
from tfaffect.media import limits, video
from tfrecords_builders.synthetic import Synthetic


@pytest.fixture(scope="module")
def embedder(exported, face_detector):
    return Embedder(exported, face_detector=face_detector)


@pytest.fixture(scope="module")
def portraits():
    """Drawn faces of two people."""
    return [face.image() for face in list(Synthetic(subjects=2, pictures=1).faces(None))]


def film(portrait, count, size=(720, 576)):
    """Pictures of a face that moves to the right by 2 pixels per picture."""
    width, height = size
    pictures = []
    for number in range(count):
        picture = np.full((height, width, 3), 128, np.uint8)
        left = width // 4 + 2 * number
        picture[height // 6 : height // 6 + 300, left : left + 300] = cv2.resize(portrait, (300, 300))
        pictures.append(picture)
    return pictures


@pytest.mark.parametrize("name", clips.INTERLACED)
def test_an_interlaced_video_has_the_faces_of_its_progressive_twin(embedder, portraits, tmp_path, name):
    pictures = film(portraits[0], 20, clips.SIZES.get(name, (720, 576)))
    rows = list(embedder.rows(clips.write_interlaced(tmp_path / name, pictures)))
    twin = list(embedder.rows(clips.write(tmp_path / "twin.mp4", pictures[::2])))
    assert len(rows) == len(twin) == 10
    assert [row.problem for row in rows] == [row.problem for row in twin] == [""] * 10
    stretch = {"pal.dv": 768 / 720, "ntsc.dv": 640 / 720}.get(name, 1)  # pixels that are not square
    for row, expected in zip(rows, twin, strict=True):
        assert np.abs(np.array(row.box) / (stretch, 1, stretch, 1) - expected.box).max() < 16
    if stretch == 1:
        pairs = zip(rows, twin, strict=True)
        assert np.mean([cosine(row.embedding, expected.embedding) for row, expected in pairs]) > 0.9


def test_the_commands_of_the_readme_work_on_a_file_of_a_camcorder(face_detector, portraits, tmp_path):
    """The default model, the rows that it prints, a table with an annotated copy, and the lines of Python."""
    camera = clips.write_interlaced(tmp_path / "avchd.mts", film(portraits[0], 20))
    command = [sys.executable, "-m", "tfaffect", "embed", camera, "--face-detector", face_detector]
    for more in ([], ["--out", tmp_path / "faces.csv", "--annotate", tmp_path / "copies"]):
        done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if not more:
            lines = [line for line in done.stdout.splitlines() if "avchd.mts" in line and "face 0 at" in line]
            assert len(lines) == 10
    table = pd.read_csv(tmp_path / "faces.csv")
    assert table["seconds"].tolist() == pytest.approx([number / 25 for number in range(10)])
    assert table["problem"].isna().all()
    (copy,) = (tmp_path / "copies").iterdir()
    assert len([*video.sample_frames(copy)]) == 10
    rows = list(Embedder(face_detector=face_detector).rows(camera, fps=5, faces=1))
    assert [row.seconds for row in rows] == pytest.approx([0, 0.2])
    assert rows[0].embedding.shape == (256,)


def cosine(first, second):
    return np.dot(first, second) / np.linalg.norm(first) / np.linalg.norm(second)


def test_an_interlaced_video_gets_no_rows_of_the_video_before(embedder, portraits, tmp_path):
    """OpenCV 5.0 left such frames unwritten, and the buffer held the last video's face."""
    clips.write(tmp_path / "a.mp4", film(portraits[0], 10))
    empty = [np.full((576, 720, 3), 128, np.uint8)] * 20
    (tmp_path / "b").mkdir()
    clips.write_interlaced(tmp_path / "b" / "camera.mp4", empty)
    rows = list(embedder.rows(tmp_path))
    assert [row.problem for row in rows] == [""] * 10 + ["no face"] * 10


def test_tracks_end_where_the_size_of_the_frames_changes(embedder, portraits, tmp_path):
    parts = [clips.write(tmp_path / f"{size[0]}.ts", film(portraits[0], 20, size)) for size in ((720, 576), (576, 720))]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    rows = list(embedder.rows(joined))
    assert [row.track for row in rows] == [0] * 20 + [1] * 20
    assert all(0 <= row.box[0] < row.box[2] <= (720, 576)[row.track] + 20 for row in rows)


def test_times_choose_frames_for_all_videos_and_for_those_of_a_csv(exported, face_detector, portraits, tmp_path):
    clips.write(tmp_path / "talk.mp4", film(portraits[0], 50))
    (tmp_path / "list.csv").write_text("path,from,to,start\ntalk.mp4,0.4,0.8,x\ntalk.mp4,,,y\n")
    command = [sys.executable, "-m", "tfaffect", "embed", tmp_path / "list.csv", "--model", exported]
    command += ["--face-detector", face_detector, "--out", tmp_path / "faces.csv", "--start", "1.8", "--fps", "10"]
    done = subprocess.run(
        [*command, "--start-column", "from", "--end-column", "to"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "faces.csv")
    assert rows.groupby("start")["seconds"].apply(list).to_dict() == {"x": [0.4, 0.5, 0.6, 0.7], "y": [1.8, 1.9]}


def test_a_column_of_times_that_is_not_there_or_no_number_is_refused(tmp_path):
    (tmp_path / "list.csv").write_text("path,from\ntalk.mp4,soon\n")
    for search, message in (
        (Search(start_column="since"), "no column named since"),
        (Search(start_column="from"), "Line 2 .* a time is a number of seconds. Received: 'soon'"),
    ):
        with pytest.raises(Exception, match=message):
            find_sources([str(tmp_path / "list.csv")], io.StringIO(), search)


def test_key_frames_are_a_survey(embedder, portraits, tmp_path):
    options = {"g": "10", "x264-params": "scenecut=0"}
    clip = clips.write(tmp_path / "clip.mp4", film(portraits[0], 40), options=options)
    rows = list(embedder.rows(clip, key_frames=True))
    assert [row.frame for row in rows] == [0, 10, 20, 30]
    assert [row.seconds for row in rows] == [0, 0.4, 0.8, 1.2]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif", "tiff"])
def test_an_animation_is_a_video_and_one_picture_is_a_picture(embedder, portraits, tmp_path, suffix):
    pictures = [Image.fromarray(picture) for picture in film(portraits[0], 12, (640, 480))[::4]]
    times = {} if suffix == "tiff" else {"duration": [200, 300, 400] if suffix != "avif" else 200}
    pictures[0].save(tmp_path / f"moving.{suffix}", save_all=True, append_images=pictures[1:], **times)
    pictures[0].save(tmp_path / f"still.{suffix}")
    assert (kind(tmp_path / f"moving.{suffix}"), kind(tmp_path / f"still.{suffix}")) == ("video", "picture")
    rows = list(embedder.rows(tmp_path / f"moving.{suffix}"))
    expected = {"tiff": [0, 0.1, 0.2], "avif": [0, 0.2, 0.4]}.get(suffix, [0, 0.2, 0.5])
    assert [row.seconds for row in rows] == pytest.approx(expected)
    assert [row.problem for row in rows] == [""] * 3
    (row,) = embedder.rows(tmp_path / f"still.{suffix}")
    assert row.seconds is None


def test_a_folder_of_numbered_pictures_can_be_a_video(exported, face_detector, portraits, tmp_path):
    (tmp_path / "shots" / "one").mkdir(parents=True)
    for number, picture in enumerate(film(portraits[0], 12, (640, 480))):
        cv2.imwrite(str(tmp_path / "shots" / "one" / f"{number + 1}.png"), picture[..., ::-1])
    (tmp_path / "shots" / "notes.txt").write_text("not a picture")
    (tmp_path / "shots" / "code.ts").write_text("export const x = 1;" * 20)
    command = [sys.executable, "-m", "tfaffect", "embed", tmp_path / "shots", "--model", exported]
    command += ["--face-detector", face_detector, "--out", tmp_path / "faces.csv", "--sequence-fps", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "faces.csv")
    assert rows["seconds"].tolist() == [number / 4 for number in range(12)]
    assert rows["track"].tolist() == [0] * 12
    assert rows["path"].unique().tolist() == [str(tmp_path / "shots" / "one")]
    assert "passed over: 1 .ts, 1 .txt" in done.stderr


def test_a_row_of_a_table_may_name_a_folder_of_numbered_pictures(embedder, portraits, tmp_path):
    (tmp_path / "one").mkdir()
    for number, picture in enumerate(film(portraits[0], 4, (640, 480))):
        cv2.imwrite(str(tmp_path / "one" / f"{number + 1}.png"), picture[..., ::-1])
    (tmp_path / "list.csv").write_text("path,from\none,0.25\n")
    sources = find_sources([str(tmp_path / "list.csv")], io.StringIO(), Search(start_column="from", sequences=True))
    samples = embedder.describe(list(enumerate(sources)), Options(sequence_fps=4))
    rows = [row for sample in samples for row in sample.rows]
    assert [(row.seconds, row.track) for row in rows] == [(0.25, 0), (0.5, 0), (0.75, 0)]


def test_a_frame_that_cannot_be_decoded_is_an_unreadable_row(exported, face_detector, portraits, tmp_path):
    clip = clips.write(tmp_path / "clip.avi", film(portraits[0], 10), "mjpeg", "yuvj420p")
    content = bytearray(clip.read_bytes())
    starts = [place for place in range(len(content)) if content[place : place + 3] == b"\xff\xd8\xff"]
    content[starts[4] : starts[5] - 16] = bytes(starts[5] - 16 - starts[4])
    clip.write_bytes(content)
    command = [sys.executable, "-m", "tfaffect", "embed", clip, "--model", exported, "--face-detector", face_detector]
    done = subprocess.run(
        [*command, "--out", tmp_path / "faces.csv", "--strict"], cwd=ROOT, capture_output=True, text=True
    )
    rows = pd.read_csv(tmp_path / "faces.csv")
    problems = rows["problem"].fillna("").tolist()
    assert problems[4].startswith("unreadable"), json.dumps(problems)
    assert [problem for place, problem in enumerate(problems) if place != 4] == [""] * 9
    assert done.returncode == 1


@pytest.mark.parametrize(("name", "options"), [("camera.mp4", {"x264-params": "tff=1:keyint=1"}), ("studio.mov", None)])
def test_a_frame_that_cannot_be_decoded_in_an_interlaced_video_moves_no_other(
    embedder, portraits, tmp_path, name, options
):
    pictures = film(portraits[0], 20)
    intact = list(embedder.rows(clips.write_interlaced(tmp_path / name, pictures, options)))
    rows = list(embedder.rows(clips.damage_frame(tmp_path / name, 4)))
    assert [row.frame for row in rows] == list(range(10))
    assert [row.seconds for row in rows] == pytest.approx(np.arange(10) / 25, abs=1e-3)
    assert [place for place, row in enumerate(rows) if row.problem] == [4]
    assert rows[4].problem == "unreadable: the frame cannot be decoded"
    for row, expected in zip(rows[:4] + rows[5:], intact[:4] + intact[5:], strict=True):
        assert np.abs(np.array(row.box) - expected.box).max() < 4  # a frame earlier or later is 4 pixels away
        assert row.track == 0


def test_faces_of_a_large_photo_are_in_pixels_of_the_full_picture(embedder, portraits, tmp_path, monkeypatch):
    """At 90 million pixels a photo is read with half its sides. Here the limit is lower, so that the photo is small."""
    cv2.imwrite(str(tmp_path / "photo.jpg"), film(portraits[0], 1, (1280, 960))[0][..., ::-1])
    (full,) = embedder.rows(tmp_path / "photo.jpg")
    monkeypatch.setattr(limits, "FULL_PIXELS", 1_000_000)
    (row,) = embedder.rows(tmp_path / "photo.jpg")
    assert np.abs(np.array(row.box) - full.box).max() < 12  # of a face of 300 pixels
    assert np.abs(np.array(row.landmarks) - full.landmarks).max() < 12
    assert cosine(row.embedding, full.embedding) > 0.97


@pytest.mark.parametrize("blur", [False, True])
def test_the_annotated_copy_of_a_large_photo_has_half_its_sides(embedder, portraits, tmp_path, monkeypatch, blur):
    monkeypatch.setattr(limits, "FULL_PIXELS", 1_000_000)
    (shot,) = film(portraits[0], 1, (1280, 960))
    cv2.imwrite(str(tmp_path / "photo.png"), shot[..., ::-1])
    sources = [Source(tmp_path / "photo.png", "photo.png")]
    (sample,) = embedder.describe([(0, sources[0])], Options(), keep_pictures=True)
    with AnnotatedFiles(tmp_path / "copies", sources, blur) as copies:
        copies.add(sample)
    copy = cv2.imread(str(tmp_path / "copies" / "photo.png"))[..., ::-1]
    assert copy.shape == (480, 640, 3)
    left, top, right, bottom = (round(side / 2) for side in sample.rows[0].box)
    for y, x in ((bottom, (left + right) // 2), ((top + bottom) // 2, left), ((top + bottom) // 2, right)):
        assert (copy[y - 2 : y + 3, x - 2 : x + 3] == TRACK_COLOURS[0]).all(axis=-1).any(), "the box surrounds the face"
    half = cv2.resize(shot, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    inside = (slice(top + 6, bottom - 6), slice(left + 6, right - 6))
    changed = (np.abs(copy[inside].astype(int) - half[inside]).max(axis=-1) > 25).mean()
    assert changed > 0.2 if blur else changed < 0.1  # the landmarks are drawn in both


def test_a_frame_that_is_too_large_is_a_row_with_the_reason(embedder, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "FULL_PIXELS", 1000)
    Image.new("RGB", (60, 50)).save(tmp_path / "1.png")
    samples = embedder.describe([(0, Source(tmp_path, "shots"))], Options(sequence_fps=5))
    (row,) = (row for sample in samples for row in sample.rows)
    assert "too large for a frame" in row.problem


def test_notes_about_videos_are_said_once_a_source(exported, face_detector, portraits, tmp_path):
    clips.write_hdr(tmp_path / "hdr.mp4", film(portraits[0], 4, (640, 480)), "libx265", 18)
    clips.write_streams(tmp_path / "two.mkv", *[film(portraits[0], 4, (640, 480))] * 2)
    command = [sys.executable, "-m", "tfaffect", "embed", tmp_path / "hdr.mp4", tmp_path / "two.mkv"]
    command += ["--model", exported, "--face-detector", face_detector, "--out", tmp_path / "faces.csv"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is HDR (HLG)") == 1
    assert done.stderr.count("has 2 video streams") == done.stderr.count("choose another with --stream") == 1


def test_blurred_copies_show_nobody_and_keep_the_rest(exported, face_detector, portraits, tmp_path):
    (shot,) = film(portraits[0], 1, (640, 480))
    cv2.imwrite(str(tmp_path / "photo.png"), shot)
    clips.write(tmp_path / "clip.mp4", film(portraits[0], 8, (640, 480)), options={"qp": "4"})
    command = [sys.executable, "-m", "tfaffect", "embed", tmp_path / "photo.png", tmp_path / "clip.mp4"]
    command += ["--model", exported, "--face-detector", face_detector, "--out", tmp_path / "faces.csv"]
    command += ["--annotate", tmp_path / "copies", "--blur-faces", "--fps", "50"]  # every frame twice
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "faces.csv")
    with_frames = [cv2.imread(str(tmp_path / "copies" / "photo.png"))]
    with_frames += [frame.picture[..., ::-1] for frame in video.sample_frames(tmp_path / "copies" / "clip.mp4")]
    assert len(with_frames) == len(rows) == 17
    for picture, row in zip(with_frames, rows.itertuples(), strict=True):
        x, y = (row.box_left + row.box_right) / 2, (row.box_top + row.box_bottom) / 2
        inner = [slice(int(y - 40), int(y + 40)), slice(int(x - 40), int(x + 40))]
        before = cv2.Laplacian(cv2.cvtColor(shot[inner[0], 200:280], cv2.COLOR_BGR2GRAY), cv2.CV_64F).var()
        after = cv2.Laplacian(cv2.GaussianBlur(picture[tuple(inner)], (0, 0), 2), cv2.CV_64F).var()
        assert after < 0.1 * before
        assert np.abs(picture[:40].astype(int) - 128).mean() < 6, "away from faces nothing changes"


def test_blurring_needs_copies_and_found_faces(tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((60, 60, 3), np.uint8))
    for flags in (["--out", "x.csv"], [], ["--out", "x.csv", "--annotate", "copies", "--no-detect"]):
        command = [sys.executable, "-m", "tfaffect", "embed", tmp_path / "photo.png", "--blur-faces", *flags]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2
        assert "Add --annotate DIR" in done.stderr


def test_a_higher_confidence_finds_fewer_faces(exported, face_detector, portraits, tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), film(portraits[0], 1, (640, 480))[0][..., ::-1])
    score = next(Embedder(exported, face_detector=face_detector).rows(path)).score
    for bound, problem in ((score - 0.05, ""), (score + (1 - score) / 2, "no face")):
        (row,) = Embedder(exported, face_detector=face_detector, min_score=bound).rows(path)
        assert row.problem == problem
    with pytest.raises(UsageError, match="min_score must be between 0 and 1"):
        Embedder(exported, min_score=1.5)
