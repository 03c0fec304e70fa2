import json

import cv2
import numpy as np
import pandas as pd
import pytest

from tfaffect import robustness
from tfaffect.errors import UsageError
from tfaffect.records.corruptions import (
    CORRUPTIONS,
    blur,
    cast,
    compress,
    cover,
    darken,
    resample,
    shift,
    tilt,
    turn,
    zoom,
)
from tfaffect.records.prepared import open_corpus
from tfaffect.runtimes.opening import open_model
from tfaffect.scoring import corrupted


def draw(seed=0):
    return np.random.default_rng(seed)


def dot(size=41):
    picture = np.zeros((size, size, 3), np.uint8)
    picture[size // 2 - 1 : size // 2 + 2, size // 2 - 1 : size // 2 + 2] = 255
    return picture


def centre(picture):
    rows, columns = np.nonzero(picture[..., 0] > 100)
    return np.array([rows.mean(), columns.mean()])


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("side", [32, 48])
def test_every_disturbance_changes_the_picture_and_not_its_input(name, side):
    picture = draw(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    before = picture.copy()
    kind = CORRUPTIONS[name]
    for severity in kind.severities:
        changed = kind.apply(picture, severity, draw())
        assert (changed.shape, changed.dtype) == (picture.shape, np.uint8)
        assert not np.array_equal(changed, before)
    assert np.array_equal(picture, before)


def test_a_shift_of_a_fifth_moves_by_a_fifth_in_any_direction():
    moved = [centre(shift(dot(), 20, draw(seed))) - 20 for seed in range(40)]
    assert np.linalg.norm(moved, axis=1) == pytest.approx(0.2 * 41, abs=0.8)
    assert np.ptp(moved, axis=0) == pytest.approx(2 * 0.2 * 41, rel=0.15)


def test_the_others_by_hand():
    grey = np.full((40, 40, 3), 200, np.uint8)
    assert (darken(grey, 75, draw()) == 50).all()
    assert (cover(grey, 25, draw()) == 128).all(axis=2).sum() == 20 * 20
    assert np.array_equal(turn(turn(dot(), 0, draw()), 0, draw()), dot())
    assert (zoom(dot(), 100, draw())[..., 0] > 100).sum() > 3 * (dot()[..., 0] > 100).sum()
    assert np.array_equal(blur(grey, 5, draw()), grey), "the border must not darken"
    assert (cast(grey, 20, draw()) == [240, 200, 160]).all()
    assert (cast(grey, -40, draw()) == [120, 200, 255]).all()


def test_a_cast_of_43_percent_is_a_lamp_seen_by_a_camera_balanced_for_daylight():
    """The white of CIE illuminant A, XYZ 1.09850 1 0.35585, in sRGB (IEC 61966-2-1), with green at 100."""
    to_red_green_blue = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    light = to_red_green_blue @ [1.09850, 1, 0.35585]
    lamp = 100 * (1.055 * (light / light[1]) ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(cast(np.full((1, 1, 3), 100, np.uint8), 43, draw())[0, 0], lamp, atol=1.5)


def test_a_tilt_is_the_perspective_of_a_square_that_turns_about_its_middle():
    """The camera is 3 sides away. A point 15 pixels to the side of the middle, of 41 pixels, moves to
    15 cos(t) / (1 + 15 sin(t) / 123): 12.24 pixels for t = 30 degrees, and 13.83 pixels where the side comes nearer,
    13 in the mean. Points on the axis stay.
    """
    places = set()
    for seed in range(20):
        picture = np.zeros((41, 41, 3), np.uint8)
        picture[20, 5], picture[20, 35], picture[5, 20], picture[35, 20] = [(255, 255, 255)] * 4
        seen = cv2.GaussianBlur(tilt(cv2.dilate(picture, np.ones((3, 3))), 30, draw(seed)), (3, 3), 0)[..., 0]
        columns, rows = (np.abs(np.nonzero(line > 100)[0] - 20.0) for line in (seen[20], seen[:, 20]))
        places.add(tuple(round(float(line[line > 5].mean())) for line in (columns, rows)))
    assert places == {(13, 15), (15, 13)}, "to a side, and up or down"


def test_a_resolution_keeps_so_many_pixels():
    """A chequer board of single pixels becomes grey at half of the pixels; stripes of two pixels stay."""
    board = np.indices((48, 48)).sum(0) % 2
    grey = resample(np.repeat(255 * board[..., None], 3, 2).astype(np.uint8), 24, draw())
    assert set(np.unique(grey)) <= {127, 128}
    stripes = np.zeros((48, 48, 3), np.uint8)
    stripes[:, ::4] = stripes[:, 1::4] = 240
    assert np.ptp(resample(stripes, 24, draw())[24]) > 100
    assert np.abs(resample(stripes, 300, draw()).astype(int) - stripes).max() < 60


def test_the_worse_the_quality_the_larger_the_difference():
    noise = blur(draw(1).integers(0, 256, (48, 48, 3), dtype=np.uint8), 4, draw())
    picture = np.repeat(noise[..., :1], 3, axis=2)
    lost = [
        np.abs(compress(picture, quality, draw()).astype(int) - picture).mean() for quality in (100, 75, 50, 25, 10)
    ]
    assert lost == sorted(lost)
    assert lost[0] < 1


@pytest.mark.parametrize("known", ["accuracy", "ccc_valence"])
def test_the_figure_has_a_panel_for_each_corruption_with_what_is_clean_and_what_people_do(known):
    rows = [("none", 0.0, 0.8), *((name, s, 0.5) for name, kind in CORRUPTIONS.items() for s in kind.severities)]
    table = pd.DataFrame(rows, columns=["corruption", "severity", known]).reindex(
        columns=["corruption", "severity", "accuracy", "macro_f1", "ccc_valence", "ccc_arousal"]
    )
    panels = corrupted.draw(table, 0.9).axes
    assert [panel.get_title() for panel in panels] == list(CORRUPTIONS)
    of = {panel.get_title(): panel for panel in panels}
    scale = 100 if known == "accuracy" else 1
    compression = of["compression"].lines[0]
    assert dict(zip(*compression.get_data(), strict=True))[100] == pytest.approx(0.8 * scale)
    resolution, clean = of["resolution"].lines[0], of["resolution"].lines[1]
    assert list(resolution.get_xdata()) == [24, 36, 72, 150, 300]
    assert clean.get_ydata()[0] == pytest.approx(0.8 * scale)
    assert [panel.get_title() for panel in panels if panel.texts] == ["resolution"]
    assert "Du & Martinez 2011" in of["resolution"].texts[0].get_text()
    people = [line for line in of["shift"].lines if line.get_label() == "people"]
    assert len(people) == (known == "accuracy"), "an accuracy of people says nothing of valence"


@pytest.mark.slow
def test_a_trained_model_loses_by_disturbances_and_always_the_same(run, records, tmp_path, capsys):
    corpus = open_corpus(records, "synthetic")
    network = open_model(run)
    table = robustness.measure(network, [corpus])
    pd.testing.assert_frame_equal(table, robustness.measure(network, [corpus]))
    report = json.loads((run / "report" / "report.json").read_text())["scores"]["pooled"]
    assert table["accuracy"][0] == pytest.approx(report["expression"]["accuracy"]["value"])
    assert table["ccc_valence"][0] == pytest.approx(report["valence"]["ccc"]["value"], abs=1e-5)
    by_kind = table.groupby("corruption")["accuracy"].min()
    assert by_kind["none"] > by_kind.drop("none").min()
    text = corrupted.summarise(table)
    assert len(text.splitlines()) == len(table) + 1
    assert "20 % of the side" in text
    robustness.main(run, records, tmp_path / "out", people=0.9)
    assert "shift" in capsys.readouterr().out
    written = pd.read_csv(tmp_path / "out" / "robustness.csv")
    np.testing.assert_allclose(written["accuracy"], table["accuracy"], rtol=1e-5)
    assert (tmp_path / "out" / "robustness.png").read_bytes().startswith(b"\x89PNG")


def test_a_tag_that_is_not_there_is_refused(run, records):
    with pytest.raises(UsageError, match="No record has the tag 'strict'"):
        robustness.measure(open_model(run), [open_corpus(records, "synthetic")], only="strict")
