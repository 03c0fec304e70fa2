import json

import numpy as np
import pandas as pd
import pytest

from tfaffect import robustness
from tfaffect.errors import UsageError
from tfaffect.records.corruptions import CORRUPTIONS, blur, cover, darken, shift, turn, zoom
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
