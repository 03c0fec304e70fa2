import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tfaffect.errors import UsageError
from tfaffect.labels import CLASSES, Expression
from tfaffect.media import faces
from tfaffect.records.prepared import open_corpus
from tfrecords_builders.base import Corpus, Face, Note, RawFolderError, Skip
from tfrecords_builders.prepare import prepare
from tfrecords_builders.raw_files import find
from tfrecords_builders.record import affect, distribution


class Handmade(Corpus):
    """A corpus whose annotations a test hands over."""

    name = "handmade"
    labels = licence = instructions = "for tests"
    expressions = {"happy": Expression.HAPPINESS, "sad": Expression.SADNESS}
    affect_range = (1.0, 10.0)

    def __init__(self, *items):
        self.items = items

    def faces(self, root):
        yield from self.items


def picture(value=100, height=40, width=60):
    return lambda: np.full((height, width, 3), value, np.uint8)


def level(value):
    """A picture of one level, or of one colour, that a worker can get: it is no lambda."""
    return partial(np.full, (40, 60, 3), value, np.uint8)


KEPT = (("train", "k1"), ("validation", "k4"), ("test", "k5"))


def face(number=0, **facts):
    """A face whose picture has a colour of its own."""
    colour = tuple(crc32(str(number).encode()).to_bytes(4, "big")[:3])
    return Face(**{"key": f"k{number}", "group": f"g{number}", "image": picture(colour), "split": "train", **facts})


def read(folder, split="train"):
    dataset = tfds.builder_from_directory(folder / "handmade" / "1.0.0").as_dataset(split=split)
    return {record["key"].decode(): record for record in tfds.as_numpy(dataset)}


def test_what_is_stated_is_what_reads_back(tmp_path):
    stated = face(
        image=picture(77, 100, 100),
        box=(40, 40, 60, 60),
        expression={"happy": 3, "sad": 1},
        valence=10.0,
        arousal=5.5,
        tags=("strict", "clear"),
        sex="female",
        age="20-29",
        ethnicity="x",
    )
    prepare(Handmade(stated), tmp_path, tmp_path)
    record = read(tmp_path)["k0"]
    assert record["image"].shape == (24, 24, 3)  # the box of 20 with a margin of 0.1 on each side
    assert (record["image"] == 77).all()
    np.testing.assert_allclose(record["expression"], [0, 0.75, 0.25, 0, 0, 0, 0, 0])
    assert (record["valence"], record["arousal"]) == (1.0, 0.0)
    texts = {name: record[name].decode() for name in ("group", "tags", "sex", "age", "ethnicity")}
    assert texts == {"group": "g0", "tags": "strict,clear", "sex": "female", "age": "20-29", "ethnicity": "x"}


def test_what_is_not_annotated_is_marked_so(tmp_path):
    prepare(Handmade(face(0, expression="sad"), face(1, valence=1.0), face(2)), tmp_path, tmp_path)
    records = read(tmp_path)
    assert records["k0"]["expression"].argmax() == Expression.SADNESS
    assert np.isnan([records["k0"]["valence"], records["k0"]["arousal"], records["k1"]["arousal"]]).all()
    assert records["k1"]["valence"] == -1.0
    assert not records["k2"]["expression"].any()


def test_the_vocabulary_travels_with_the_records(tmp_path):
    prepare(Handmade(face()), tmp_path, tmp_path)
    metadata = json.loads((tmp_path / "handmade" / "1.0.0" / "metadata.json").read_text())
    assert tuple(metadata["classes"]) == CLASSES
    assert metadata["version"] == "1.0.0"
    assert metadata["crop_margin"] == 0.1


def test_the_fields_of_a_record_lie_in_one_order_so_that_builds_are_equal_byte_by_byte(tmp_path):
    prepare(Handmade(*map(face, range(5))), tmp_path, tmp_path)
    (path,) = (tmp_path / "handmade" / "1.0.0").glob("*.tfrecord*")
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        assert tf.train.Example.FromString(record).SerializeToString(deterministic=True) == record
        names = [record.index(name) for name in (b"age", b"arousal", b"ethnicity", b"expression", b"image", b"valence")]
        assert names == sorted(names)


def test_large_pictures_shrink_to_288_and_small_ones_never_grow(tmp_path):
    prepare(Handmade(face(0, image=picture(9, 600, 300)), face(1, image=picture(9, 30, 20))), tmp_path, tmp_path)
    shapes = {key: record["image"].shape for key, record in read(tmp_path).items()}
    assert shapes == {"k0": (288, 144, 3), "k1": (30, 20, 3)}


def test_pictures_are_read_from_files_by_content(tmp_path):
    path = tmp_path / "face.jpg"  # a PNG in truth
    path.write_bytes(faces.encode(picture(50)()))
    prepare(Handmade(face(image=path)), tmp_path, tmp_path)
    assert (read(tmp_path)["k0"]["image"] == 50).all()


def test_every_skip_has_its_reason_and_count(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    items = [
        face(0),
        Skip("uncertain"),
        Skip("uncertain"),
        Note("a defect survived"),
        face(1, image=tmp_path / "missing.png"),
        face(2, image=broken),
        face(3, box=(500, 500, 510, 510)),
    ]
    report = prepare(Handmade(*items), tmp_path, tmp_path, max_skipped=0.9)
    assert report["skipped"] == {
        "uncertain": 2,
        "picture file missing or unreadable": 1,
        "picture cannot be decoded": 1,
        "box outside the picture, or without area": 1,
    }
    assert report["notes"] == {"a defect survived": 1}
    assert (report["splits"]["train"]["annotated"], report["splits"]["train"]["records"]) == (4, 1)


def test_too_many_skips_fail_with_the_reasons_and_leave_nothing(tmp_path):
    items = [*(face(number) for number in range(8)), Skip("no landmarks"), Skip("no landmarks")]
    with pytest.raises(UsageError, match=r"2 of 10 annotations(?s:.*)no landmarks"):
        prepare(Handmade(*items), tmp_path, tmp_path / "records", max_skipped=0.1)
    assert [path.name for path in (tmp_path / "records").iterdir()] == []
    assert prepare(Handmade(*items), tmp_path, tmp_path / "records", max_skipped=0.2)


def test_what_the_protocol_leaves_out_never_fails_a_build(tmp_path):
    items = [face(0), face(1), *[Skip("uncertain", intended=True)] * 7, Skip("no landmarks")]
    report = prepare(Handmade(*items), tmp_path, tmp_path, max_skipped=1 / 3)
    assert report["skipped"] == {"uncertain": 7, "no landmarks": 1}
    assert report["decisions"] == {"uncertain": 7}


def test_the_error_about_skips_has_both_sums_and_the_reasons_by_kind(tmp_path):
    items = [face(0), face(1), *[Skip("uncertain", intended=True)] * 7, Skip("no landmarks")]
    with pytest.raises(UsageError) as error:
        prepare(Handmade(*items), tmp_path, tmp_path, max_skipped=0.3)
    lines = str(error.value).splitlines()
    assert lines[0] == (
        "1 of 3 annotations could not be read or matched, more than --max-skipped 0.3. "
        "The protocol or an option left out 7 more, which do not count."
    )
    assert [line.strip() for line in lines[1:5]] == [
        "Not read or matched:",
        "1  no landmarks",
        "Left out by the protocol:",
        "7  uncertain",
    ]


def test_no_face_at_all_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="There is no usable face"):
        prepare(Handmade(Skip("nobody there")), tmp_path, tmp_path)


def test_an_interrupted_build_leaves_nothing_that_reads_as_records(tmp_path):
    def pull_the_plug():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Handmade(face(0), face(1, image=pull_the_plug)), tmp_path, tmp_path)
    with pytest.raises(UsageError, match="No records of 'handmade'"):
        open_corpus(tmp_path, "handmade")
    prepare(Handmade(face(0)), tmp_path, tmp_path)
    assert open_corpus(tmp_path, "handmade").size("train") == 1


def test_a_killed_build_is_swept_away_by_the_next(tmp_path):
    leftover = tmp_path / ".building-handmade" / "handmade" / "1.0.0.incomplete"
    leftover.mkdir(parents=True)
    prepare(Handmade(face(0)), tmp_path, tmp_path)
    assert not leftover.exists()


def test_two_builds_of_one_corpus_do_not_mix(tmp_path):
    def build_again():
        with pytest.raises(UsageError, match="Another process"):
            prepare(Handmade(face(0)), tmp_path, tmp_path)
        return picture()()

    prepare(Handmade(face(0, image=build_again)), tmp_path, tmp_path)


def test_records_are_not_overwritten_unless_told(tmp_path):
    prepare(Handmade(face(0)), tmp_path, tmp_path)
    with pytest.raises(UsageError, match="--overwrite"):
        prepare(Handmade(face(1)), tmp_path, tmp_path)
    assert set(read(tmp_path)) == {"k0"}
    prepare(Handmade(face(1)), tmp_path, tmp_path, overwrite=True)
    assert set(read(tmp_path)) == {"k1"}


def test_a_group_in_two_official_splits_stays_in_the_latest(tmp_path):
    twins = [
        face(0, group="same", split="train"),
        face(1, group="same", split="validation"),
        face(2, group="other", split="train"),
    ]
    report = prepare(Handmade(*twins), tmp_path, tmp_path)
    assert set(read(tmp_path)) == {"k2"}
    assert read(tmp_path, "validation")["k1"]["tags"] == b"twin"
    assert report["skipped"] == {"same picture or group is also in a later split": 1}
    assert report["splits"]["train"]["annotated_tags"] == {"twin": 1}


def test_twins_can_be_kept(tmp_path):
    twins = [face(0, group="same", split="train"), face(1, group="same", split="test")]
    assert prepare(Handmade(*twins), tmp_path, tmp_path, keep_twins=True)["options"]["keep_twins"]
    assert read(tmp_path)["k0"]["tags"] == b"twin"


def split_by_pixels(*, repeated=True):
    """Six faces of as many groups: k0 and k2 show what k4 of validation shows, k3 shows what k5 of test shows."""
    colours = {0: 10, 1: 20, 2: 10, 3: 30, 4: 10, 5: 30}
    split = {4: "validation", 5: "test"}
    known = {} if repeated else {0: "gone", 2: "gone", 3: "gone", 4: "twin", 5: "twin"}
    tags = {number: ("strict",) + ((known[number],) if number in known else ()) for number in colours}
    return [
        face(number, image=picture(colour), split=split.get(number, "train"), tags=tags[number])
        for number, colour in colours.items()
        if known.get(number) != "gone"
    ]


def stored(folder):
    """The files of records by name."""
    return {path.name: path.read_bytes() for path in (folder / "handmade" / "1.0.0").glob("*.tfrecord*")}


def test_equal_pixels_of_different_groups_stay_in_the_latest_split(tmp_path):
    report = prepare(Handmade(*split_by_pixels()), tmp_path, tmp_path / "found")
    tags = {key: read(tmp_path / "found", split)[key]["tags"] for split, key in KEPT}
    assert tags == {"k1": b"strict", "k4": b"strict,twin", "k5": b"strict,twin"}
    assert [len(read(tmp_path / "found", split)) for split, _ in KEPT] == [1, 1, 1]
    assert report["skipped"] == report["decisions"] == {"same picture or group is also in a later split": 3}
    train, validation, _ = report["splits"].values()
    assert (train["annotated"], train["records"]) == (4, 1)
    assert (train["annotated_tags"], train["tags"]) == ({"strict": 4, "twin": 3}, {"strict": 1})
    assert validation["annotated_tags"] == validation["tags"] == {"strict": 1, "twin": 1}
    assert json.loads((tmp_path / "found" / "handmade" / "1.0.0" / "build_report.json").read_text()) == report
    prepare(Handmade(*split_by_pixels(repeated=False)), tmp_path, tmp_path / "stated")
    assert stored(tmp_path / "found") == stored(tmp_path / "stated"), "byte by byte what a corpus without twins gives"


@pytest.mark.parametrize("workers", [1, 2])
def test_faces_without_colour_are_counted_and_a_corpus_is_grey_when_all_are(tmp_path, workers):
    splits, levels = ("train", "train", "validation", "test"), (100, 50, 70, 100)
    grey = [face(n, image=level(levels[n]), split=split) for n, split in enumerate(splits)]
    report = prepare(
        Handmade(*grey, face(4, image=level((9, 8, 7)), split="test")), tmp_path, tmp_path / "mixed", workers=workers
    )
    # k0 is left out of train: its picture is in test as well
    counted = {split: (part["records"], part["grey"]) for split, part in report["splits"].items()}
    assert counted == {"train": (1, 1), "validation": (1, 1), "test": (2, 1)}
    assert not open_corpus(tmp_path / "mixed", "handmade").is_grey
    prepare(Handmade(*grey), tmp_path, tmp_path / "grey", workers=workers)
    corpus = open_corpus(tmp_path / "grey", "handmade")
    assert corpus.is_grey
    for part in corpus.report["splits"].values():
        del part["grey"]  # as earlier versions wrote it
    assert not corpus.is_grey


def test_equal_pixels_are_kept_and_tagged_on_request(tmp_path):
    report = prepare(Handmade(*split_by_pixels()), tmp_path, tmp_path, keep_twins=True)
    tags = {key: record["tags"] for key, record in read(tmp_path).items()}
    assert tags == {"k0": b"strict,twin", "k1": b"strict", "k2": b"strict,twin", "k3": b"strict,twin"}
    assert report["skipped"] == {}
    assert report["splits"]["train"]["tags"] == {"strict": 4, "twin": 3}


def test_equal_pixels_within_a_split_are_no_twins(tmp_path):
    still = [face(number, group="clip", image=picture(7), split="train") for number in range(3)]
    report = prepare(Handmade(*still, face(3, split="test")), tmp_path, tmp_path)
    assert report["splits"]["train"]["records"] == 3
    assert report["splits"]["train"]["tags"] == {}


def test_equal_pixels_are_found_where_splits_are_drawn_and_in_photos_that_become_jpeg(tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    names = [str(group) for group in range(20)]
    items = [face(name, group=name, image=lambda: photo, box=(9, 9, 89, 89), split=None) for name in names]
    others = [face(f"{name}-2", group=name, split=None) for name in names]
    report = prepare(Handmade(*items, *others), tmp_path, tmp_path)
    assert {split: part["records"] for split, part in report["splits"].items()} == {
        "train": 16,
        "validation": 2,
        "test": 4,
    }
    assert report["skipped"] == {"same picture or group is also in a later split": 18}


def test_a_split_of_twins_alone_is_an_error_that_says_what_to_do(tmp_path):
    items = [face(0, image=picture(5)), face(1, image=picture(5), split="test")]
    with pytest.raises(UsageError, match=r"The train split has no record left(?s:.*)--keep-twins"):
        prepare(Handmade(*items), tmp_path, tmp_path / "records")
    assert [path.name for path in (tmp_path / "records").iterdir()] == []


def test_a_split_whose_groups_are_all_in_a_later_split_is_warned_of(tmp_path):
    items = [face(0), face(1), face(2, split="validation", group="both"), face(3, split="test", group="both")]
    report = prepare(Handmade(*items), tmp_path, tmp_path)
    assert list(report["splits"]) == ["train", "test"]
    assert report["warnings"] == [
        "There is no validation split: the groups of all its faces (1) are in a later split as well. Give every group "
        "to one split, or keep all faces with --keep-twins."
    ]
    assert prepare(Handmade(*items), tmp_path, tmp_path, keep_twins=True, overwrite=True)["warnings"] == []


def test_splits_are_drawn_by_group(tmp_path):
    items = [face(f"{group}-{place}", group=str(group), split=None) for group in range(20) for place in range(3)]
    prepare(Handmade(*items), tmp_path, tmp_path)
    of_split = {
        split: {r["group"] for r in read(tmp_path, split).values()} for split in ("train", "validation", "test")
    }
    assert [len(groups) for groups in of_split.values()] == [16, 2, 2]
    assert len(set.union(*of_split.values())) == 20


def test_duplicate_keys_are_an_error(tmp_path):
    with pytest.raises(UsageError, match="k0"):
        prepare(Handmade(face(0), replace(face(1), key="k0")), tmp_path, tmp_path)


def test_distribution_and_affect_by_hand():
    table = {1: Expression.FEAR, 2: Expression.ANGER}
    assert distribution(2, table).tolist() == [0, 0, 0, 0, 0, 0, 1, 0]
    assert distribution({1: 1, 2: 3}, table).tolist() == [0, 0, 0, 0, 0.25, 0, 0.75, 0]
    with pytest.raises(KeyError):
        distribution(3, table)
    assert affect(10, (-10, 10)) == 1
    assert affect(1, (1, 10)) == -1
    assert affect(5.5, (1, 10)) == 0
    with pytest.raises(ValueError, match=r"\[-1, 1\]. Received: -2"):
        affect(-2, (-1, 1))


def test_find_goes_by_name_at_any_shallow_depth(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "Labels.CSV").touch()
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert find(tmp_path, "labels.csv") == tmp_path / "a" / "b" / "Labels.CSV"
    assert find(tmp_path, "other.csv") is None
    (tmp_path / "a" / "labels.csv").touch()
    assert find(tmp_path, "labels.csv") == tmp_path / "a" / "labels.csv"


def test_a_missing_raw_folder_says_what_is_expected():
    error = RawFolderError(Handmade(), Path("raw"), "labels.csv is missing.")
    assert "labels.csv is missing." in str(error)
    assert "Received: --raw raw" in str(error)
    assert "for tests" in str(error)


def test_a_split_of_which_nothing_can_be_read_is_an_error_with_the_reasons(tmp_path):
    items = [face(0), face(1, split="test", image=tmp_path / "missing.png")]
    with pytest.raises(UsageError, match=r"No face of the test split(?s:.*)1  picture file missing"):
        prepare(Handmade(*items), tmp_path, tmp_path / "records", max_skipped=1)
    assert [path.name for path in (tmp_path / "records").iterdir()] == []


def test_validation_is_carved_from_train_where_only_train_and_test_exist(tmp_path):
    items = [face(n, expression="happy" if n % 2 else "sad", split="test" if n < 10 else "train") for n in range(50)]
    report = prepare(Handmade(*items), tmp_path, tmp_path)
    assert {name: split["records"] for name, split in report["splits"].items()} == {
        "train": 36,
        "validation": 4,
        "test": 10,
    }
    assert report["splits"]["validation"]["expression"] == dict.fromkeys(CLASSES, 0) | {"happiness": 2, "sadness": 2}
    carved = set(read(tmp_path, "validation"))
    prepare(Handmade(*reversed(items)), tmp_path, tmp_path, overwrite=True)
    assert set(read(tmp_path, "validation")) == carved


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ({"expression": "bored"}, "class code is not in the corpus's table"),
        ({"expression": {"happy": 3, "bored": 1}}, "class code is not in the corpus's table"),
        ({"valence": 10.5}, "valence or arousal outside [1, 10]"),
        ({"arousal": float("nan")}, "valence or arousal outside [1, 10]"),
    ],
)
def test_a_label_that_the_corpus_does_not_allow_costs_the_face_and_not_the_build(tmp_path, label, reason):
    report = prepare(Handmade(face(0), face(1), face(2, **label)), tmp_path, tmp_path, max_skipped=0.5)
    assert report["skipped"] == {reason: 1}


def test_splits_are_given_for_all_faces_or_for_none(tmp_path):
    with pytest.raises(UsageError, match="Either all faces have a split"):
        prepare(Handmade(face(0), face(1, split=None)), tmp_path, tmp_path)
