import resource
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from tests import clips
from tfaffect.errors import UsageError
from tfaffect.features.annotation import AnnotatedVideo, write_picture
from tfaffect.features.drawing import TRACK_COLOURS, draw
from tfaffect.features.layout import Area, distances, place_label, place_panel
from tfaffect.features.panel import BACKGROUND, CLASS_COLOURS, INK, MUTED
from tfaffect.features.row import NO_FACE, Row
from tfaffect.labels import CLASSES
from tfaffect.media.video import sample_frames

NOTHING = np.full(8, np.nan, np.float32)
GREY = 128


def canvas(height=720, width=1280):
    return np.full((height, width, 3), GREY, np.uint8)


def one_hot(index, probability=1.0):
    expression = np.full(8, (1 - probability) / 7, np.float32)
    expression[index] = probability
    return expression


def face(box=(500, 200, 660, 400), top=3, number=0, landmarks=None, **known):
    known = {"expression": one_hot(top), "valence": 0.5, "arousal": 0.5, **known}
    return Row("clip.mp4", face=number, box=box, landmarks=landmarks, score=0.9, **known)


def grid(count, side=100):
    """Faces side by side, every one larger than the one before, of successive classes."""
    boxes = [(20 + 160 * i, 200, 20 + 160 * i + side + i, 200 + side + i) for i in range(count)]
    return [face(box, top=i % 8, number=count - 1 - i) for i, box in enumerate(boxes)]


def shows(picture, colour):
    """Where a picture has exactly a colour, (height, width)."""
    return (picture == colour).all(axis=-1)


def changed(picture):
    return (picture != GREY).any(axis=-1)


def has_panel(picture, top):
    return shows(picture, CLASS_COLOURS[top]).any()


def test_the_box_is_drawn_in_the_colour_of_its_track():
    boxes = {track: draw(canvas(), [face(track=track)]) for track in (None, 0, 1, 2, len(TRACK_COLOURS))}
    for track, picture in boxes.items():
        expected = TRACK_COLOURS[(track or 0) % len(TRACK_COLOURS)]
        for y, x in ((300, 500), (300, 660), (200, 655), (400, 580)):
            assert tuple(picture[y, x]) == expected
    assert len(set(TRACK_COLOURS)) == len(TRACK_COLOURS)


def test_faces_of_a_photo_have_different_colours():
    picture = draw(
        canvas(), [face(number=number, box=(100 + 300 * number, 200, 200 + 300 * number, 320)) for number in range(3)]
    )
    for number in range(3):
        assert tuple(picture[260, 100 + 300 * number]) == TRACK_COLOURS[number]


VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""How linear RGB is seen (Machado, Oliveira and Fernandes, A Physiologically-based Model, 2009)."""


def linear(colours):
    shares = np.array(colours) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("kind", VISION)
def test_colours_of_tracks_differ_for_every_eye(kind):
    """The differences are those of CIE 1976; 2.3 is just noticeable. The colours before had 8 with protanopia."""
    seen = np.clip(linear(TRACK_COLOURS) @ np.array(VISION[kind]).T, 0, 1)
    gamma = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = cv2.cvtColor(gamma[None].astype(np.float32), cv2.COLOR_RGB2Lab)[0]
    distances = np.linalg.norm(lab[:, None] - lab, axis=-1)[np.triu_indices(len(lab), 1)]
    assert distances.min() > 15


def test_text_on_the_colours_of_tracks_is_readable():
    """WCAG asks for a contrast of 4.5."""
    luminance = linear([*TRACK_COLOURS, BACKGROUND]) @ (0.2126, 0.7152, 0.0722)
    assert (luminance[:-1].min() + 0.05) / (luminance[-1] + 0.05) > 4.5


def test_what_is_far_from_a_face_and_the_picture_itself_stay_as_they_are():
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    before = picture.copy()
    drawn = draw(picture, [face()])
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(drawn[:, :490], before[:, :490])
    np.testing.assert_array_equal(drawn[600:], before[600:])
    np.testing.assert_array_equal(drawn[210:390, 510:650], before[210:390, 510:650])


def test_a_picture_in_another_order_of_memory_is_drawn_alike():
    picture = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)
    rows = [face((100, 100, 200, 220))]
    np.testing.assert_array_equal(draw(picture[:, ::-1, ::-1], rows), draw(picture[:, ::-1, ::-1].copy(), rows))


def test_landmarks_are_dots_where_they_are():
    points = ((540.0, 270.0), (620.0, 270.0), (580.0, 310.0), (550.0, 350.0), (610.0, 350.0))
    drawn = draw(canvas(), [face(landmarks=points)])
    for x, y in points:
        assert tuple(drawn[int(y), int(x)]) == TRACK_COLOURS[0]
    assert changed(drawn)[210:390, 510:650].sum() < 5 * 12 * 12


@pytest.mark.parametrize("probability", [0.5, 0.75, 1.0])
def test_the_bar_of_the_top_class_is_as_long_as_its_probability(probability):
    row = replace(face(valence=np.nan, arousal=np.nan), expression=one_hot(6, probability))
    length = np.ptp(np.nonzero(shows(draw(canvas(), [row]), CLASS_COLOURS[6]))[1])
    whole = np.ptp(np.nonzero(shows(draw(canvas(), [replace(row, expression=one_hot(6))]), CLASS_COLOURS[6]))[1])
    assert length == pytest.approx(probability * whole, abs=1)
    assert whole > 40


@pytest.mark.parametrize("top", range(8))
def test_every_class_has_its_row_in_the_panel_and_its_colour(top):
    rows = [np.nonzero(shows(draw(canvas(), [face(top=k, valence=np.nan)]), CLASS_COLOURS[k]))[0] for k in (0, top, 7)]
    first, own, last = (row.mean() for row in rows)
    assert last > first + 80
    assert own == pytest.approx(first + (last - first) * top / 7, abs=1)


def dot(valence, arousal):
    """Where the dot of a face is, in pixels right and up."""
    drawn = draw(canvas(), [face(expression=NOTHING, valence=valence, arousal=arousal)])
    y, x = np.nonzero(shows(drawn, INK))
    return np.array([x.mean(), -y.mean()])


def test_valence_moves_the_dot_to_the_right_and_arousal_moves_it_up():
    centre = dot(0, 0)
    right, up = dot(1, 0) - centre, dot(0, 1) - centre
    assert right[0] == up[1] > 20
    assert right[1] == up[0] == 0
    np.testing.assert_allclose(dot(-0.5, 0.25) - centre, (-0.5 * right[0], 0.25 * up[1]), atol=0.6)


def test_affect_beyond_its_range_lies_on_the_edge_of_the_plane():
    np.testing.assert_array_equal(dot(1.7, -3), dot(1, -1))


def test_the_axes_cross_at_zero():
    x, y = dot(0, 0)
    lines = shows(draw(canvas(), [face(expression=NOTHING, valence=0.8, arousal=0.8)]), MUTED)
    assert lines[round(-y), round(x) - 15 : round(x) + 16].all()
    assert lines[round(-y) - 15 : round(-y) + 16, round(x)].all()


def test_heads_that_never_learned_are_left_out():
    assert not has_panel(draw(canvas(), [face(top=1, expression=NOTHING)]), 1)
    for known in ({"valence": np.nan}, {"arousal": np.nan}):
        drawn = draw(canvas(), [face(top=1, **known)])
        assert has_panel(drawn, 1)
        assert changed(drawn).sum() < 0.8 * changed(draw(canvas(), [face(top=1)])).sum()


def test_a_face_of_which_nothing_is_known_has_its_box_alone():
    drawn = draw(canvas(), [face(expression=NOTHING, valence=np.nan, arousal=np.nan)])
    assert tuple(drawn[300, 500]) == TRACK_COLOURS[0]
    y, x = np.nonzero(changed(drawn))
    assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((500, 660, 200, 400), abs=4)


def test_a_label_says_track_class_and_probability():
    """Other words make another label; nothing else in the picture depends on the number of the track."""
    box = [face(track=8, expression=one_hot(k, 0.9), valence=np.nan) for k in (3, 4)]
    label = [changed(draw(canvas(), [row]))[:196, 480:700].sum() for row in box]
    assert min(label) > 1000
    assert label[0] > label[1]  # "surprise" is a longer word than "fear"
    one, two = (draw(canvas(), [face(track=track)]) for track in (8, 16))
    difference = np.nonzero((one != two).any(axis=-1))
    assert difference[0].max() < 200


def test_seven_faces_have_one_panel_and_six_have_six():
    six, seven = draw(canvas(), grid(6)), draw(canvas(), grid(7))
    assert [has_panel(six, top) for top in range(6)] == [True] * 6
    assert [has_panel(seven, top) for top in range(7)] == [False] * 6 + [True]


def test_panels_and_labels_leave_other_faces_free():
    boxes = [(x, y, x + 150, y + 180) for y in (30, 270) for x in (20, 220, 420)]
    drawn = changed(draw(canvas(480, 640), [face(box, number=i) for i, box in enumerate(boxes)]))
    for left, top, right, bottom in boxes:
        inside = drawn[top + 5 : bottom - 5, left + 5 : right - 5]
        assert inside.mean() < 0.2


def test_a_tiny_face_has_only_box_and_label():
    drawn = draw(canvas(), [face((600, 300, 630, 330), top=2, landmarks=((615, 315),) * 5)])
    assert not has_panel(drawn, 2)
    assert not changed(drawn)[305:326, 605:626].any()
    assert changed(drawn)[285:299, 600:660].mean() > 0.9


@pytest.mark.parametrize(
    "box",
    [(-60, 100, 80, 260), (1200, 100, 1400, 300), (500, -80, 640, 60), (500, 650, 700, 900), (-50, -50, 1400, 800)],
    ids=["left", "right", "top", "bottom", "all around"],
)
def test_a_face_at_the_border_is_drawn_with_its_label_in_the_picture(box):
    drawn = draw(canvas(), [face(box, track=1)])
    assert drawn.shape == (720, 1280, 3)
    alone = draw(canvas(), [face(box, track=1, expression=NOTHING, valence=np.nan)])
    assert shows(drawn, TRACK_COLOURS[1]).sum() > shows(alone, TRACK_COLOURS[1]).sum() > 300


def test_a_face_outside_the_picture_is_not_drawn():
    assert not changed(draw(canvas(), [face((2000, 100, 2100, 200)), face((-200, 10, -100, 100))])).any()


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ((360, 500), (360, 500)),
        ((720, 1280), (720, 1280)),
        ((240, 320), (480, 640)),
        ((48, 48), (384, 384)),
        ((100, 1000), (100, 1000)),
        ((1, 1), (360, 360)),
        ((1, 5000), (1, 5000)),
    ],
)
def test_small_pictures_are_enlarged_by_a_whole_factor(size, drawn):
    for rows in ([], [face((10, 10, 20, 20))]):
        assert draw(canvas(*size), rows).shape == (*drawn, 3)


def test_boxes_are_enlarged_with_their_picture():
    drawn = draw(canvas(240, 320), [face((100, 60, 200, 160), landmarks=((150, 110),))])
    for y, x in ((220, 200), (220, 400), (320, 300), (220, 300)):
        assert tuple(drawn[y, x]) == TRACK_COLOURS[0]


@pytest.mark.parametrize("side", [48, 224, 360, 900])
def test_a_ready_crop_stays_uncovered_beside_its_panel(side):
    drawn = draw(canvas(side, side), [face(None, top=4)])
    height, width = drawn.shape[:2]
    assert height >= 360
    assert not changed(drawn[:, :height]).any()
    assert has_panel(drawn[:, height:], 4)
    assert 0.1 * height < width - height < 0.5 * height


def test_a_frame_without_a_face_says_so_in_the_corner():
    drawn = changed(draw(canvas(), [Row("clip.mp4", frame=0, seconds=0.0, problem=NO_FACE)]))
    y, x = np.nonzero(drawn)
    assert y.min() > 670
    assert x.max() < 120
    np.testing.assert_array_equal(drawn, changed(draw(canvas(), [])))


def test_another_problem_is_said_as_far_as_there_is_room():
    short, long = (draw(canvas(), [Row("a.jpg", problem=words)]) for words in ("cut short", "cut short " * 300))
    assert 0 < changed(short).sum() < changed(long).sum()
    assert not changed(long)[:, 1260:].any()


def test_a_name_that_is_no_text_does_not_end_the_process():
    assert changed(draw(canvas(), [Row("a.jpg", problem="cannot read \udcff\n日本.jpg")])).any()


def test_pictures_drawn_by_several_threads_are_those_of_one():
    faces = [[face(track=track, expression=one_hot(track % 8, 0.9))] for track in range(40)]
    alone = [draw(canvas(), rows) for rows in faces]
    with ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda rows: draw(canvas(), rows), faces)
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one, other)


PICTURE = Area(0, 0, 1000, 600)


def measure(unit, stacked):
    """A panel of 10 x 20 letters when it is stacked, of 20 x 10 when it is not."""
    return (10 * unit, 20 * unit) if stacked else (20 * unit, 10 * unit)


def place(box, *others, units=(20, 10)):
    box = Area(*box)
    label = Area(box.left, box.top - 20, box.left + 50, box.top)
    return place_panel(box, label, measure, units, [box, label, *map(Area._make, others)], PICTURE)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((300, 100, 500, 300), ((510, 100, 710, 500), 20, True)),
        ((800, 100, 990, 300), ((590, 100, 790, 500), 20, True)),
        ((300, 500, 500, 600), ((510, 200, 710, 600), 20, True)),
        ((10, 100, 990, 300), ((10, 310, 410, 510), 20, False)),
        ((10, 380, 990, 590), ((10, 150, 410, 350), 20, False)),
        ((0, 215, 1000, 410), ((0, 415, 200, 515), 10, False)),
        ((20, 20, 980, 590), ((900, 400, 1000, 600), 10, True)),
    ],
    ids=["right", "left", "moved up", "below", "above", "smaller", "corner"],
)
def test_a_panel_goes_where_there_is_room(box, expected):
    assert place(box) == (Area(*expected[0]), *expected[1:])


def test_a_panel_avoids_what_is_taken():
    assert place((300, 100, 500, 300), (600, 0, 700, 600)).area == Area(90, 100, 290, 500)


def test_a_panel_that_is_larger_than_the_picture_lies_on_its_side():
    assert place((0, 0, 100, 100), units=(40,)) == (Area(120, 0, 920, 400), 40, False)


def test_a_panel_without_room_is_left_out():
    assert place((300, 100, 500, 300), (0, 0, 290, 600), (510, 0, 1000, 600), (300, 310, 500, 600)) is None
    assert place((0, 0, 1000, 600), units=(40,)) is None  # it would hide more than a fifth of the face


def place_among(box, *boxes, units=(10,)):
    """The place of a panel beside other faces."""
    box, others = Area(*box), [Area(*other) for other in boxes]
    label = Area(box.left, box.top - 20, box.left + 50, box.top)
    return place_panel(box, label, measure, units, [box, label, *others], PICTURE, others)


def test_a_panel_leaves_the_hair_of_another_face_free_where_there_is_room():
    """The panel is 100 wide. Between the faces are 130 pixels, of which 50 are hair: a quarter of the other face."""
    assert place_among((300, 200, 500, 400), (630, 200, 830, 400)).area == Area(195, 200, 295, 400)
    assert place_among((0, 200, 200, 400), (330, 200, 530, 400)).area == Area(0, 405, 200, 505)
    assert place_among((300, 200, 500, 400), (660, 200, 860, 400)).area == Area(505, 200, 605, 400)


def test_a_panel_is_never_nearer_to_another_face():
    """The gap to its own face is 5 pixels. On the right, 3 pixels would be left to the other face."""
    placed = place_among((300, 20, 500, 590), (608, 0, 1000, 600))
    assert placed.area == Area(195, 20, 295, 220)


def test_a_panel_without_room_beside_its_face_goes_to_the_nearest_free_place():
    taken = [Area(300, 0, 400, 120), Area(510, 0, 600, 600), Area(150, 0, 295, 600), Area(300, 300, 500, 340)]
    box, label = Area(400, 100, 500, 300), Area(400, 80, 450, 100)
    far = Area(900, 500, 950, 560)
    placed = place_panel(box, label, measure, (10,), [box, label, *taken, far], PICTURE, [far])
    assert placed.area.overlap([box, label, *taken, far]) == 0
    assert placed.area.overlap([PICTURE]) == placed.area.size == 100 * 200
    assert placed.area.top == 345, "the gap below what is taken below the face"
    assert distances([placed.area], [box]) == 45


def test_a_panel_that_would_be_nearer_to_another_face_is_left_out():
    """Other faces surround it. What is free is below the left one and below the right one."""
    assert place_among((310, 0, 690, 300), (0, 0, 300, 300), (700, 0, 1000, 300), (310, 310, 690, 600)) is None


def test_the_distance_of_areas_by_hand():
    """The first is 3 to the right and 4 below, the second 2 to the right, and the third overlaps."""
    others = [Area(13, 14, 20, 20), Area(12, 2, 20, 4), Area(5, 5, 20, 20)]
    assert distances([Area(0, 0, 10, 10)], others).tolist() == [[5, 2, 0]]


def test_a_label_stands_above_its_box_and_under_it_at_the_upper_rim():
    assert place_label(Area(100, 100, 200, 200), 150, 20, [], PICTURE) == (100, 80, 250, 100)
    box = Area(950, 5, 1050, 200)
    assert place_label(box, 150, 20, [box], PICTURE) == (850, 200, 1000, 220)


def test_a_png_holds_what_was_drawn(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)
    rows = [face((100, 100, 200, 220))]
    write_picture(tmp_path / "new" / "é.PNG", picture, rows)
    bgr = cv2.imdecode(np.fromfile(tmp_path / "new" / "é.PNG", np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(bgr[..., ::-1], draw(picture, rows))


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_a_jpeg_looks_like_what_was_drawn(tmp_path, suffix):
    path, rows = tmp_path / f"face{suffix}", [face((100, 100, 200, 220))]
    write_picture(path, canvas(400, 600), rows)
    read = cv2.imread(str(path))[..., ::-1].astype(int)
    assert path.read_bytes()[:2] == b"\xff\xd8"
    assert np.abs(read - draw(canvas(400, 600), rows)).mean() < 1
    assert [*tmp_path.iterdir()] == [path]


def test_another_format_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"a\.gif"):
        write_picture(tmp_path / "a.gif", canvas(), [])
    assert not [*tmp_path.iterdir()]


def play(path):
    """The frames of a video, RGB, and its rate."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1][..., ::-1])
    return frames, capture.get(cv2.CAP_PROP_FPS)


def shown(path):
    """The seconds at which a player shows each frame."""
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


@pytest.mark.parametrize("rate", [25, 30000 / 1001, 12.5, 1 / 3])
def test_a_video_has_every_frame_and_the_rate(tmp_path, rate):
    with AnnotatedVideo(tmp_path / "clip.mp4") as video:
        for number in range(5):
            rows = [face((100 + 40 * number, 100, 250 + 40 * number, 300), track=1)]
            video.write(canvas(400, 600), rows, number / rate)
    frames, shown_rate = play(tmp_path / "clip.mp4")
    assert [frame.shape for frame in frames] == [(400, 600, 3)] * 5
    assert shown_rate == pytest.approx(rate, rel=1e-3)
    assert shown(tmp_path / "clip.mp4") == pytest.approx(np.arange(5) / rate, abs=1e-4)
    for number, frame in enumerate(frames):
        for x in (100 + 40 * number, 250 + 40 * number):
            assert frame[220:280, x].mean(axis=0) == pytest.approx(TRACK_COLOURS[1], abs=40)


def test_frames_are_shown_at_their_own_times(tmp_path):
    seconds = [2.0, 2.04, 2.205, 2.7, 3.5]
    with AnnotatedVideo(tmp_path / "clip.mp4") as video:
        for time in seconds:
            video.write(canvas(400, 600), [], time)
    assert shown(tmp_path / "clip.mp4") == pytest.approx(np.subtract(seconds, 2), abs=1e-4)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264", "what browsers play"
        assert container.streams.video[0].pix_fmt == "yuv420p"


def milliseconds_of_the_tone(path, seconds):
    """Where the tone of 50 Hz is in its period of 20 ms at a time of the video, and the seconds of sound."""
    with av.open(str(path)) as container:
        start = container.start_time / 1e6
        frames = [(frame.time - start, frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
    times = np.concatenate([time + np.arange(len(wave)) / 48000 for time, wave in frames]) - seconds
    near = (times > 0) & (times < 0.5)
    angles = 2 * np.pi * 50 * times[near]
    sine, cosine = np.linalg.lstsq(
        np.stack([np.sin(angles), np.cos(angles)], axis=1),
        np.concatenate([wave for _, wave in frames])[near],
        rcond=None,
    )[0]
    return np.arctan2(cosine, sine) / (2 * np.pi) * 20, sum(len(wave) for _, wave in frames) / 48000


@pytest.mark.parametrize(("suffix", "video_from", "sound_from"), [("mp4", 0, 0), ("ts", 1400, 1400), ("mkv", 500, 0)])
@pytest.mark.parametrize("start", [0, 0.8])
def test_the_sound_stays_in_step(tmp_path, suffix, video_from, sound_from, start):
    clip = clips.write_with_sound(tmp_path / f"clip.{suffix}", video_from, sound_from)
    with AnnotatedVideo(tmp_path / "annotated.mp4", clip) as video:
        frames = list(sample_frames(clip, start=start))
        for frame in frames:
            video.write(frame.picture, [], frame.seconds)
    first, zero = frames[0].seconds, min(video_from, sound_from)
    before, _ = milliseconds_of_the_tone(clip, first + 0.2)
    after, length = milliseconds_of_the_tone(tmp_path / "annotated.mp4", 0.2)
    assert abs((after - before + 10) % 20 - 10) < 1
    ends = min(video_from + 2000, sound_from + 1963) - zero  # 92 packets of AAC
    assert length == pytest.approx(ends / 1000 - first, abs=0.1)


def test_a_video_without_sound_stays_silent(tmp_path):
    clip = clips.write(tmp_path / "clip.mp4", [canvas(400, 600)] * 5)
    with AnnotatedVideo(tmp_path / "annotated.mp4", clip) as video:
        video.write(canvas(400, 600), [], 0)
    with av.open(str(tmp_path / "annotated.mp4")) as copy:
        assert not copy.streams.audio


def test_a_video_appears_at_its_end(tmp_path):
    path = tmp_path / "new" / "clip.mp4"
    with AnnotatedVideo(path) as video:
        video.write(canvas(400, 600), [], 0)
        assert not path.exists()
    assert [*path.parent.iterdir()] == [path]


def write_half(path):
    with AnnotatedVideo(path) as video:
        video.write(canvas(400, 600), [], 0)
        raise KeyboardInterrupt


def test_an_interrupted_video_leaves_the_old_one(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_a_video_without_frames_leaves_nothing(tmp_path):
    with AnnotatedVideo(tmp_path / "clip.mp4"):
        pass
    assert not [*tmp_path.iterdir()]


def test_odd_sides_become_even(tmp_path):
    with AnnotatedVideo(tmp_path / "clip.mp4") as video:
        video.write(canvas(401, 601), [], 0)
    assert play(tmp_path / "clip.mp4")[0][0].shape == (402, 602, 3)


def test_frames_of_another_size_are_fitted_in(tmp_path):
    with AnnotatedVideo(tmp_path / "clip.mp4") as video:
        for number, size in enumerate(((400, 600), (800, 800), (400, 600))):
            video.write(canvas(*size), [], number / 25)
    frames, _ = play(tmp_path / "clip.mp4")
    assert [frame.shape for frame in frames] == [(400, 600, 3)] * 3
    row = frames[1][200].mean(axis=1)  # 800 x 800 becomes 400 x 400, with 100 black columns at each side
    assert row[:95].max() < 20
    assert row[505:].max() < 20
    assert row[110:490] == pytest.approx(GREY, abs=10)


def write_to_a_full_disk(path):
    noise = np.random.default_rng(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with AnnotatedVideo(path) as video:
            for number in range(10):
                video.write(noise.integers(0, 256, (360, 480, 3), np.uint8), [], number / 25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match=r"clip\.mp4"):
        write_to_a_full_disk(tmp_path / "clip.mp4")
    assert not [*tmp_path.iterdir()]


def test_class_colours_tell_classes_apart():
    colours = np.array(CLASS_COLOURS, float)
    assert len(colours) == len(CLASSES)
    distances = np.linalg.norm(colours[:, None] - colours, axis=-1)[np.triu_indices(8, 1)]
    assert distances.min() > 40
