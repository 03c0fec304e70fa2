"""Files of annotation tools, read to the last number."""

import re
import struct
import sys

import numpy as np
import pytest
from pympi.Elan import Eaf

from tests.fakes import videos as fakes
from tfaffect.errors import UsageError
from tfaffect.features.elan import write_elan
from tfaffect.features.nova import write_nova
from tfaffect.features.replay import Video
from tfaffect.features.series import read_series
from tfaffect.labels import CLASSES, HEADS
from tfrecords_builders import traces
from tfrecords_builders.annotations import choosing, sniffing, steps
from tfrecords_builders.annotations.agreement import Agreement, krippendorff_alpha, mean_pairwise_ccc
from tfrecords_builders.annotations.labels import class_map, classes, ratings
from tfrecords_builders.annotations.steps import Steps
from tfrecords_builders.annotations.tracks import Tier
from tfrecords_builders.traces import Trace

UNIT = (-1.0, 1.0)
NAN = np.nan


def curves(path, unit="", limits=UNIT):
    """The times and the ratings in [-1, 1] of every track with numbers, by name."""
    found = {track.name: ratings(path, track, limits) for track in sniffing.read(path, unit)}
    return {name: (trace.seconds.tolist(), trace.values.round(9).tolist()) for name, trace in found.items()}


def segments(path, unit=""):
    """Start, end and label of the segments of every tier."""
    tiers = [track for track in sniffing.read(path, unit) if isinstance(track, Tier)]
    return {tier.name: [(part.start, part.end, part.label) for part in tier.segments] for tier in tiers}


def refused(path, *words, unit="", limits=UNIT):
    """Check that reading a file stops with an error that names the file and has some words."""

    def read():
        for track in sniffing.read(path, unit):
            ratings(path, track, limits) if not isinstance(track, Tier) else classes(path, track, {})

    with pytest.raises(UsageError) as error:
        read()
    for word in (path.name, *words):
        assert word in str(error.value)


@pytest.mark.parametrize("binary", [False, True])
def test_nova_scores_have_the_range_of_their_scheme_and_the_times_of_their_rate(tmp_path, binary):
    path = fakes.write_nova(
        tmp_path / "x", "valence", rate=4, samples=[0, 25, None, 100], low=0, high=100, binary=binary
    )
    (seconds, values) = curves(path)["valence"]
    assert seconds == [0, 0.25, 0.5, 0.75]
    np.testing.assert_equal(values, [-1, -0.5, NAN, 1])


@pytest.mark.parametrize("missing", ["NaN", "nan", "NAN", ""])
def test_nova_may_write_missing_scores_in_any_case(tmp_path, missing):
    path = fakes.write_nova(tmp_path / "x.annotation", "valence", samples=[0.5, 0.25])
    fakes.write(tmp_path / "x.annotation~", "0.5;1", f"{missing};1", "-1;0.2")
    np.testing.assert_equal(curves(path)["valence"][1], [0.5, NAN, -1])
    notes = sniffing.read(path)[0].notes
    assert [note.defect for note in notes] == ["header of NOVA states another number of samples than the data has"]


@pytest.mark.parametrize("binary", [False, True])
def test_nova_classes_are_named_by_their_ids_and_garbage_is_none(tmp_path, binary):
    path = fakes.write_nova_classes(tmp_path / "x.annotation", binary=binary)
    assert segments(path) == {"emotion": fakes.CLASSES}


def test_nova_free_labels_are_in_the_data(tmp_path):
    path = fakes.write(
        tmp_path / "x.annotation",
        '<annotation ssi-v="3"><info ftype="ASCII" size="2"/><scheme name="mood" type="FREE"/></annotation>',
    )
    fakes.write(tmp_path / "x.annotation~", "2;2.56;happy;1", "4.5;5;sad;1;color=#FFFF0000")
    assert segments(path) == {"mood": [(2, 2.56, "happy"), (4.5, 5, "sad")]}


def test_the_first_wrong_line_of_nova_is_named(tmp_path):
    path = fakes.write_nova(tmp_path / "x.annotation", "valence", samples=[0, 0.5, 1.5, 9], low=0, high=1)
    with pytest.raises(
        UsageError, match=r"Line 3 of .*x.annotation~: .* in \[0, 1\], that the file states.* Received: 1.5"
    ):
        curves(path)
    fakes.write(tmp_path / "x.annotation~", "0;1", "much;1")
    with pytest.raises(UsageError, match=r"Line 2 of .*x.annotation~: a rating must be a number. Received: 'much'"):
        curves(path)
    fakes.write(tmp_path / "x.annotation~", "NaN;1", "NaN;1")
    with pytest.raises(UsageError, match="has no rating in 'valence'"):
        curves(path)
    fakes.write_nova_classes(path)
    fakes.write(tmp_path / "x.annotation~", "0;1;1;1", "1;2;7;1")
    with pytest.raises(UsageError, match=r"Line 2 of .*: the header has no class '7'"):
        sniffing.read(path)
    fakes.write(tmp_path / "x.annotation~", "0;1;1;1", "2;1;1;1")
    with pytest.raises(UsageError, match=r"Line 2 of .* later end in seconds. Received: 2.0 to 1.0"):
        sniffing.read(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('type="CONTINUOUS"', 'type="POINT"', "the scheme POINT"),
        ('sr="10"', 'sr="0"', "sr must be more than 0"),
        ('sr="10"', "", "sr must be a number"),
        ('max="1"', 'max="-1"', "min must be less than max"),
        ("<info", "<facts", "no element <info>"),
        ("<annotation", "<annotations", "cannot be read as XML"),
        ('<?xml version="1.0" ?>', '<!DOCTYPE a [<!ENTITY b "c">]>', "document type"),
    ],
)
def test_a_header_of_nova_that_cannot_be_used_says_why(tmp_path, old, new, words):
    path = fakes.write_nova(tmp_path / "x.annotation", "valence")
    path.write_text(path.read_text().replace(old, new))
    refused(path, words)


def test_a_header_without_its_data_and_data_without_its_header(tmp_path):
    path = fakes.write_nova(tmp_path / "x.annotation", "valence", binary=True)
    refused(path.rename(tmp_path / "y.annotation"), "only a header", "y.annotation~")
    refused(tmp_path / "x.annotation~", "is not a text", "Name the header")


def test_binary_nova_that_is_cut_is_refused(tmp_path):
    path = fakes.write_nova(tmp_path / "x.annotation", "valence", binary=True)
    data = tmp_path / "x.annotation~"
    data.write_bytes(data.read_bytes()[:-3])
    refused(path, "cut off", "a multiple of 8 bytes")


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE", "SHORT", "UCHAR"])
@pytest.mark.parametrize("ascii", [False, True])
def test_a_stream_has_a_curve_for_each_dimension_from_the_start_of_its_chunk(tmp_path, kind, ascii):
    path = fakes.write_stream(tmp_path / "x.stream", [[0, 1], [2, 3], [4, 0]], 2, kind, ascii, start=1.5)
    assert curves(path, limits=(0, 4)) == {
        "0": ([1.5, 2, 2.5], [-1, 0, 1]),
        "1": ([1.5, 2, 2.5], [-0.5, 0.5, -1]),
    }


def test_a_stream_of_pictures_is_refused_by_its_type(tmp_path):
    path = fakes.write_stream(tmp_path / "x.stream", [[0.5]])
    path.write_text(path.read_text().replace("FLOAT", "IMAGE"))
    refused(path, "the type IMAGE with 4 bytes", "Only numbers are read")


def test_carma_rates_the_middle_of_a_bin_that_ends_at_its_second(tmp_path):
    """The numbers of examples/Wildlife.csv in CARMA's repository."""
    bins = [(1, 0), (2, 27.7778), (3, 50), (15, -25)]
    new = fakes.write_carma(tmp_path / "new.csv", bins)
    assert curves(new) == {"Rating": ([0.5, 1.5, 2.5, 14.5], [0, 0.277778, 0.5, -0.25])}
    old = fakes.write_carma(tmp_path / "old.csv", bins, old=True)
    assert curves(old) == curves(new)


def test_the_first_wrong_line_of_carma_is_named_and_a_range_is_required(tmp_path):
    path = fakes.write_carma(tmp_path / "x.csv", [(1, 0), (2, 101)], old=True)
    refused(path, "Line 11 of", "in [-100, 100], that the file states", "Received: 101")
    path.write_text(path.read_text().replace("Maximum Value", "Largest"))
    refused(path, "must state a range")


def test_darma_has_two_axes_up_to_its_magnitude(tmp_path):
    path = fakes.write_darma(tmp_path / "x.csv", [(0.5, 500, -1000), (1, "NaN", 0)])
    found = curves(path)
    assert found["Valence"][0] == [0.25, 0.75]
    np.testing.assert_equal(found["Valence"][1], [0.5, NAN])
    assert found["Arousal"][1] == [-1, 0]
    assert list(found) == ["Valence", "Arousal"], "the button of the joystick is no rating"


@pytest.mark.parametrize("name", ["seconds", "Time (s)", "time [sec]", "Seconds"])
def test_a_unit_in_the_name_of_the_column_is_plain(tmp_path, name):
    path = fakes.write(tmp_path / "x.csv", f"{name},valence", "1,0.5", "2,0.25")
    assert curves(path, unit="milliseconds") == {"valence": ([1, 2], [0.5, 0.25])}


@pytest.mark.parametrize("name", ["time_ms", "Time (milliseconds)", "ms", "timestamp [ms]"])
def test_so_are_milliseconds(tmp_path, name):
    path = fakes.write(tmp_path / "x.tsv", f"{name}\tValence", "1000\t0.5", "2000\t-0.25")
    assert curves(path) == {"Valence": ([1, 2], [0.5, -0.25])}


def test_a_unit_that_is_not_said_is_asked_for(tmp_path):
    path = fakes.write(tmp_path / "x.csv", "time,valence", "40,0.5", "80,0.25")
    refused(path, "--time-unit seconds or --time-unit milliseconds", "up to 80")
    assert curves(path, "milliseconds") == {"valence": ([0.04, 0.08], [0.5, 0.25])}
    assert curves(path, "seconds") == {"valence": ([40, 80], [0.5, 0.25])}


def test_steps_below_one_can_only_be_seconds_and_this_is_said(tmp_path):
    path = fakes.write(tmp_path / "x.txt", "0 0.5", "0.02 0.25", "", "0.04 -0.5")
    assert curves(path) == {"value": ([0, 0.02, 0.04], [0.5, 0.25, -0.5])}
    assert [note.defect for note in sniffing.read(path)[0].notes] == [
        "times without a unit, in steps below 1: seconds, as no rater gives 1,000 ratings a second"
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ("0;0,5", "0,5;-0,25"),
        ("0,0.5", "0.5,-0.25"),
        ("0\t0.5", "0.5\t-0.25"),
        ("0  0,5", "0,5  -0,25"),
        ("time;rating", "0;0,5", "0,5;-0,25"),
        ("rating|time", "0.5|0", "-0.25|0.5"),
    ],
)
def test_pairs_are_read_with_every_usual_separator_and_decimal_mark(tmp_path, lines):
    (found,) = curves(fakes.write(tmp_path / "x.csv", *lines)).values()
    assert found == ([0, 0.5], [0.5, -0.25])


def test_the_joystick_files_of_case_have_valence_and_arousal(tmp_path):
    path = fakes.write(tmp_path / "x.csv", "jstime,X,Y", "0,5,5", "50,9.5,0.5")
    assert curves(path, limits=(0.5, 9.5)) == {"valence": ([0, 0.05], [0, 1]), "arousal": ([0, 0.05], [0, -1])}


def test_a_column_of_words_holds_each_until_the_next_row(tmp_path):
    path = fakes.write(tmp_path / "x.csv", "seconds,class,note", "0,happy,", "0.5,happy,", "1,,", "1.5,sad,")
    assert segments(path) == {"class": [(0, 0.5, "happy"), (0.5, 1, "happy"), (1.5, 2, "sad")]}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["valence,arousal", "0.1,0.2"], "no column of times"),
        (["0,0.1,0.2", "0.5,0.1,0.2"], "3 columns without names"),
        (["seconds,valence", "0,0.1", "soon,0.2"], "Line 3 of"),
        (["seconds,valence", "0,0.1", "1,high"], "Line 3 of"),
        (["seconds,valence", "0,0.1", "1,inf"], "Line 3 of"),
        (["seconds,valence", "0,0.1", "1,-1.01"], "Line 3 of"),
        (["seconds,valence", "0,NaN", "1,"], "no rating in 'valence'"),
        (["seconds,valence", "0,0.1", "90000,0.1"], "must be seconds"),
        (["0 0.1", "0.5 0.1", "1"], "Line 3 of"),
        (["0 0.1", "0.5 x"], "Line 2 of"),
        (["Observation id,Time,Behavior,Status", "a,1,happy,START"], "aggregated events"),
        (["<timeseries/>"], "XML of another kind"),
        (["\0\1\2"], "is not a text"),
    ],
)
def test_a_table_that_cannot_be_used_says_where(tmp_path, lines, words):
    refused(fakes.write(tmp_path / "x.csv", *lines), words)


def test_an_empty_file_is_refused(tmp_path):
    refused(fakes.write(tmp_path / "x.csv", ""), "no column of times")


def test_tiers_of_elan_are_segments_and_a_border_belongs_to_the_later(tmp_path):
    path = fakes.write_elan(tmp_path / "x.eaf", {"Emotion": fakes.CLASSES, "Valence": [(0.5, 1, "-1")]})
    assert segments(path) == {"Emotion": fakes.CLASSES, "Valence": [(0.5, 1, "-1")]}
    found, notes = classes(path, sniffing.read(path)[0], {})
    assert notes == []
    np.testing.assert_equal(found["happiness"].at(np.array([0, 0.99, 1])), [1, 1, NAN])
    np.testing.assert_equal(found["neutral"].at(np.array([0.99, 1, 1.99, 2])), [NAN, 1, 1, NAN])


def test_what_pympi_writes_is_read_back(tmp_path):
    document = Eaf()
    document.add_tier("mood")
    for start, end, label in [(0, 480, "happy"), (480, 1500, "angry"), (2000, 2040, "neutral")]:
        document.add_annotation("mood", start, end, label)
    document.to_file(str(tmp_path / "x.eaf"))
    expected = [(0, 0.48, "happy"), (0.48, 1.5, "angry"), (2, 2.04, "neutral")]
    assert segments(tmp_path / "x.eaf") == {"default": [], "mood": expected}


@pytest.mark.parametrize("shared", [True, False])
def test_inner_borders_without_a_time_are_spread_evenly(tmp_path, shared):
    """As in a tier of the type "Time Subdivision": two neighbours have one border, or each its own."""
    borders = ["ts1 ts2", "ts2 ts3", "ts3 ts4"] if shared else ["ts1 ts2", "ts5 ts3", "ts6 ts4"]
    order = ["ts1", "ts2", "ts3", "ts4"] if shared else ["ts1", "ts2", "ts5", "ts3", "ts6", "ts4"]
    values = {"ts1": ' TIME_VALUE="1000"', "ts4": ' TIME_VALUE="4000"'}
    slots = [f'<TIME_SLOT TIME_SLOT_ID="{slot}"{values.get(slot, "")}/>' for slot in order]
    parts = ['<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="parts">']
    for number, border in enumerate(borders):
        first, last = border.split()
        parts.append(
            f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" TIME_SLOT_REF1="{first}" '
            f'TIME_SLOT_REF2="{last}"><ANNOTATION_VALUE>{number}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>'
        )
    parts.append('</TIER><TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="halves" PARENT_REF="parts">')
    for number in (3, 4):
        parts.append(
            f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a{number}" ANNOTATION_REF="a1"><ANNOTATION_VALUE>{number}'
            "</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
        )
    path = fakes.write_eaf(tmp_path / "x.eaf", slots, [*parts, "</TIER>"])
    assert segments(path) == {
        "parts": [(1, 2, "0"), (2, 3, "1"), (3, 4, "2")],
        "halves": [(2, 2.5, "3"), (2.5, 3, "4")],
    }


def test_elan_with_entities_or_with_missing_parts_is_refused(tmp_path):
    path = fakes.write_elan(tmp_path / "x.eaf", {"Emotion": fakes.CLASSES})
    whole = path.read_text()
    path.write_text(whole.replace("<ANNOTATION_DOCUMENT", '<!DOCTYPE a [<!ENTITY b "c">]><ANNOTATION_DOCUMENT', 1))
    refused(path, "document type")
    path.write_text(whole.replace('TIME_SLOT_ID="ts2"', 'TIME_SLOT_ID="other9"'))
    refused(path, "not a complete file of ELAN")
    path.write_text(whole.replace('TIME_VALUE="0"', 'TIME_VALUE="soon"'))
    refused(path, "not a file that ELAN wrote")


def test_without_pympi_the_error_names_the_extra(tmp_path, monkeypatch):
    path = fakes.write_elan(tmp_path / "x.eaf", {"Emotion": fakes.CLASSES})
    monkeypatch.setitem(sys.modules, "pympi", None)
    monkeypatch.delitem(sys.modules, "pympi.Elan")
    refused(path, 'pip install "tfaffect[annotations]"')


def test_events_of_boris_are_of_one_video_and_subject(tmp_path):
    events = [("a.mp4", "child", "Happy", 0.5, 2), ("a.mp4", "", "sad", 1, 1), ("b.mp4", "child", "angry", 0, 1)]
    path = fakes.write_boris(tmp_path / "x.csv", events)
    tracks = choosing.of_video(path, sniffing.read(path), tmp_path / "A.mp4")
    assert {tier.name: [(part.start, part.end, part.label) for part in tier.segments] for tier in tracks} == {
        "child": [(0.5, 2, "Happy")],
        "No focal subject": [],
    }
    assert [note.defect for note in tracks[1].notes] == ["point event of BORIS: it has no duration and is left out"]
    with pytest.raises(UsageError, match=r"other videos than c.mp4. Received: 'a.mp4', 'b.mp4'"):
        choosing.of_video(path, sniffing.read(path), tmp_path / "c.mp4")


def test_the_name_of_a_file_plays_no_part(tmp_path):
    path = fakes.write_elan(tmp_path / "x.txt", {"Emotion": fakes.CLASSES})
    assert segments(path) == {"Emotion": fakes.CLASSES}
    path = fakes.write_carma(tmp_path / "x.annotation", [(1, 50)])
    assert curves(path) == {"Rating": ([0.5], [0.5])}


def test_labels_are_words_or_are_mapped(tmp_path):
    path = fakes.write_elan(tmp_path / "x.eaf", {"e": [(0, 1, "smile"), (1, 2, "Sad"), (2, 3, "talks"), (3, 4, "off")]})
    tier = sniffing.read(path)[0]
    with pytest.raises(
        UsageError, match=r"Annotation a2 of .*x.eaf: 'smile' is no class.*--class-map 'smile=happiness'"
    ):
        classes(path, tier, {})
    found, notes = classes(path, tier, class_map(["Smile=happy", "off=none"]))
    assert {name: held.seconds.tolist() for name, held in found.items()} == {"happiness": [0, 1], "sadness": [1, 2]}
    assert [note.defect for note in notes] == ["label that --class-map does not name: 'talks'"]
    for pair in ("smile", "=happy", "smile=glad"):
        with pytest.raises(UsageError, match=re.escape(f"Received: {pair!r}")):
            class_map([pair])


@pytest.mark.parametrize("binary", [False, True])
def test_an_error_of_a_sample_names_the_file_with_the_samples(tmp_path, binary):
    """The header beside it has neither lines nor samples."""
    path = fakes.write_nova(tmp_path / "x.annotation", "valence", samples=[0, 0.5, 9], binary=binary)
    refused(path, f"{'Sample' if binary else 'Line'} 3 of {path}~:", "Received: 9")
    path = fakes.write_stream(tmp_path / "x.stream", [[0, 0], [0, 7]], ascii=not binary)
    refused(path, f"{'Sample' if binary else 'Line'} 2 of {path}~:", "Received: 7")
    path = fakes.write_nova_classes(tmp_path / "y.annotation", [(0, 1, "happiness"), (1, 2, "smile")], binary)
    refused(path, f"{'Segment' if binary else 'Line'} 2 of {path}~:", "'smile' is no class")
    with pytest.raises(UsageError, match=rf"{'Segment' if binary else 'Line'} 1 of .*/y.annotation~: a rating must be"):
        ratings(path, sniffing.read(path)[0], UNIT)
    path = fakes.write_nova_classes(tmp_path / "z.annotation", [(0, 1, "0.5"), (1, 2, "3")], binary)
    with pytest.raises(UsageError, match=rf"{'Segment' if binary else 'Line'} 2 of .*/z.annotation~: .* in \[-1, 1\]"):
        ratings(path, sniffing.read(path)[0], UNIT)


def write_one(tmp_path, name):
    """Write a table, a joystick file, a curve of NOVA and a tier of ELAN whose only track has a name."""
    yield fakes.write(tmp_path / "x.csv", f"seconds,{name}", "0,0.1", "1,0.2")
    yield fakes.write_nova(tmp_path / "x.annotation", name, samples=[0.1, 0.2])
    yield fakes.write_elan(tmp_path / "x.eaf", {name: [(0, 1, "0.1")]})


@pytest.mark.parametrize("name", ["arousal", "Arousal rated", "emotion", "class_1"])
def test_the_only_track_may_not_have_the_name_of_another_dimension(tmp_path, name):
    other = "arousal" if "arousal" in name.lower() else "class"
    for path in write_one(tmp_path, name):
        tracks = sniffing.read(path)
        with pytest.raises(UsageError, match=rf"named for valence, .*{name!r}. Name the file in the column {other}"):
            choosing.one_dimension(path, tracks, "valence", "")
        assert choosing.one_dimension(path, tracks, "valence", name) == tracks, "the tier says that it is meant"
    path = fakes.write_elan(tmp_path / "y.eaf", {"valence": [(0, 1, "0.1")]})
    with pytest.raises(UsageError, match=r"named for class, .*'valence'. Name the file in the column valence"):
        choosing.one_dimension(path, sniffing.read(path), "class", "")
    path = fakes.write(tmp_path / "case.csv", "jstime,Y", "0,0.1", "50,0.2")
    with pytest.raises(UsageError, match=r"named for valence, .*'arousal'"):
        choosing.one_dimension(path, sniffing.read(path), "valence", "")


def test_the_only_track_may_have_a_name_that_is_no_dimension(tmp_path):
    for name, unknown in (("pleasure", True), ("valence_2", False), ("rating", False), ("0", False), ("y", True)):
        for path in write_one(tmp_path, name):
            (track,) = choosing.one_dimension(path, sniffing.read(path), "valence", "")
            assert (track.name, choosing.is_unknown(track, "valence")) == (name, unknown)


def test_all_columns_are_raters_only_where_none_is_of_another_dimension(tmp_path):
    path = fakes.write(tmp_path / "x.csv", "seconds,valence,arousal,class", "0,0.1,0.2,sad", "1,0.1,0.2,sad")
    tracks = sniffing.read(path)
    with pytest.raises(UsageError, match=r"no raters of valence: 'arousal', 'class'\. FILE#\* takes all"):
        choosing.one_dimension(path, tracks, "valence", "*")
    assert [track.name for track in choosing.one_dimension(path, tracks, "class", "*")] == ["class"]
    assert {name: len(found) for name, found in choosing.all_dimensions(path, tracks, "*").items()} == {
        "valence": 1,
        "arousal": 1,
        "class": 1,
    }
    path = fakes.write(tmp_path / "y.csv", "seconds,valence_anna,ben", "0,0.1,0.2", "1,0.1,0.2")
    assert len(choosing.one_dimension(path, sniffing.read(path), "valence", "*")) == 2
    with pytest.raises(UsageError, match=r"has no track for class\. Name one as FILE#TIER"):
        choosing.one_dimension(path, sniffing.read(path), "class", "*")


def test_a_track_is_chosen_by_its_name_or_as_the_only_one(tmp_path):
    path = fakes.write(tmp_path / "x.csv", "seconds,Valence rated,arousal,arousal_2,class", "0,0.1,0.2,0.3,sad")
    tracks = sniffing.read(path)

    def names(dimension, tier=""):
        return [track.name for track in choosing.one_dimension(path, tracks, dimension, tier)]

    assert names("valence") == ["Valence rated"]
    assert names("arousal") == ["arousal"]
    assert names("arousal", "AROUSAL_2") == ["arousal_2"]
    assert names("class") == ["class"]
    assert {name: len(found) for name, found in choosing.all_dimensions(path, tracks, "").items()} == {
        "valence": 1,
        "arousal": 1,
        "class": 1,
    }
    with pytest.raises(UsageError, match=r"has no track called 'joy'.*Tracks in the file: 'Valence rated', 'arousal'"):
        names("valence", "joy")
    raters = fakes.write(tmp_path / "y.csv", "seconds,anna,ben", "0,0.1,0.2", "1,0.1,0.2")
    with pytest.raises(UsageError, match=r"has 2 tracks for valence.*FILE#\* where each is a rater"):
        choosing.one_dimension(raters, sniffing.read(raters), "valence", "")
    assert len(choosing.one_dimension(raters, sniffing.read(raters), "valence", "*")) == 2
    with pytest.raises(UsageError, match="does not say whether it rates valence, arousal or classes"):
        choosing.all_dimensions(raters, sniffing.read(raters), "")


def test_numbers_in_segments_hold_from_start_to_end(tmp_path):
    path = fakes.write_elan(tmp_path / "x.eaf", {"v": [(0, 1, "7"), (2, 3, "1"), (3, 4, "")]})
    steps_of = ratings(path, sniffing.read(path)[0], (1, 7))
    np.testing.assert_equal(steps_of.at(np.array([0, 0.9999, 1, 1.5, 2, 3])), [1, 1, NAN, NAN, -1, NAN])
    with pytest.raises(UsageError, match=r"Annotation a2 of .* in \[1, 5\], or set the range with --affect-low"):
        ratings(path, sniffing.read(path)[0], (1, 5))


def test_steps_average_where_they_overlap_and_can_be_cut():
    held = Steps.over([(0, 2, 1.0), (1, 3, 0.0), (5, 6, 0.5), (7, 7, 9.0)])
    times = np.array([0, 1, 2, 3, 4.9, 5, 6])
    np.testing.assert_allclose(held.at(times), [1, 0.5, 0, NAN, NAN, 0.5, NAN])
    cut = steps.between(held, 0.5, 5.5)
    np.testing.assert_allclose(cut.at(np.array([0.4, 0.5, 1, 5.4, 5.5])), [NAN, 1, 0.5, 0.5, NAN])
    both = steps.mean([Steps.over([(0, 2, 1.0)]), Steps.over([(1, 3, 0.0)])])
    np.testing.assert_allclose(both.at(np.array([0, 1, 2, 3])), [1, 0.5, 0, NAN])
    assert not Steps.over([])
    assert np.isnan(Steps.over([]).at(np.array([1.0]))).all()


def test_a_trace_keeps_its_values_at_the_borders_of_a_cut():
    cut = steps.between(Trace(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 0.0])), 0.5, 1.5)
    np.testing.assert_allclose(cut.at(np.array([0.4, 0.5, 1, 1.49, 1.6])), [NAN, 0.5, 1, 0.51, NAN])


KRIPPENDORFF = """\
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 ."""
"""Four observers and twelve units, of Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section D."""


def test_alpha_is_that_of_krippendorffs_own_example():
    rows = [line.split() for line in KRIPPENDORFF.splitlines()]
    data = np.array([[NAN if cell == "." else float(cell) for cell in row] for row in rows]).T
    assert krippendorff_alpha(data) == pytest.approx(0.849, abs=5e-4)  # interval data
    nominal = np.where(np.isnan(data)[..., None], NAN, data[..., None] == np.arange(1, 6))
    assert krippendorff_alpha(nominal) == pytest.approx(0.743, abs=5e-4)


def test_agreement_by_hand():
    one, other = np.array([0.0, 1, 2]), np.array([1.0, 2, 3])
    # CCC: 2 * 2/3 / (2/3 + 2/3 + 1) = 4/7; with a third rater equal to the first, the mean of 4/7, 4/7 and 1
    assert mean_pairwise_ccc(np.stack([one, other], axis=1)) == pytest.approx(4 / 7)
    assert mean_pairwise_ccc(np.stack([one, other, one], axis=1)) == pytest.approx(5 / 7)
    # alpha: within units 1 + 1 + 1, over 6 values; all pairs of 0 1 1 2 2 3: sum of squares 19, square of the sum 81
    assert krippendorff_alpha(np.stack([one, other], axis=1)) == pytest.approx(1 - 5 * 3 / (6 * 19 - 81))
    assert np.isnan(krippendorff_alpha(np.ones((3, 2)))), "without any difference there is nothing to agree on"
    assert np.isnan(mean_pairwise_ccc(np.array([[1, NAN], [NAN, 2]])))


def test_agreement_is_reported_over_videos_with_several_raters():
    agreement = Agreement()
    agreement.add("valence", np.array([[0.0, 0], [1, 1], [2, 2]]))
    agreement.add("valence", np.array([[0.0, 1, NAN], [1, 2, NAN], [2, 3, NAN]]))
    agreement.add("valence", np.array([[0.0, NAN], [NAN, 1]]))  # parts of a video, not raters
    # CCC: the mean of 1 and 4/7. Alpha: within 3; 12 values, sum of squares 29, sum 15
    alpha = 1 - 11 * 3 / (12 * 29 - 15**2)
    assert [note.defect for note in agreement.notes()] == [
        f"agreement on valence: mean pairwise CCC 0.786, Krippendorff's alpha {alpha:.3f}; "
        "videos with several raters: 2"
    ]


def test_the_ccc_is_that_of_the_gold_standard_of_recola():
    assert traces.ccc(np.array([0.0, 1, 2]), np.array([1.0, 2, 3])) == pytest.approx(4 / 7)


def test_binary_floats_that_are_infinite_are_missing(tmp_path):
    path = fakes.write_nova(tmp_path / "x.annotation", "valence", binary=True)
    (tmp_path / "x.annotation~").write_bytes(struct.pack("<ffff", np.inf, 1, 0.5, 1))
    np.testing.assert_equal(curves(path)["valence"][1], [NAN, 0.5])


def test_what_embed_writes_for_nova_and_elan_is_read_back(tmp_path):
    """Two classes and a frame without a person, at 4 frames a second; numbers are written with four digits."""
    values = np.zeros((4, 10), np.float32)
    values[:, -2:] = [(0.5, -0.25), (0.25, 0), (-1, 1), (-0.5, 0.75)]
    values[:2, CLASSES.index("happiness")] = values[2:, CLASSES.index("sadness")] = 1
    frames = [(place / 4, {0: row}) for place, row in zip((0, 1, 2, 4), values, strict=True)]
    series = read_series(Video("talk.mp4", {}, iter([*frames[:3], (0.75, {}), frames[3]])))
    write_nova(tmp_path / "talk", series, HEADS)
    seconds, valence = curves(tmp_path / "talk.track0.valence.annotation")["valence"]
    assert seconds == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_equal(valence, [0.5, 0.25, -1, NAN, -0.5])
    np.testing.assert_equal(curves(tmp_path / "talk.track0.arousal.annotation")["arousal"][1], [-0.25, 0, 1, NAN, 0.75])
    expected = [(0, 0.5, "happiness"), (0.5, 0.75, "sadness"), (1, 1.25, "sadness")]
    assert segments(tmp_path / "talk.track0.expression.annotation") == {"expression": expected}
    write_elan(tmp_path / "talk", tmp_path / "talk.mp4", series, HEADS)
    (found,) = segments(tmp_path / "talk.eaf").values()
    assert found == expected
