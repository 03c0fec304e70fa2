"""The embedded corpus: its labels say what its pictures show, and both are the same in every run."""

import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tests import ROOT
from tfaffect.labels import CLASSES, Expression
from tfrecords_builders.drawing import SIDE, Scene
from tfrecords_builders.drawn_face import Actions, DrawnFace, Look
from tfrecords_builders.synthetic import (
    AFFECT_OF_EXPRESSION,
    EDGE_SHIFT,
    EDGE_SPREAD,
    PROTOTYPES,
    Synthetic,
    affect,
    draw_actions,
    draw_mixture,
)

LOOK = Look(skin=(0, 255, 0), hair=(40, 30, 30), iris=(70, 110, 60), cloth=(30, 60, 120))


@pytest.fixture(scope="module")
def faces():
    return list(Synthetic().faces(Path()))


def weights_of(expression, intensity):
    weights = np.zeros(len(Expression))
    weights[expression] = intensity
    return weights


def portrait_of(expression, intensity):
    return DrawnFace(LOOK, draw_actions(weights_of(expression, intensity), np.random.default_rng(0), noise=0), Scene())


def difference(first, second):
    return np.abs(first().astype(int) - second().astype(int)).mean()


def test_every_face_has_its_own_key_and_its_subject_as_group(faces):
    assert len(faces) == len({face.key for face in faces}) == 8000
    assert set(Counter(face.group for face in faces).values()) == {50}
    assert {face.split for face in faces} == {None}


def test_four_tenths_class_three_tenths_affect_three_tenths_both(faces):
    kinds = Counter((face.expression is not None, face.valence is not None) for face in faces)
    assert kinds == {(True, False): 3200, (False, True): 2400, (True, True): 2400}
    assert all((face.valence is None) == (face.arousal is None) for face in faces)


def test_classes_are_balanced_and_a_tenth_of_the_faces_has_votes(faces):
    votes = [face.expression for face in faces if face.expression is not None]
    assert Counter(max(vote, key=vote.get) for vote in votes) == dict.fromkeys(CLASSES, 700)
    assert sum(len(vote) > 1 for vote in votes) == 800
    assert all(sum(vote.values()) == 10 and max(vote.values()) >= 8 for vote in votes)
    assert all(code in Synthetic.expressions for vote in votes for code in vote)


def test_affect_stays_in_range_and_fills_it(faces):
    values = np.array([(face.valence, face.arousal) for face in faces if face.valence is not None])
    assert np.abs(values).max() <= 1
    assert values.min(0) == pytest.approx([-0.64, -0.27], abs=0.02)
    assert values.max(0) == pytest.approx([0.81, 0.67], abs=0.02)


def test_affect_is_the_weighted_sum_of_the_coordinates():
    weights = np.zeros(8)
    weights[[Expression.HAPPINESS, Expression.SURPRISE]] = 0.5, 0.25
    assert affect(weights) == pytest.approx((0.5 * 0.81 + 0.25 * 0.40, 0.5 * 0.51 + 0.25 * 0.67))
    assert affect(weights_of(Expression.NEUTRAL, 1)) == (0, 0)


def test_a_class_is_shown_at_one_intensity_for_both_dimensions(faces):
    for face in faces:
        if face.expression is not None and face.valence is not None and "neutral" not in face.expression:
            (name,) = face.expression
            valence, arousal = AFFECT_OF_EXPRESSION[Expression[name.upper()]]
            assert 0.75 <= face.valence / valence <= 1
            assert face.arousal / arousal == pytest.approx(face.valence / valence)


def test_neutral_faces_are_close_to_the_origin(faces):
    neutral = [face for face in faces if face.expression == {"neutral": 10} and face.valence is not None]
    assert max(np.hypot(face.valence, face.arousal) for face in neutral) <= 0.1001 * np.hypot(0.81, 0.51)


def test_votes_are_the_shares_of_the_drawn_mixture():
    weights, votes = draw_mixture(Expression.FEAR, "votes", np.random.default_rng(3))
    assert {
        CLASSES[place]: count for place, count in enumerate(10 * weights / weights.sum()) if count
    } == pytest.approx(votes)


def test_actions_are_the_weighted_prototypes():
    rng = np.random.default_rng(0)
    assert draw_actions(weights_of(Expression.ANGER, 1), rng, noise=0) == PROTOTYPES[Expression.ANGER]
    assert draw_actions(weights_of(Expression.SURPRISE, 0.5), rng, noise=0).jaw_drop == 0.5
    corners = [draw_actions(weights_of(Expression.CONTEMPT, 1), rng, noise=0).one_corner_puller for _ in range(50)]
    assert set(corners) == {-1, 1}


def test_pictures_are_the_same_in_every_process(faces):
    code = (
        "from hashlib import sha256; from itertools import islice; from tfrecords_builders.synthetic import Synthetic\n"
        "print(*(sha256(face.image().tobytes()).hexdigest() for face in islice(Synthetic().faces(None), 8)))"
    )
    root = ROOT
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [sha256(face.image().tobytes()).hexdigest() for face in faces[:8]]


def test_another_seed_draws_other_people():
    first, second = (next(iter(Synthetic(seed=seed).faces(Path()))) for seed in (0, 1))
    assert first.image.look != second.image.look
    assert difference(first.image, second.image) > 5


def test_a_person_looks_the_same_in_all_pictures_and_unlike_the_next(faces):
    assert len({face.image.look for face in faces[:50]}) == 1
    assert len({face.image.look for face in faces}) == 160
    assert len({face.image.scene for face in faces}) == 8000


def test_a_face_survives_pickling(faces):
    copy = pickle.loads(pickle.dumps(faces[7]))
    assert copy == faces[7]
    np.testing.assert_array_equal(copy.image(), faces[7].image())


def test_pictures_are_rgb_and_boxes_lie_inside(faces):
    picture = faces[0].image()
    assert (picture.shape, picture.dtype) == ((SIDE, SIDE, 3), np.uint8)
    boxes = np.array([face.box for face in faces])
    assert boxes.min() > 0
    assert boxes.max() < SIDE
    assert ((boxes[:, 2:] - boxes[:, :2]).min(0) > (40, 50)).all()


def test_boxes_lie_about_the_outline_as_a_detectors_do(faces):
    """Crops of exact outlines taught a network that failed on detected faces."""
    outlines, boxes = (
        np.array([box(face) for face in faces]) for box in (lambda face: face.image.box, lambda face: face.box)
    )
    off = (boxes - outlines) / (outlines[:, 3:] - outlines[:, 1:2])
    np.testing.assert_allclose(off.mean(axis=0), EDGE_SHIFT, atol=0.005)
    np.testing.assert_allclose(off.std(axis=0), EDGE_SPREAD, atol=0.005)


@pytest.mark.parametrize("actions", [Actions(), Actions(jaw_drop=1)], ids=["rest", "open"])
@pytest.mark.parametrize("scene", [Scene(), Scene(x=70.3, y=58.6, pixels=35, degrees=12)], ids=["plain", "turned"])
def test_the_box_is_the_extent_of_the_skin(actions, scene):
    face = DrawnFace(replace(LOOK, bald=True), actions, scene)
    rows, columns = np.nonzero((face() == LOOK.skin).all(axis=2))
    drawn = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert drawn == pytest.approx(face.box, abs=1.5)


@pytest.mark.parametrize("expression", list(Expression)[1:])
def test_intensity_is_visible(expression):
    neutral, half, full = (portrait_of(expression, intensity) for intensity in (0, 0.5, 1))
    assert difference(neutral, full) > difference(neutral, half) > 0.3


def test_contempt_is_one_sided_and_happiness_is_not():
    def asymmetry(expression):
        picture = portrait_of(expression, 1)()[76:92, 40:88].astype(int)  # the mouth of a face in the middle
        return np.abs(picture - picture[:, ::-1]).mean()

    assert asymmetry(Expression.CONTEMPT) > 3 * asymmetry(Expression.HAPPINESS)
