"""Corpus `folder`: Parquet files of Hugging Face."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from pyarrow import parquet

from tests.builders.test_folder import read
from tests.fakes import folder as fakes
from tests.mutations import BRIEFLY, changes
from tfaffect.errors import UsageError
from tfaffect.media.faces import UnreadablePictureError
from tfrecords_builders.folder import Folder
from tfrecords_builders.folder_forms import parquet_pictures
from tfrecords_builders.prepare import prepare

READ = {"read as Parquet files": 1}


def grey(seed):
    """The picture that the fakes encode, as it reads back."""
    return cv2.imdecode(np.frombuffer(fakes.encoded(seed), np.uint8), cv2.IMREAD_COLOR_RGB)


def test_splits_names_and_pictures_by_hand(tmp_path):
    fakes.write_parquet(tmp_path)
    faces, skips, notes = read(tmp_path)
    assert len(faces) == 18
    expected = {
        "train-00000-of-00001.parquet/0": ("anger", "train", 0),
        "train-00000-of-00001.parquet/9": ("fear", "train", 9),
        "valid-00000-of-00001.parquet/0": ("happiness", "validation", 10),
        "test-00000-of-00001.parquet/3": ("happiness", "test", 17),
    }
    for key, (expression, split, seed) in expected.items():
        assert (faces[key].expression, faces[key].split, faces[key].group) == (expression, split, key)
        np.testing.assert_array_equal(faces[key].image(), grey(seed))
    assert not skips
    assert notes == READ


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00002.parquet", "train"),
        ("fer_valid.parquet", "validation"),
        ("default/validation/0000.parquet", "validation"),
        ("data/test-00000-of-00001-0a1b.parquet", "test"),
        ("train/0001.parquet", "train"),
        ("trainer.parquet", None),
        ("train-test.parquet", None),
    ],
)
def test_the_split_is_in_the_name_of_the_file_or_its_folder(tmp_path, name, split):
    fakes.write_parquet_file(tmp_path / name, [0], ["sad"])
    other = "test" if split == "train" else split or "other"
    fakes.write_parquet_file(tmp_path / f"{other}-1.parquet", [1], ["sad"])
    assert {face.split for key, face in read(tmp_path)[0].items() if "-1.parquet" not in key} == {split}


@pytest.mark.parametrize("image", ["image", "img", "img_bytes", "jpg", "Image"])
@pytest.mark.parametrize("struct", [True, False])
@pytest.mark.parametrize("label", ["label", "labels", "emotion", "Expression"])
def test_columns_have_several_names_and_words_are_read(tmp_path, image, struct, label):
    fakes.write_parquet_file(tmp_path / "a.parquet", [0, 1], ["Happy", None], image=image, label=label, struct=struct)
    faces, _, notes = read(tmp_path)
    assert [face.expression for face in faces.values()] == ["happiness", None]
    np.testing.assert_array_equal(faces["a.parquet/1"].image(), grey(1))
    assert notes == READ


def test_codes_without_names_are_never_guessed(tmp_path):
    fakes.write_parquet_file(tmp_path / "a.parquet", [0], [3])
    with pytest.raises(UsageError, match=r"Row 1 of .*a\.parquet: .*none is guessed.*--classes .*Received: '3'"):
        read(tmp_path)
    assert read(tmp_path, classes=["none"] * 3 + ["fear"])[0]["a.parquet/0"].expression == "fear"


def test_classes_comes_before_the_names_in_the_file_and_says_so(tmp_path):
    fakes.write_parquet_file(tmp_path / "a.parquet", [0], [0], metadata=fakes.features())
    faces, _, notes = read(tmp_path, classes=["neutral"])
    assert faces["a.parquet/0"].expression == "neutral"
    assert notes == READ | {"--classes names the classes of the codes, not the file that has names too": 1}


def test_names_that_are_numbers_are_codes_of_classes(tmp_path):
    """Hugging Face names classes after folders: code 0 of the file is RAF-DB's class 1."""
    metadata = fakes.features([*"1234567"])
    fakes.write_parquet_file(tmp_path / "a.parquet", [0, 1], [0, 6], metadata=metadata)
    with pytest.raises(UsageError, match="none is guessed"):
        read(tmp_path)
    order = ["none", "surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
    faces, _, notes = read(tmp_path, classes=order)
    assert [face.expression for face in faces.values()] == ["surprise", "neutral"]
    assert notes == READ


def test_names_without_any_class_word_are_not_used(tmp_path):
    metadata = fakes.features(["label_0", "label_1"])
    fakes.write_parquet_file(tmp_path / "a.parquet", [0, 1], [0, 1], metadata=metadata)
    with pytest.raises(UsageError, match="none is guessed"):
        read(tmp_path)
    assert [face.expression for face in read(tmp_path, classes=["sad", "fear"])[0].values()] == ["sadness", "fear"]


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"huggingface": "{"},
        {"huggingface": "[]"},
        {"huggingface": '{"info": {"features": {"label": {"names": [1, 2]}}}}'},
        {"huggingface": '{"info": {"features": {"label": null}}}'},
        {"pandas": "{}"},
    ],
)
def test_metadata_without_names_counts_as_none(tmp_path, metadata):
    fakes.write_parquet_file(tmp_path / "a.parquet", [0], [0], metadata=metadata)
    with pytest.raises(UsageError, match="none is guessed"):
        read(tmp_path)


def test_names_and_words_that_are_no_class_are_counted_by_name(tmp_path):
    metadata = fakes.features(["happy", "Ahegao"])
    fakes.write_parquet_file(tmp_path / "a.parquet", [0, 1, 2], [1, 0, -1], metadata=metadata)
    fakes.write_parquet_file(tmp_path / "b.parquet", range(30), [f"a caption {n}" for n in range(30)])
    faces, skips, _ = read(tmp_path)
    assert [face.expression for face in faces.values()] == ["happiness", None]
    assert skips["label is no class: ahegao"] == skips["label is no class: a caption 19"] == 1
    assert skips["label is no class"] == 10, "a column of captions is not listed in full"


def test_columns_that_are_not_read_are_noted(tmp_path):
    table = pa.table({"image": pa.array([fakes.encoded(0)]), "valence": [0.5]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path)[2] == READ | {
        "column not read: valence": 1,
        "Parquet file without a column of labels: faces have no labels": 1,
    }


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"photo": [b"x"], "label": [0]}, r"no column of pictures: image, img, .*Received: photo, label"),
        ({"image": ["a.jpg"], "label": [0]}, r"'image' must have encoded pictures.*Received: string"),
        ({"image": [{"path": "a.jpg"}], "label": [0]}, r"'image' must have encoded pictures.*Received: struct"),
        ({"image": [b"x"], "img": [b"x"]}, r"has the columns 'image' and 'img'"),
        ({"image": [b"x"], "label": [0], "emotion": [0]}, r"has the columns 'label' and 'emotion'"),
    ],
)
def test_a_table_of_another_kind_is_refused(tmp_path, columns, message):
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(UsageError, match=message):
        read(tmp_path)


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UsageError, match=r"a\.parquet cannot be read as Parquet: .*Download it again"):
        read(tmp_path)


def test_rows_without_a_picture_cost_only_themselves(tmp_path):
    fakes.write_parquet_file(tmp_path / "a.parquet", [*range(40), None], ["sad"] * 41)
    broken = pa.table({"img": [b"no picture", b""], "label": ["sad", "sad"]})
    parquet.write_table(broken, tmp_path / "b.parquet")
    report = prepare(Folder(), tmp_path, tmp_path / "records", max_skipped=0.5)
    assert report["skipped"] == {"picture file missing or unreadable": 2, "picture cannot be decoded": 1}


def test_pictures_are_read_in_any_order_and_in_several_threads(tmp_path):
    fakes.write_parquet_file(tmp_path / "a.parquet", range(150), ["sad"] * 150, rows=100)
    images = [face.image for face in read(tmp_path)[0].values()]
    order = np.random.default_rng(0).permutation(150)
    with ThreadPoolExecutor(4) as pool:
        for seed, picture in zip(
            order, pool.map(lambda n: pickle.loads(pickle.dumps(images[n]))(), order), strict=True
        ):
            np.testing.assert_array_equal(picture, grey(int(seed)))


def test_rows_in_order_read_a_row_group_once(tmp_path, monkeypatch):
    fakes.write_parquet_file(tmp_path / "a.parquet", range(150), ["sad"] * 150, rows=100)
    opened = []
    monkeypatch.setattr(parquet_pictures, "opened", lambda path: opened.append(path) or original(path))
    for face in read(tmp_path)[0].values():
        face.image()
    assert len(opened) == 2


original = parquet_pictures.opened


PAGES = {"compression": "none", "use_dictionary": False, "write_batch_size": 16}


def test_a_large_row_group_is_read_in_bounded_memory(tmp_path):
    rows, size = 400, 250_000  # 100 MB in one row group, in pages of 4 MB
    noise = np.random.default_rng(0)
    schema = pa.schema({"image": pa.binary(), "label": pa.string()})
    with parquet.ParquetWriter(tmp_path / "a.parquet", schema, **PAGES) as writer:
        columns = [[noise.bytes(size) for _ in range(rows)], ["sad"] * rows]
        writer.write_table(pa.table(columns, schema=schema), row_group_size=rows)
    del columns
    images = [face.image for face in read(tmp_path)[0].values()]
    before = pa.total_allocated_bytes()
    most = 0
    for image in images:
        with pytest.raises(UnreadablePictureError):
            image()
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 60e6


def test_damaged_pictures_are_survived(tmp_path):
    path = tmp_path / "a.parquet"
    fakes.write_parquet_file(path, range(8), ["sad"] * 8)
    images, whole = [face.image for face in read(tmp_path)[0].values()], path.read_bytes()

    @BRIEFLY
    @given(damage=changes())
    def check(damage):
        path.write_bytes(damage(whole))
        for image in images:
            try:
                image()
            except (OSError, UnreadablePictureError):
                continue

    check()


@pytest.mark.parametrize("options", [{"workers": 2}, {"beam": ("DirectRunner", ())}], ids=["workers", "beam"])
def test_records_are_the_same_with_workers_and_with_beam(tmp_path, options):
    if "beam" in options:
        pytest.importorskip("apache_beam")
    fakes.write_parquet(tmp_path / "raw")
    prepare(Folder(), tmp_path / "raw", tmp_path / "here")
    prepare(Folder(), tmp_path / "raw", tmp_path / "there", **options)
    here, there = (
        {
            path.name: path.read_bytes()
            for path in (tmp_path / name / "folder" / "1.0.0").iterdir()
            if "tfrecord" in path.name
        }
        for name in ("here", "there")
    )
    assert here == there
    assert len(here) == 3
