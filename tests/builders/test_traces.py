from pathlib import Path

import numpy as np
import pytest

from tfaffect.errors import UsageError
from tfrecords_builders import recordings, trace_files, traces
from tfrecords_builders.base import Face, Frame, Note, Skip
from tfrecords_builders.traces import Trace

NAN = float("nan")
VIDEO = Path("clip.mp4")


def test_between_two_ratings_the_value_is_interpolated():
    trace = Trace.of([(0.0, 0.0), (0.1, 1.0), (0.2, 0.0)])
    assert trace.at([0.0, 0.025, 0.1, 0.15, 0.2]) == pytest.approx([0, 0.25, 1, 0.5, 0])


def test_beyond_the_ends_a_rating_counts_for_half_a_step_and_is_not_continued():
    trace = Trace.of([(1.0, 0.2), (1.1, 0.3), (1.2, 0.4)])
    assert trace.at([0.94, 0.96, 1.24, 1.26, 99]) == pytest.approx([NAN, 0.2, 0.4, NAN, NAN], nan_ok=True)


def test_a_hole_of_half_a_second_is_bridged_and_a_wider_one_is_not():
    trace = Trace.of([(0.0, 0.0), (0.1, 0.0), (0.6, 1.0), (0.7, 1.0), (1.3, 0.0), (1.4, 0.0)])
    assert trace.at([0.35, 1.0]) == pytest.approx([0.5, NAN], nan_ok=True)
    assert trace.at([0.74, 0.76, 1.24, 1.26, 1.3]) == pytest.approx([1, NAN, NAN, 0, 0], nan_ok=True)


def test_slow_raters_have_no_holes_between_their_samples():
    assert Trace.of([(0, 0.0), (2, 1.0), (4, 1.0)]).at([1.0]) == pytest.approx([0.5])


def test_nothing_was_rated_where_a_sample_is_missing():
    trace = Trace.of([(0.0, 0.0), (0.1, None), (0.2, NAN), (0.3, 0.3)])
    assert trace.at(0.1) == pytest.approx(0.1), "bridged: 0.3 s"
    assert not Trace.of([(0, None), (1, None)])
    assert np.isnan(Trace.of([]).at([0.0, 1.0])).all()


def test_one_rating_is_only_where_it_is():
    assert Trace.of([(2.0, 0.5)]).at([1.9, 2.0, 2.1]) == pytest.approx([NAN, 0.5, NAN], nan_ok=True)


def test_ratings_out_of_order_or_twice_are_mended_and_noted():
    trace = Trace.of([(0.2, 0.4), (0.0, 0.0), (0.1, 0.1), (0.1, 0.3), (None, 9.0), (0.2, None)])
    assert trace.seconds.tolist() == [0.0, 0.1, 0.2]
    assert trace.values == pytest.approx([0.0, 0.2, 0.4])
    assert trace.notes == (
        Note("ratings not in order of time: sorted"),
        Note("several ratings at one time: averaged"),
    )
    assert Trace.of([(0, 0), (1, 0)]).notes == ()


def test_raters_are_averaged_over_what_exists():
    long = Trace.of([(0.0, 0.0), (0.1, 0.2), (0.2, 0.4), (0.3, 0.6)])
    short = Trace.of([(0.0, 0.4), (0.1, None), (0.2, 0.0)])
    together = traces.mean([long, short])
    assert together.seconds == pytest.approx([0.0, 0.1, 0.2, 0.3])
    # at 0.1 the short one is interpolated to 0.2
    assert together.values == pytest.approx([0.2, 0.2, 0.2, 0.6])


def test_raters_of_one_table_are_averaged_without_those_who_miss_a_sample():
    one, other = Trace.of([(0, 0.0), (0.1, 0.2)]), Trace.of([(0, 0.4), (0.1, None)])
    assert traces.mean([one, other]).values == pytest.approx([0.2, 0.2])


def test_raters_with_different_steps_meet_at_the_times_of_both():
    fine = Trace.of([(0.0, 0.0), (0.1, 0.1), (0.2, 0.2)])
    coarse = Trace.of([(0.0, 0.2), (0.2, 0.4)])
    assert traces.mean([fine, coarse]).values == pytest.approx([0.1, 0.2, 0.3])


def test_no_raters_have_no_mean():
    assert not traces.mean([])
    assert not traces.mean([Trace.of([(0, None)])])


def test_the_mean_keeps_every_defect_once():
    twice = Trace.of([(0, 0.1), (0, 0.3)])
    assert traces.mean([twice, twice]).notes == twice.notes


def test_ccc_centring_by_hand():
    # Means: a 0, b 0.2, c 0.4; of all 0.2. Variances: a and b 0.02/3, c 0.08/3.
    # Covariances: ab 0.02/3, ac and bc 0.04/3. CCC = 2 cov / (var + var + (mean - mean)^2):
    # ab 0.04/(0.04 + 0.12) = 1/4; ac 0.08/(0.1 + 0.48) = 4/29; bc 0.08/(0.1 + 0.12) = 4/11
    a = Trace.of([(0, -0.1), (1, 0.0), (2, 0.1)])
    b = Trace.of([(0, 0.1), (1, 0.2), (2, 0.3)])
    c = Trace.of([(0, 0.2), (1, 0.4), (2, 0.6)])
    ab, ac, bc = 1 / 4, 4 / 29, 4 / 11
    weights = np.array([ab + ac, ab + bc, ac + bc]) / 2
    centre = (weights[1] * 0.2 + weights[2] * 0.4) / weights.sum()
    centred = traces.ccc_centred([a, b, c])
    assert centre == pytest.approx(0.21512, abs=1e-5)
    assert centred.values == pytest.approx(np.array([0.2 / 3, 0.2, 1 / 3]) - 0.2 + centre, abs=1e-6)
    assert centred.values == pytest.approx(np.round(centred.values, 6), abs=0)


def test_ccc_centring_leaves_out_what_a_rater_missed():
    a = Trace.of([(0, -0.1), (1, 0.0), (2, 0.1), (3, None)])
    b = Trace.of([(0, -0.1), (1, 0.0), (2, 0.1), (3, 0.8)])
    # they agree fully where both rated: each weighs 1; their means are 0 and 0.2, of all 7 ratings 0.8/7
    expected = np.array([-0.1, 0, 0.1, 0.8]) - 0.8 / 7 + 0.1
    assert traces.ccc_centred([a, b]).values == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("other", [[0.1, 0.0, -0.1], [0.0, 0.0, 0.0], None])
def test_raters_who_do_not_agree_give_their_plain_mean_and_a_note(other):
    raters = [Trace.of(zip(range(3), values, strict=True)) for values in ([-0.1, 0.0, 0.1], other) if values]
    centred = traces.ccc_centred(raters)
    assert centred.values == pytest.approx(traces.mean(raters).values)
    assert centred.notes == (Note("raters do not agree at all: plain mean"),)
    assert not traces.ccc_centred([])


def test_what_centring_moves_out_of_range_is_clipped_and_noted():
    low = Trace.of([(0, 0.0), (1, 0.1), (2, -1.0)])
    high = Trace.of([(0, 1.0), (1, 1.0), (2, 0.9)])
    higher = Trace.of([(0, 1.0), (1, 1.0), (2, 0.9)])
    centred = traces.ccc_centred([low, high, higher])
    assert centred.values.max() == 1
    assert Note("gold standard outside [-1, 1]: clipped") in centred.notes


def test_ratings_a_little_outside_are_clipped_and_far_outside_dropped():
    trace = traces.checked(Trace.of([(0, 1.04), (1, -1.05), (2, 1.06), (3, 0.5), (4, None)]), VIDEO)
    assert trace.values == pytest.approx([1, -1, NAN, 0.5, NAN], nan_ok=True)
    assert trace.notes == (
        Note("rating outside [-1, 1] by more than 0.05: dropped"),
        Note("ratings outside [-1, 1] by up to 0.05: clipped"),
    )
    assert traces.checked(Trace.of([(0, 1.0), (1, -1.0)]), VIDEO).notes == ()


def test_a_file_in_another_unit_is_refused_with_what_was_found():
    with pytest.raises(UsageError, match=r"clip\.mp4 has 2 ratings outside \[-1, 1\], up to 873"):
        traces.checked(Trace.of([(0, -873), (1, 0.2), (2, 40)]), VIDEO)
    with pytest.raises(UsageError, match=r"clip\.mp4 has times up to 300000; they must be seconds"):
        traces.checked(Trace.of([(0, 0), (300_000, 0)]), VIDEO)


def test_one_in_a_hundred_wrong_ratings_are_survived_and_more_are_not():
    good = [(step, 0.0) for step in range(198)]
    assert traces.checked(Trace.of([*good, (198, 5), (199, 5)]), VIDEO)
    with pytest.raises(UsageError, match="3 ratings outside"):
        traces.checked(Trace.of([*good[1:], (198, 5), (199, 5), (200, 5)]), VIDEO)


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_tables_are_read_by_names_in_any_case(tmp_path, separator):
    rows = [["Time in seconds", "FM1 ", "Note"], ["0", " 0.1", "x"], ["0.04", "NaN", "y"], ["0.08", "0.3"], ["", "0.9"]]
    path = tmp_path / "table.csv"
    path.write_bytes(("\ufeff" + "\r\n".join(separator.join(row) for row in rows) + "\r\n\r\n").encode())
    table = trace_files.read_table(path, required=("fm1",))
    assert table["fm1"].seconds.tolist() == [0, 0.04, 0.08]
    assert table["fm1"].values == pytest.approx([0.1, NAN, 0.3], nan_ok=True)
    assert not table["note"]


def test_tables_without_header_go_by_the_columns_that_are_known(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("'Train_01';0.1;0.2;0.3\n'Train_01';0.2;0.4;0.5\n")
    table = trace_files.read_table(path, header=("name", "timestamp", "arousal", "valence"))
    assert table["arousal"].values.tolist() == [0.2, 0.4]
    assert table["valence"].seconds.tolist() == [0.1, 0.2]


def test_tables_that_lack_a_column_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("time,arousal\n0,0\n")
    with pytest.raises(UsageError, match=r"lacks the columns \['valence'\]. Received: \['time', 'arousal'\]"):
        trace_files.read_table(path, required=("valence", "arousal"))
    with pytest.raises(UsageError, match=r"lacks the columns \['frame_idx'\]"):
        trace_files.read_table(path, time="frame_idx")
    path.write_text("time,arousal\n")
    assert trace_files.read_table(path) == {}


def test_pairs_are_read_with_blanks_in_front_and_lines_between(tmp_path):
    path = tmp_path / "trace.txt"
    path.write_bytes(
        b"\xef\xbb\xbf 0.02 0.0513\r\n\r\n 0.04\t-0.1\r\n0.06;0.2\r\nrating ended\r\n0.08 nan\r\n0.1\r\n\xff\xfe\r\n"
    )
    trace = trace_files.read_pairs(path)
    assert trace.seconds.tolist() == [0.02, 0.04, 0.06, 0.08]
    assert trace.values == pytest.approx([0.0513, -0.1, 0.2, NAN], nan_ok=True)


ARFF = """@RELATION GOLDSTANDARD

% drawn by a committee
@Attribute 'Instance name' STRING
@attribute frameTime numeric
@attribute "Gold Standard" numeric


@DATA

'dev_1',0,-0.022925
dev_1,0.04,?

% dev_1,0.06,1
dev_1,0.08,-0.1
dev_2,0,0.5
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_arff_is_read_by_attribute_and_taken_apart_by_instance(tmp_path, newline):
    path = tmp_path / "dev_1.arff"
    path.write_bytes(ARFF.replace("\n", newline).encode())
    found = trace_files.read_arff(path)
    assert list(found) == ["dev_1", "dev_2"]
    assert found["dev_1"].seconds.tolist() == [0, 0.04, 0.08]
    assert found["dev_1"].values == pytest.approx([-0.022925, NAN, -0.1], nan_ok=True)
    assert found["dev_2"].values.tolist() == [0.5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("@DATA", "@rows"), "has no line @data"),
        (("frameTime", "frame"), r"lacks a time attribute.*\['instance name', 'frame', 'gold standard'\]"),
        (('@attribute "Gold Standard" numeric', ""), "or the rating after it"),
    ],
)
def test_arff_that_is_not_a_gold_standard_is_refused(tmp_path, change, message):
    path = tmp_path / "dev_1.arff"
    path.write_text(ARFF.replace(*change))
    with pytest.raises(UsageError, match=message):
        trace_files.read_arff(path)


def test_files_are_found_by_their_whole_name(tmp_path):
    for name in ("P16.mp4", "P6.MP4", "deep/P16.mp4", "._P7.mp4", "P8.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert recordings.by_stem(tmp_path, ".mp4") == {"p16": tmp_path / "P16.mp4", "p6": tmp_path / "P6.MP4"}
    assert recordings.by_stem(None, ".mp4") == {}


def test_numbers_in_names_are_sorted_as_numbers():
    assert recordings.natural_order(["train_10", "train_9", "dev_1"]) == ["dev_1", "train_9", "train_10"]
    assert recordings.natural_order(["10", "9"]) == ["9", "10"]


def line(seconds, slope, step=0.1):
    """A trace that rises with time."""
    return Trace.of((k * step, k * step * slope) for k in range(round(seconds / step) + 1))


def test_frames_are_taken_until_the_last_rating_ends():
    affect = {"valence": line(1, 0.5), "arousal": line(1, -0.5)}
    faces = list(recordings.rated_frames("P1", VIDEO, affect, (2.5, 0), group="g", split="train", tags=("DE",)))
    assert faces == [
        Face(
            key=f"P1_{milliseconds:07d}",
            group="g",
            image=Frame(VIDEO, milliseconds / 1000),
            split="train",
            tags=("DE",),
            detect=True,
            valence=milliseconds / 2000,
            arousal=-milliseconds / 2000,
        )
        for milliseconds in (0, 400, 800)
    ]


def test_a_rating_that_begins_after_the_video_skips_nothing():
    trace = Trace.of((k / 50, 0.5) for k in range(1, 51))  # FeelTrace begins at 0.02 s
    faces = list(recordings.rated_frames("S1", VIDEO, {"valence": trace}, (5, 0), group="g"))
    assert faces[0] == Note("recording with ratings of valence only")
    assert [face.image.seconds for face in faces[1:]] == [0.2, 0.4, 0.6, 0.8]


def test_with_a_delay_a_frame_takes_a_later_rating():
    faces = list(
        recordings.rated_frames("P1", VIDEO, {"valence": line(1, 1), "arousal": line(1, 0)}, (5, 0.3), group="g")
    )
    assert [(face.image.seconds, face.valence) for face in faces] == [(0, 0.3), (0.2, 0.5), (0.4, 0.7), (0.6, 0.9)]


def test_valence_and_arousal_are_masked_each_on_its_own():
    affect = {"valence": line(1, 1), "arousal": line(0.4, 1)}
    faces = list(recordings.rated_frames("P1", VIDEO, affect, (5, 0), group="g"))
    assert [(face.valence, face.arousal) for face in faces] == [
        (0, 0),
        (0.2, 0.2),
        (0.4, 0.4),
        (0.6, None),
        (0.8, None),
    ]


def test_frames_in_a_hole_are_left_out_and_noted_once():
    trace = Trace.of([(0, 0.1), (0.1, 0.1), (0.2, 0.1), (2.0, 0.3), (2.1, 0.3), (2.2, 0.3), (2.3, 0.3)])
    items = list(recordings.rated_frames("P1", VIDEO, {"valence": trace, "arousal": trace}, (5, 0), group="g"))
    assert [item.image.seconds for item in items[:-1]] == [0, 0.2, 2.0, 2.2]
    assert items[-1] == Note("recording with a gap in its ratings: frames in the gap left out")


@pytest.mark.parametrize("affect", [{}, {"valence": Trace.of([]), "arousal": Trace.of([(0, None)])}])
def test_a_recording_without_ratings_is_skipped(affect):
    assert list(recordings.rated_frames("P1", VIDEO, affect, (5, 0), group="g")) == [Skip("recording without ratings")]


def test_a_recording_of_which_no_frame_is_rated_is_skipped_and_not_lost():
    affect = {"valence": Trace.of([(0.5, 0.1)]), "arousal": Trace.of([(0.5, 0.1)])}
    items = list(recordings.rated_frames("P1", VIDEO, affect, (5, 0), group="g"))
    assert items == [Skip("recording without a rating at any sampled frame")]


def test_the_notes_of_the_traces_come_with_the_frames():
    mended = Trace.of([(0.1, 0.1), (0, 0.1), (0.2, 0.1), (0.3, 0.1)])
    items = list(recordings.rated_frames("P1", VIDEO, {"valence": mended, "arousal": mended}, (5, 0), group="g"))
    assert items[0] == Note("ratings not in order of time: sorted")
    assert [item.image.seconds for item in items[1:]] == [0, 0.2]


def test_frames_of_a_video_with_its_own_clock_take_the_rating_of_when_they_were_taken():
    clock = Trace(np.array([0, 0.2, 0.4, 0.6]), np.array([0, 0.2, 0.7, 1.2]))
    affect = {"valence": line(1, 1), "arousal": line(1, 1)}
    faces = list(recordings.rated_frames("P1", VIDEO, affect, (5, 0), clock, group="g"))
    assert [(face.image.seconds, face.valence) for face in faces] == [(0, 0), (0.2, 0.2), (0.4, 0.7)]


@pytest.mark.parametrize(
    "content",
    [
        "0,02;-0,5\n1,25;0\n",
        "0,02 -0,5\n1,25 0\n",
        " 0,02\t-0,5\r\n1,25\t0",
        "0.02,-0.5\n1.25,0\n",
        "0.02, -0.5\n1.25, 0\n",
        "0.02 -0.5\n1.25 0\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_pairs_may_have_decimal_commas_where_something_else_separates_them(tmp_path, content, encoding):
    path = tmp_path / "trace.txt"
    path.write_bytes(content.encode(encoding))
    trace = trace_files.read_pairs(path)
    assert (trace.seconds.tolist(), trace.values.tolist()) == ([0.02, 1.25], [-0.5, 0])


def test_pairs_of_whole_numbers_between_commas_stay_two_numbers(tmp_path):
    path = tmp_path / "trace.txt"
    path.write_text("1,0\n2, 1\n")
    assert trace_files.read_pairs(path).seconds.tolist() == [1, 2]


def test_a_table_of_ratings_may_have_decimal_commas_beside_semicolons(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("Time;FM1\n0,04;-0,5\n0,08;0,25\n")
    trace = trace_files.read_table(path)["fm1"]
    assert (trace.seconds.tolist(), trace.values.tolist()) == ([0.04, 0.08], [-0.5, 0.25])
