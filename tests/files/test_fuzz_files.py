"""Every other file of a stranger, damaged at random: a clear error or what it still holds, and never anything else."""

import io
import shutil
import warnings
from contextlib import suppress
from datetime import date

import cv2
import numpy as np
import openpyxl
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import clips
from tests.mutations import LONG, briefly_and, changes
from tests.networks import test_torch_pickle as torch_files
from tfaffect import config as configs
from tfaffect import contract as contracts
from tfaffect.errors import UsageError
from tfaffect.features.sources import find_sources
from tfaffect.media import faces, video
from tfaffect.networks import model as models
from tfaffect.networks.pytorch import pickle as torch_pickle
from tfaffect.records.prepared import open_corpus, parse
from tfaffect.runtimes.opening import open_model

RECORDS_ARE_DAMAGED = (UsageError, tf.errors.DataLossError, tf.errors.FailedPreconditionError)
"""What `cli.run` turns into one line."""


def read_picture(path):
    faces.letterbox(faces.read(path), 48)


def read_video(path):
    for shown in video.sample_frames(path, every=2):
        assert shown.number >= 0
        assert shown.picture is None or shown.picture.ndim == 3


def read_records(folder):
    corpus = open_corpus(folder, "synthetic")
    assert sum(1 for _ in corpus.records("validation")) == corpus.size("validation")
    assert sum(1 for _ in corpus.examples("train").batch(100, drop_remainder=True).map(parse)) == 4


def read_list(path):
    assert all(source.path.parts for source in find_sources([str(path)], io.StringIO()))


def write_list(folder, name, encoding="utf-8", before="", separator=";"):
    path = folder / name
    rows = ["path", "valence", "note"], ["a 1.jpg", "0,5", '"x"'], ["sub\\é.jpg", "", "ü"], ["c.mp4", "-1", ""]
    path.write_bytes((before + "\r\n".join(map(separator.join, rows)) + "\r\n").encode(encoding))
    return path


def write_workbook(folder):
    book = openpyxl.Workbook()
    for row in (["path", "day"], ["a.jpg", date(2026, 11, 30)], ["b.jpg", 0.5], ["c.jpg", True], ["d.jpg", None]):
        book.active.append(row)
    book.create_sheet("more")
    book.save(folder / "list.xlsx")
    return folder / "list.xlsx"


def picture(folder, kind):
    path = folder / f"face.{kind}"
    grey = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(grey, (96, 96)))
    return path


def film(folder, kind, codec):
    path = folder / f"clip.{kind}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, (64, 48))
    for number in range(12):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return path


def interlaced(folder):
    pictures = [np.full((48, 64, 3), 20 * number, np.uint8) for number in range(12)]
    return clips.write(folder / "clip.ts", clips.weave(pictures), "mpeg2video", flags=clips.FIELDS)


def animation(folder, kind):
    pictures = [Image.new("RGB", (64, 48), (20 * number, 0, 0)) for number in range(6)]
    pictures[0].save(folder / f"clip.{kind}", save_all=True, append_images=pictures[1:], duration=100)
    return folder / f"clip.{kind}"


def config_file(folder):
    path = folder / "config.json"
    configs.Config(corpora=("fer_plus",), corpus_weights=(0.5,)).save(path)
    return path


def recipe(folder):
    path = folder / "recipe.toml"
    path.write_text('corpora = ["fer_plus"]\nimage_size = 48\nlearning_rate = 2e-3 # high\nweights = "none"\n')
    return path


def contract_file(folder):
    path = folder / "model.json"
    path.write_text(contracts.Contract(48, ("expression",), {"fer_plus": "1.1.0"}).dumps())
    return path


def state_dict(folder):
    path = folder / "model.pth"
    torch_files.write_state(path, {"a.weight": np.arange(6, dtype="<f4").reshape(2, 3), "b": np.arange(4.0)})
    return path


PICTURE, HOW = faces.UnreadablePictureError, (read_video, video.UnreadableVideoError)
FILES = {
    **{
        kind: (lambda folder, kind=kind: picture(folder, kind), read_picture, PICTURE)
        for kind in ("png", "jpg", "webp")
    },
    "gif": (lambda folder: picture(folder, "gif"), read_picture, PICTURE),
    "bmp": (lambda folder: picture(folder, "bmp"), read_picture, PICTURE),
    "tiff": (lambda folder: picture(folder, "tiff"), read_picture, PICTURE),
    "avi": (lambda folder: film(folder, "avi", "MJPG"), *HOW),
    "mp4": (lambda folder: film(folder, "mp4", "mp4v"), *HOW),
    "ts": (interlaced, *HOW),
    "dv": (lambda folder: clips.write_interlaced(folder / "pal.dv", [np.zeros((576, 720, 3), np.uint8)] * 4), *HOW),
    "animated.gif": (lambda folder: animation(folder, "gif"), *HOW),
    "animated.webp": (lambda folder: animation(folder, "webp"), *HOW),
    "list.csv": (lambda folder: write_list(folder, "list.csv"), read_list, UsageError),
    "list.tsv": (lambda folder: write_list(folder, "list.tsv", "cp1252", separator="\t"), read_list, UsageError),
    "list.txt": (lambda folder: write_list(folder, "list.txt", "utf-16"), read_list, UsageError),
    "list.xlsx": (write_workbook, read_list, UsageError),
    "list of paths": (lambda folder: write_list(folder, "list.txt", separator=" "), read_list, UsageError),
    "list with sep=": (lambda folder: write_list(folder, "list.csv", "utf-8-sig", "sep=;\r\n"), read_list, UsageError),
    "config.json": (config_file, configs.load, UsageError),
    "recipe.toml": (recipe, configs.load, UsageError),
    "model.json": (contract_file, contracts.read, UsageError),
    "model.pth": (state_dict, torch_pickle.read, UsageError),
}


def survived(path, damage, read, errors):
    whole = path.read_bytes()
    before = sorted(path.parent.rglob("*"))
    try:
        path.write_bytes(damage(whole))
        with warnings.catch_warnings(), suppress(errors):
            warnings.simplefilter("ignore")  # of a library, on the way to an error
            read(path)
    finally:
        path.write_bytes(whole)
    assert sorted(path.parent.rglob("*")) == before


def hold(thoroughness, path, read, errors):
    thoroughness(given(damage=changes())(lambda damage: survived(path, damage, read, errors)))()


@briefly_and(settings(LONG, max_examples=1000))
@pytest.mark.parametrize("name", sorted(FILES))
def test_a_damaged_file(name, thoroughness, tmp_path):
    write, read, errors = FILES[name]
    path = write(tmp_path)
    read(path)
    hold(thoroughness, path, read, errors)


@briefly_and(settings(LONG, max_examples=1000))
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".xlsx"])
def test_any_bytes_as_a_table(suffix, thoroughness, tmp_path):
    path = tmp_path / f"list{suffix}"
    marks = st.sampled_from([b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"sep=", b"path\n", b"PK\x03\x04"])

    def read(content):
        path.write_bytes(content)
        with suppress(UsageError):
            read_list(path)

    thoroughness(given(content=st.builds(bytes.__add__, marks, st.binary(max_size=300)))(read))()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["model.keras", "model.tflite", "model.json"])
def test_a_damaged_model(kind, run, exported, tmp_path):
    folder = tmp_path / "export"
    shutil.copytree(exported if kind != "model.keras" else run, folder)
    read = models.load if kind == "model.keras" else lambda path: open_model(path.parent)
    hold(settings(LONG, max_examples=40), folder / kind, read, UsageError)


@pytest.mark.slow
def test_damaged_records(records, tmp_path):
    shutil.copytree(records, tmp_path / "records")
    files = sorted(path for path in (tmp_path / "records").rglob("*") if path.is_file())

    def damaged(place, damage):
        survived(files[place % len(files)], damage, lambda _: read_records(tmp_path / "records"), RECORDS_ARE_DAMAGED)

    settings(LONG, max_examples=100)(given(place=st.integers(0, 1000), damage=changes())(damaged))()
