from collections import Counter

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from tests.fakes.emotic import (
    BODIES,
    LAYOUTS,
    NAN,
    judged,
    person,
    picture,
    structs,
    write_annotations,
    write_cvpr17,
    write_pami19,
)
from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfrecords_builders.base import OUTSIDE_RAW, Face, Note, RawFolderError, Skip
from tfrecords_builders.emotic import CATEGORIES, Emotic, expression_of
from tfrecords_builders.record import affect

NEUTRAL, HAPPINESS, SADNESS, SURPRISE, FEAR, DISGUST, ANGER, CONTEMPT = Expression

NO_AREA = Skip("body box is not four numbers, or has no area")
NOTHING = Skip("neither a category nor valence or arousal")
NO_CLASS = Skip("categories without a class, and neither valence nor arousal", intended=True)


def write(root, train=(), val=(), test=(), **others):
    """Write the annotations of a release of 2019 and an empty folder for its pictures."""
    write_annotations(root / "Annotations" / "Annotations.mat", train, val, test, **others)
    (root / "emotic" / "mscoco" / "images").mkdir(parents=True)
    return root


def read(root, **options):
    """The faces, and the skips and notes with their counts."""
    items = list(Emotic(**options).faces(root))
    rest = Counter(item for item in items if not isinstance(item, Face))
    return [item for item in items if isinstance(item, Face)], rest


def read_one(root, one, **options):
    faces, rest = read(write(root, [picture("a.jpg", [one])]), **options)
    return (faces[0] if faces else None), rest


def test_a_person_of_train_by_hand(tmp_path):
    one = person([["Peace", "Happiness"]], [(7, 2, 9)], box=(10, 20, 60.5, 110), gender="Male", age="Kid")
    face, rest = read_one(tmp_path, one)
    assert face == Face(
        key="train/mscoco/images/a.jpg/0",
        group="mscoco/images/a.jpg",
        image=tmp_path / "emotic" / "mscoco" / "images" / "a.jpg",
        split="train",
        box=(10.0, 20.0, 60.5, 110.0),
        detect=True,
        expression=HAPPINESS,
        valence=7.0,
        arousal=2.0,
        sex="Male",
        age="Kid",
    )
    assert not rest
    assert Emotic.expressions[face.expression] == HAPPINESS


def test_validation_and_test_have_the_union_and_the_mean_of_their_annotators(tmp_path):
    one = person([["Anger"], ["Fear"]], [(1, 1, 1), (2, 2, 2)], combined=(["Sadness", "Suffering"], (2.5, 3.3333, 9)))
    root = write(tmp_path, val=[picture("a.jpg", [one])], test=[picture("b.jpg", [judged(["Surprise"], (9, 10, 1))])])
    faces, rest = read(root)
    assert [(face.split, face.expression, face.valence, face.arousal) for face in faces] == [
        ("validation", SADNESS, 2.5, 3.3333),
        ("test", SURPRISE, 9.0, 10.0),
    ]
    assert not rest


def test_the_scale_of_one_to_ten_becomes_minus_one_to_one():
    assert [affect(value, Emotic.affect_range) for value in (1, 5.5, 10)] == [-1, 0, 1]


def test_what_scipy_reads_back_is_nested_as_in_the_real_file(tmp_path):
    people = [person([["Peace"]], [(5, 5, 5)]), person([["Peace", "Pain"]], [(5, 5, 5)])]
    several = [judged(["Pain", "Fear"], (5, 5, 5)), person([], [], combined=([], (NAN, NAN, NAN)))]
    write_annotations(tmp_path / "a.mat", [picture("a.jpg", people[:1]), picture("b.jpg", people)])
    write_annotations(tmp_path / "b.mat", val=[picture("c.jpg", several)])
    first, second = loadmat(tmp_path / "a.mat", squeeze_me=True, struct_as_record=False)["train"]
    assert first.person._fieldnames == [
        "body_bbox",
        "annotations_categories",
        "annotations_continuous",
        "gender",
        "age",
    ]
    assert first.person.annotations_categories.categories == "Peace"
    assert second.person.shape == (2,)
    assert second.person[1].annotations_categories.categories.tolist() == ["Peace", "Pain"]
    assert second.person[1].annotations_continuous._fieldnames == ["valence", "arousal", "dominance"]
    third = loadmat(tmp_path / "b.mat", squeeze_me=True, struct_as_record=False)["val"]
    assert third.person[0]._fieldnames[1:5] == [
        "annotations_categories",
        "combined_categories",
        "annotations_continuous",
        "combined_continuous",
    ]
    assert third.person[0].annotations_categories[0].categories == "Pain"
    assert third.person[1].annotations_categories.shape == (0,)
    assert third.person[1].combined_categories.shape == (0,)
    by_default = loadmat(tmp_path / "a.mat")["train"][0][0]
    assert by_default["person"][0][0]["annotations_categories"][0][0][0][0][0] == "Peace"


@pytest.mark.parametrize(
    ("categories", "tfaffect", "original"),
    [
        (["Happiness"], HAPPINESS, HAPPINESS),
        (["Affection"], HAPPINESS, HAPPINESS),
        (["Pleasure"], HAPPINESS, HAPPINESS),
        (["Excitement"], HAPPINESS, HAPPINESS),
        (["Sadness"], SADNESS, SADNESS),
        (["Suffering"], SADNESS, None),
        (["Disconnection"], None, SADNESS),
        (["Surprise"], SURPRISE, SURPRISE),
        (["Fear"], FEAR, FEAR),
        (["Disquietment"], None, None),
        (["Aversion"], DISGUST, DISGUST),
        (["Anger"], ANGER, ANGER),
        (["Annoyance"], ANGER, ANGER),
        (["Yearning"], None, ANGER),
        (["Disapproval"], CONTEMPT, CONTEMPT),
        (["Peace"], NEUTRAL, NEUTRAL),
        (["Engagement"], None, None),
        (["Pain"], None, None),
        ([], None, None),
        (["Engagement", "Anticipation", "Peace"], NEUTRAL, NEUTRAL),
        (["Excitement", "Happiness", "Affection"], HAPPINESS, HAPPINESS),
        (["Peace", "Happiness"], HAPPINESS, HAPPINESS),
        (["Excitement", "Surprise"], SURPRISE, SURPRISE),
        (["Disapproval", "Annoyance", "Anger"], ANGER, ANGER),
        (["Peace", "Pleasure"], None, NEUTRAL),
        (["Pleasure", "Peace"], None, HAPPINESS),
        (["Disapproval", "Annoyance"], None, CONTEMPT),
        (["Fear", "Surprise"], None, FEAR),
        (["Surprise", "Fear"], None, SURPRISE),
        (["Sadness", "Happiness", "Excitement"], None, SADNESS),
        (["Sadness", "Suffering", "Yearning"], SADNESS, SADNESS),
        (["Yearning", "Sadness"], SADNESS, SADNESS),
        (["Engagement", "Confidence", "Esteem", "Happiness"], HAPPINESS, None),
        (["Affection", "Engagement", "Esteem", "Fear"], FEAR, HAPPINESS),
        (["Suffering", "Pain", "Fatigue", "Sadness"], SADNESS, None),
    ],
)
def test_categories_become_a_class_by_either_rule(tmp_path, categories, tfaffect, original):
    assert expression_of(categories, "tfaffect") == tfaffect
    assert expression_of(categories, "original") == original
    assert expression_of(categories[::-1], "tfaffect") == tfaffect, "our rule knows no order"
    one = person([categories], [(5, 5, 5)])
    assert read_one(tmp_path / "ours", one)[0].expression == tfaffect
    assert read_one(tmp_path / "theirs", one, mapping="original")[0].expression == original


def test_the_26_categories_are_the_owners():
    names = (
        "Affection Anger Annoyance Anticipation Aversion Confidence Disapproval Disconnection Disquietment "
        "Doubt/Confusion Embarrassment Engagement Esteem Excitement Fatigue Fear Happiness Pain Peace Pleasure "
        "Sadness Sensitivity Suffering Surprise Sympathy Yearning"
    )
    assert set(names.split()) == CATEGORIES
    assert len(CATEGORIES) == 26


def test_a_person_without_a_class_keeps_valence_and_arousal(tmp_path):
    face, rest = read_one(tmp_path, person([["Engagement"]], [(8, 3, 5)]))
    assert (face.expression, face.valence, face.arousal) == (None, 8.0, 3.0)
    assert not rest


def test_categories_that_point_at_several_classes_are_counted(tmp_path):
    face, rest = read_one(tmp_path, person([["Fear", "Surprise"]], [(8, 3, 5)]))
    assert (face.expression, face.valence) == (None, 8.0)
    assert rest == {Note("categories of several classes: no class"): 1}


@pytest.mark.parametrize(
    ("vad", "kept", "note"),
    [
        ((NAN, NAN, NAN), (None, None), "valence or arousal missing"),
        ((NAN, 4, 4), (None, 4.0), "valence or arousal missing"),
        ((4, np.inf, 4), (4.0, None), "valence or arousal missing"),
        ((0, 10, 4), (None, 10.0), "valence or arousal outside [1, 10]: left out"),
        ((1, 10.5, 4), (1.0, None), "valence or arousal outside [1, 10]: left out"),
    ],
)
def test_valence_and_arousal_are_left_out_each_on_its_own_and_the_class_stays(tmp_path, vad, kept, note):
    face, rest = read_one(tmp_path, person([["Anger"]], [vad]))
    assert face.expression == ANGER
    assert (face.valence, face.arousal) == kept
    assert rest == {Note(note): 1}


def test_a_person_with_no_label_at_all_is_skipped(tmp_path):
    face, rest = read_one(tmp_path, person([["Engagement"]], [(NAN, NAN, NAN)]))
    assert face is None
    assert rest == {NO_CLASS: 1}


def test_persons_whom_nobody_annotated_are_skipped(tmp_path):
    nobody = person([], [])
    unread = person([], [], combined=([], (NAN, NAN, NAN)))
    faces, rest = read(write(tmp_path, [picture("a.jpg", [nobody])], test=[picture("b.jpg", [unread])]))
    assert not faces
    assert rest == {NOTHING: 2}


def test_empty_combined_categories_leave_valence_and_arousal(tmp_path):
    one = person([["Peace"], []], [(5, 5, 5)] * 2, combined=([], (5.5, 6.5, 5)))
    faces, rest = read(write(tmp_path, test=[picture("12ctwuhai2qxczp2wf.jpg", [one])]))
    assert [(face.expression, face.valence, face.arousal) for face in faces] == [(None, 5.5, 6.5)]
    assert rest == {Note("person without categories"): 1}


def test_a_category_outside_of_the_26_is_counted_and_says_nothing(tmp_path):
    face, rest = read_one(tmp_path, person([["Bliss", "Anger "]], [(5, 5, 5)]))
    assert face.expression == ANGER
    assert rest == {Note("category that is not one of the 26"): 1}


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((-12.5, -3, 71.4, 116.9), (-12.5, -3.0, 71.4, 116.9)),
        ((1504.9, 1068.0, 1784.4, 1819.9, 0.9985), (1504.9, 1068.0, 1784.4, 1819.9)),
        ((0, 0, 1.5, 1), (0.0, 0.0, 1.5, 1.0)),
        ((10, 10, 10, 90), None),
        ((60, 10, 20, 90), None),
        ((10, 90, 60, 20), None),
        ((5, 5, 6, 6), None),
        ((-40, -40, -2, 30), None),
        ((1, 2, 3), None),
        ((1, 2, 30, NAN), None),
        ((1, 2, np.inf, 40), None),
    ],
)
def test_body_boxes_are_kept_as_they_are_or_skipped(tmp_path, box, kept):
    face, rest = read_one(tmp_path, person([["Anger"]], [(5, 5, 5)], box=box))
    assert (face and face.box) == kept
    assert rest == ({} if kept else {NO_AREA: 1})


def test_a_body_box_that_is_text_is_skipped(tmp_path):
    one = {**person([["Anger"]], [(5, 5, 5)]), "body_bbox": "NA"}
    assert read_one(tmp_path, one) == (None, {NO_AREA: 1})


def test_several_persons_share_a_group_and_keep_their_numbers(tmp_path):
    people = [
        person([["Anger"]], [(5, 5, 5)]),
        person([["Anger"]], [(5, 5, 5)], box=(9, 9, 9, 9)),
        person([["Fear"]], [(5, 5, 5)], box=BODIES[1]),
    ]
    faces, rest = read(write(tmp_path, [picture("a.jpg", people)]))
    assert [face.key for face in faces] == ["train/mscoco/images/a.jpg/0", "train/mscoco/images/a.jpg/2"]
    assert {face.group for face in faces} == {"mscoco/images/a.jpg"}
    assert rest == {NO_AREA: 1}


def test_one_file_name_in_two_folders_is_two_pictures(tmp_path):
    one = person([["Anger"]], [(5, 5, 5)])
    train = [picture("1.jpg", [one], "mscoco/images"), picture("1.jpg", [one], "ade20k/images")]
    faces, _ = read(write(tmp_path, train))
    assert [face.group for face in faces] == ["mscoco/images/1.jpg", "ade20k/images/1.jpg"]


def test_a_picture_listed_twice_gives_its_persons_once(tmp_path):
    one, other = person([["Anger"]], [(5, 5, 5)]), person([["Fear"]], [(5, 5, 5)], box=BODIES[1])
    faces, rest = read(write(tmp_path, [picture("a.jpg", [one]), picture("a.jpg", [other, one])]))
    assert [(face.key[-1], face.expression) for face in faces] == [("0", ANGER), ("1", ANGER)]
    assert rest == {Skip("person in a picture that the split lists twice", intended=True): 1}


def test_a_picture_without_persons_is_counted(tmp_path):
    assert read(write(tmp_path, [picture("a.jpg", [])])) == ([], {Skip("picture without a person"): 1})


@pytest.mark.parametrize(
    ("folder", "name"),
    [("../..", "a.jpg"), ("mscoco/images", "../../../a.jpg"), ("mscoco/images", "/etc/a.jpg"), ("/etc", "a.jpg")],
)
def test_paths_that_lead_out_are_skipped(tmp_path, folder, name):
    one = person([["Anger"]], [(5, 5, 5)])
    assert read(write(tmp_path, [picture(name, [one, one], folder)])) == ([], {OUTSIDE_RAW: 2})


def test_folders_of_windows_are_folders(tmp_path):
    faces, _ = read(write(tmp_path, [picture("a.jpg", [person([["Anger"]], [(5, 5, 5)])], "mscoco\\images")]))
    assert [face.group for face in faces] == ["mscoco/images/a.jpg"]


def test_the_release_of_2017_is_found_in_its_double_folder(tmp_path):
    write_cvpr17(tmp_path)
    faces, rest = read(tmp_path)
    assert Counter(face.split for face in faces) == {"train": 26, "validation": 8, "test": 9}
    assert all(face.image.is_relative_to(tmp_path / "cvpr_emotic" / "cvpr_emotic") for face in faces)
    assert all(face.image.is_file() and face.detect for face in faces)
    assert rest[NO_AREA] == 1
    assert rest[NOTHING] == 1


def test_the_release_of_2019_is_found_one_folder_down(tmp_path):
    write_pami19(tmp_path)
    faces, rest = read(tmp_path)
    assert Counter(face.split for face in faces) == {"train": 25, "validation": 8, "test": 9}
    assert all(face.image.is_file() for face in faces)
    assert rest[NOTHING] == 1


def test_of_two_releases_the_later_is_read_with_its_own_pictures(tmp_path):
    write_pami19(tmp_path)
    write_cvpr17(tmp_path / "EMOTIC")
    (tmp_path / "EMOTIC" / "cvpr_emotic" / "cvpr_emotic").rename(tmp_path / "other")
    (tmp_path / "EMOTIC" / "cvpr_emotic").rmdir()
    (tmp_path / "other").rename(tmp_path / "EMOTIC" / "cvpr_emotic")
    faces, _ = read(tmp_path)
    assert {face.image.relative_to(tmp_path / "EMOTIC").parts[0] for face in faces} == {"emotic"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_reading_twice_gives_the_same(tmp_path, layout):
    LAYOUTS[layout](tmp_path)
    assert list(Emotic().faces(tmp_path)) == list(Emotic().faces(tmp_path))


def test_an_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(RawFolderError, match=r"Neither Annotations\.mat nor CVPR17_Annotations\.mat") as error:
        read(tmp_path)
    assert "https://github.com/rkosti/emotic" in str(error.value)


def test_annotations_without_pictures_are_half_a_corpus(tmp_path):
    write_annotations(tmp_path / "CVPR17_Annotations.mat", [picture("a.jpg", [person([["Anger"]], [(5, 5, 5)])])])
    with pytest.raises(RawFolderError, match=r"CVPR17_Annotations\.mat was found, but no picture folder"):
        read(tmp_path)


def test_a_file_of_format_7_3_says_how_to_save_it(tmp_path):
    write(tmp_path)
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (tmp_path / "Annotations" / "Annotations.mat").write_bytes(header.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(UsageError, match=r"Annotations\.mat is in MATLAB's format 7\.3.*'-v7'"):
        read(tmp_path)


@pytest.mark.parametrize("keep", [0, 60, 300, -40])
def test_a_broken_file_says_so(tmp_path, keep):
    write(tmp_path, [picture("a.jpg", [person([["Anger"]], [(5, 5, 5)])])])
    annotations = tmp_path / "Annotations" / "Annotations.mat"
    annotations.write_bytes(annotations.read_bytes()[:keep])
    with pytest.raises(UsageError, match=r"Annotations\.mat (cannot be read as a MATLAB file|lacks the variables)"):
        read(tmp_path)


def test_a_web_page_in_place_of_the_file_says_so(tmp_path):
    write(tmp_path)
    (tmp_path / "Annotations" / "Annotations.mat").write_text("<html>Sign in</html>" * 30)
    with pytest.raises(UsageError, match="cannot be read as a MATLAB file: Unknown mat file type"):
        read(tmp_path)


def test_missing_variables_are_named(tmp_path):
    write(tmp_path, train=None, val=None, Annotations_trainset=structs([], ["filename"]))
    with pytest.raises(UsageError, match=r"lacks the variables \['train', 'val'\]. Received: \['Annotations_trainset'"):
        read(tmp_path)


def test_missing_fields_are_named(tmp_path):
    (tmp_path / "mscoco").mkdir()
    rows = structs([{"filename": "a.jpg", "image": 3}], ["filename", "image"])
    savemat(tmp_path / "Annotations.mat", {"train": rows, "val": rows, "test": rows})
    with pytest.raises(UsageError, match=r"train lack the fields \['folder', 'person'\]. Received: \['filename', 'i"):
        read(tmp_path)
