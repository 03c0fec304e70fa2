from io import BytesIO

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tfaffect.features.panel import CLASS_COLOURS
from tfaffect.features.timeline import POINTS, draw_timeline
from tfaffect.labels import CLASSES

NAN = np.nan


def rows(seconds, tracks, value=None):
    """Columns of a video: even probabilities, and valence `value` (the time by default), arousal its opposite."""
    seconds, tracks = np.array(seconds, float), np.array(tracks, float)
    there = np.where(np.isnan(tracks), NAN, 1)
    valence = there * (seconds / 1000 if value is None else value)
    return seconds, tracks, np.full((len(seconds), 8), 0.125) * there[:, None], valence, -valence


def draw(*columns, title="clip.mp4"):
    """The figure, after it was written: a warning is an error."""
    figure = draw_timeline(title, *columns)
    figure.savefig(BytesIO(), format="png", dpi=40)
    return figure


def curve(axes, name):
    """The line of valence or arousal: x and y; the zero line comes first, dots follow each line."""
    line = axes.get_lines()[{"valence": 1, "arousal": 3}[name]]
    return line.get_xdata(), line.get_ydata()


def dots(axes, name):
    line = axes.get_lines()[{"valence": 2, "arousal": 4}[name]]
    return line.get_xdata().tolist()


def pieces(axes):
    """Where the lowest class of the stack is drawn: first and last second of each piece."""
    return [tuple(path.vertices[:, 0][[0, -1]]) for path in axes.collections[0].get_paths()]


def spans(axes):
    """The stretches shaded because no face was there."""
    return [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in axes.collections[-1].get_paths()]


def legend(figure):
    (box,) = figure.legends
    return [text.get_text() for text in box.get_texts()]


def words(figure):
    return figure.get_supxlabel()


def test_a_track_has_a_panel_of_classes_over_one_of_affect():
    figure = draw(*rows([0, 1, 2, 0.5, 1.5], [4, 4, 4, NAN, NAN]))
    classes, affect = figure.axes
    assert classes.get_title(loc="left") == "track 4: 3 frames"
    assert (classes.get_ylabel(), classes.get_ylim()) == ("probability", (0, 1))
    assert (affect.get_ylabel(), affect.get_xlabel()) == ("affect", "time, seconds")
    assert affect.get_ylim() == pytest.approx((-1.05, 1.05))
    assert classes.get_xlim() == affect.get_xlim() == (-0.25, 2.25)
    assert figure.get_suptitle() == "clip.mp4"


def test_the_classes_are_stacked_up_to_one_in_their_order_and_colours():
    seconds, tracks, expression, *affect = rows([0, 1], [0, 0])
    expression[:] = np.arange(1, 9) / 36
    classes, _ = draw(seconds, tracks, expression, *affect).axes
    heights = [area.get_paths()[0].vertices[:, 1] for area in classes.collections[:8]]
    np.testing.assert_allclose([height.min() for height in heights], np.cumsum(np.arange(8)) / 36, atol=1e-9)
    np.testing.assert_allclose([height.max() for height in heights], np.cumsum(np.arange(1, 9)) / 36)
    hues = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in CLASS_COLOURS]
    assert [to_hex(area.get_facecolor()[0]) for area in classes.collections[:8]] == hues


def test_the_legend_names_everything_once_in_the_order_of_the_stack():
    figure = draw(*rows([0, 1, 2, 2], [0, NAN, 0, 1]))
    assert legend(figure) == [*CLASSES[::-1], "valence", "arousal", "no face"]
    assert "no face" not in legend(draw(*rows([0, 1], [0, 0])))


def test_valence_and_arousal_are_lines_of_their_values():
    _, affect = draw(*rows([0, 1, 2], [0, 0, 0], np.array([0.5, -1, 0.25]))).axes
    assert curve(affect, "valence")[1].tolist() == [0.5, -1, 0.25]
    assert curve(affect, "arousal")[1].tolist() == [-0.5, 1, -0.25]


def test_no_line_crosses_a_gap_and_a_single_frame_is_a_dot():
    times = np.arange(200.0)
    tracks = np.where((times < 50) | (times == 60) | (times >= 70), 0, NAN)
    classes, affect = draw(*rows(times, tracks)).axes
    seconds, valence = curve(affect, "valence")
    assert seconds[np.isnan(valence)].tolist() == [*range(50, 60), *range(61, 70)]
    assert dots(affect, "valence") == dots(affect, "arousal") == [60]
    assert [bar.get_x() + bar.get_width() / 2 for bar in classes.patches[:1]] == [60]
    assert len(classes.patches) == 8
    assert pieces(classes)[0][1] < 51


def test_frames_that_are_missing_in_the_rows_are_gaps_too():
    """Steps of 1 s: 1.4 is none yet, 1.6 is one."""
    times = np.array([0, 1, 2, 3, 4.4, 5.4, 7, 8, 9])
    _, affect = draw(*rows(times, np.zeros(9))).axes
    seconds, valence = curve(affect, "valence")
    assert seconds[np.flatnonzero(np.isnan(valence))].tolist() == [7]
    assert np.isfinite(valence).sum() == 9


def test_few_points_are_dots_all_of_them():
    _, affect = draw(*rows([0, 1, 2, 3], [0, 0, NAN, 0])).axes
    assert dots(affect, "valence") == [0, 1, 3]


def test_the_time_without_any_face_is_shaded_in_every_panel():
    figure = draw(*rows([0, 1, 2, 3, 3, 4, 5, 6], [0, NAN, NAN, 0, 1, 1, NAN, 0]))
    assert len(figure.axes) == 4
    for axes in figure.axes:
        assert spans(axes) == [(0.5, 2.5), (4.5, 5.5)]


def test_the_four_tracks_with_most_frames_are_shown_and_the_others_counted():
    tracks = np.repeat([0, 1, 2, 3, 4, 5], [30, 10, 2000, 5, 20, 40])
    times = np.concatenate([np.arange(n) for n in (30, 10, 2000, 5, 20, 40)])
    figure = draw(*rows(times, tracks))
    titles = [axes.get_title(loc="left") for axes in figure.axes[::2]]
    assert titles == ["track 0: 30 frames", "track 2: 2,000 frames", "track 4: 20 frames", "track 5: 40 frames"]
    assert words(figure) == "2 more tracks with 15 frames not shown."


@pytest.mark.parametrize(
    ("head", "axes", "said"), [("expression", 1, "expression"), ("valence", 2, "valence"), ("arousal", 2, "arousal")]
)
def test_a_head_that_never_learned_is_left_out_with_a_word(head, axes, said):
    seconds, tracks, *values = rows([0, 1, 2], [0, 0, 0], 0.5)
    values[["expression", "valence", "arousal"].index(head)][:] = NAN
    figure = draw(seconds, tracks, *values)
    assert len(figure.axes) == axes
    assert words(figure) == f"Never learned: {said}."
    assert set(legend(figure)) == {*CLASSES, "valence", "arousal"} - ({*CLASSES} if head == "expression" else {head})
    assert figure.axes[0].get_title(loc="left") == "track 0: 3 frames"


def test_a_model_that_learned_nothing_is_said():
    seconds, tracks, *values = rows([0, 1], [0, 0])
    (axes,) = draw(seconds, tracks, *(NAN * value for value in values)).axes
    assert axes.texts[0].get_text() == "The model has learned neither classes nor affect."


@pytest.mark.parametrize(("frames", "said"), [(0, "no face in 0 frames"), (1, "no face in 1 frame"), (50, "50 frames")])
def test_a_video_without_any_face_says_so(frames, said):
    (axes,) = draw(*rows(np.arange(frames), np.full(frames, NAN))).axes
    assert axes.texts[0].get_text().endswith(said)
    assert spans(axes) == ([(-0.5, frames - 0.5)] if frames else [])


@pytest.mark.parametrize(
    ("last", "label", "ticks"),
    [
        (8, "time, seconds", ["0", "1", "8"]),
        (120, "time, seconds", ["0", "15", "120"]),
        (130, "time, minutes:seconds", ["0:00", "0:15", "2:00"]),
        (3500, "time, minutes:seconds", ["0:00", "5:00", "55:00"]),
        (7300, "time, hours:minutes:seconds", ["0:00:00", "0:15:00", "2:00:00"]),
    ],
)
def test_the_axis_of_time_is_written_as_its_length_asks(last, label, ticks):
    axes = draw(*rows(np.linspace(0, last, 60), np.zeros(60))).axes[-1]
    low, high = axes.get_xlim()
    shown = [
        text.get_text()
        for place, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        if low <= place <= high
    ]
    assert axes.get_xlabel() == label
    assert [shown[0], shown[1], shown[-1]] == ticks


def test_many_frames_become_means_of_successive_ones():
    """90,000 frames make 2,000 points of 45; the first is the mean of the times 0, 0.04 ... 1.76."""
    times = np.arange(90_000) / 25
    figure = draw(*rows(times, np.where((times >= 1800) & (times < 1890), NAN, 0), times / 3600))
    seconds, valence = curve(figure.axes[1], "valence")
    assert len(seconds) == POINTS == 2000
    assert seconds[0] == pytest.approx(0.88)
    assert valence[0] == pytest.approx(0.88 / 3600)
    assert np.isnan(valence).sum() == 50
    assert spans(figure.axes[0]) == [pytest.approx((1800 - 0.02, 1890 - 0.02))]
    assert words(figure) == "Each point is the mean of 45 frames."


def test_a_mean_of_frames_is_that_of_the_frames_with_the_face():
    times = np.arange(2 * POINTS, dtype=float)
    tracks = np.where(times % 2, 0, NAN)
    _, affect = draw(*rows(times, tracks, np.where(times == 1, 0.5, 0))).axes
    assert curve(affect, "valence")[1][:2].tolist() == [0.5, 0]


@pytest.mark.parametrize(
    ("title", "drawn"),
    [
        ("clips/$\\no{$ ünï.mp4", "clips/$\\no{$ ünï.mp4"),
        ("日本\udcff\n.mp4", "\N{REPLACEMENT CHARACTER}" * 4 + ".mp4"),
        ("long/" * 60 + "a.mp4", "…" + ("long/" * 60)[-104:] + "a.mp4"),
    ],
    ids=["formula", "strange", "long"],
)
def test_any_name_of_a_video_can_be_a_title(title, drawn):
    assert draw(*rows([0, 1], [0, 0]), title=title).get_suptitle() == drawn
