import numpy as np
import pytest

from tfaffect.features.tracks import HIDDEN_SECONDS, Linker

SIDE = 100.0


def box(x, y=0.0, side=1.0):
    """A face of an upright shape; its centre in sides of 100 pixels, its width in them too."""
    width, height = SIDE * side, 1.3 * SIDE * side
    x, y = 1000 + SIDE * x, 500 + SIDE * y
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def overlap(first, second):
    """Intersection over union of two boxes."""
    left, top, right, bottom = (*np.maximum(first[:2], second[:2]), *np.minimum(first[2:], second[2:]))
    shared = max(0, right - left) * max(0, bottom - top)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return shared / (sum(areas) - shared)


def jittered(faces, rng, share=0.03):
    """The boxes as a detector gives them: every edge off by a share of the side."""
    return {name: tuple(np.add(face, rng.normal(0, share * (face[2] - face[0]), 4))) for name, face in faces.items()}


def follow(frames, rng=None):
    """The numbers that each person gets, in order of time; `frames` are (seconds, {person: box}).

    The detector's order of the faces is drawn anew in every frame.
    """
    linker, rng, numbers = Linker(), rng or np.random.default_rng(0), {}
    for seconds, faces in frames:
        order = [list(faces)[place] for place in rng.permutation(len(faces))]
        for name, number in zip(order, linker.link(seconds, [faces[name] for name in order]), strict=True):
            numbers.setdefault(name, []).append(number)
    return numbers


def kept(numbers):
    """Whether everybody has one number throughout, and nobody another's."""
    return all(len(set(each)) == 1 for each in numbers.values()) and len(numbers) == len(
        {each[0] for each in numbers.values()}
    )


def crossing(rate, speed, side=1.0, height=0.0, hidden=0.3, seed=0):
    """A goes right, B left behind it, of another side or height, and missed where they overlap by more than `hidden`.

    0.3 is what the detector does: of two boxes that overlap more it keeps one.
    """
    rng = np.random.default_rng(seed)
    half = max(1.5, 2 / speed)
    for seconds in np.arange(-half, half, 1 / rate) + rng.uniform(0, 1 / rate):
        faces = {"A": box(speed * seconds), "B": box(-speed * seconds, height, side)}
        if overlap(faces["A"], faces["B"]) > hidden:
            del faces["B"]
        yield 100 + seconds, jittered(faces, rng)


def test_numbers_follow_the_order_of_first_appearance():
    linker = Linker()
    assert linker.link(0.0, []) == []
    assert linker.link(0.1, [box(5), box(0)]) == [0, 1]
    assert linker.link(0.2, [box(0), box(9), box(5)]) == [1, 2, 0]
    assert linker.link(0.3, [box(-5), box(9)]) == [3, 2]
    assert all(type(number) is int for number in linker.link(0.4, [box(9)]))


@pytest.mark.parametrize("rate", [1, 5, 25, 60])
def test_still_faces_keep_their_numbers_under_the_detectors_jitter(rate):
    rng = np.random.default_rng(rate)
    frames = [(n / rate, jittered({k: box(1.3 * k) for k in range(5)}, rng, 0.05)) for n in range(100)]
    assert kept(follow(frames))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rate", "speed"), [(5, 1), (10, 2), (25, 1), (25, 4), (60, 2), (60, 4)])
def test_two_of_different_sizes_who_cross_keep_their_numbers(rate, speed, seed):
    for hidden in (0.3, 1.1):
        assert kept(follow(crossing(rate, speed, side=0.75, hidden=hidden, seed=seed)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rate", "speed"), [(5, 1), (10, 2), (25, 1), (25, 4), (60, 2), (60, 4)])
def test_two_of_different_heights_who_cross_keep_their_numbers(rate, speed, seed):
    for hidden in (0.3, 1.1):
        assert kept(follow(crossing(rate, speed, height=0.4, hidden=hidden, seed=seed)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rate", "speed"), [(10, 1), (10, 2), (25, 1), (25, 4), (60, 1), (60, 4)])
def test_speed_tells_two_of_one_size_apart_when_one_passes_behind_the_other(rate, speed, seed):
    numbers = follow(crossing(rate, speed, seed=seed))
    assert kept({name: (each[0], each[-1]) for name, each in numbers.items()})
    # The frame in which one hides the other wholly can go to either: nothing tells them apart in it.
    assert sum(number != each[0] for each in numbers.values() for number in each) <= 1


def test_two_who_pass_slowly_keep_their_numbers_though_one_is_hidden_for_over_a_second():
    frames = list(crossing(25, 0.5))
    assert sum(len(faces) == 1 for _, faces in frames) > 25
    assert kept(follow(frames))


def test_two_who_meet_and_part_keep_their_numbers():
    times = np.arange(0, 4, 0.04)
    apart = 0.6 + np.abs(times - 2)  # they overlap, and turn back
    frames = [(t, {"A": box(-d / 2), "B": box(d / 2)}) for t, d in zip(times, apart, strict=True)]
    assert kept(follow(frames))


@pytest.mark.parametrize(("rate", "missed"), [(1, 1), (5, 7), (25, 37), (60, 89)])
def test_a_face_that_is_missed_for_a_while_keeps_its_number(rate, missed):
    times = np.arange(3 * rate + missed) / rate
    found = np.ones(len(times), bool)
    found[2 * rate : 2 * rate + missed] = False
    frames = [(t, {"A": box(0.3 * t)} if there else {}) for t, there in zip(times, found, strict=True)]
    assert kept(follow(frames))


@pytest.mark.parametrize(("rate", "missed"), [(1, 2), (5, 8), (25, 39), (60, 92)])
def test_a_face_that_is_gone_longer_gets_a_new_number(rate, missed):
    assert missed / rate > HIDDEN_SECONDS
    linker = Linker()
    assert [linker.link(number / rate, [box(0)]) for number in range(rate)] == [[0]] * rate
    assert [linker.link(1 + number / rate, []) for number in range(missed)] == [[]] * missed
    assert linker.link(1 + missed / rate, [box(0)]) == [1]


def test_a_hidden_face_is_awaited_where_it_was_going():
    linker = Linker()
    for number in range(25):
        assert linker.link(number / 25, [box(2 * number / 25)]) == [0]
    for number in range(25, 40):
        linker.link(number / 25, [])
    assert linker.link(1.6, [box(2 * 0.96), box(2 * 1.6)]) == [1, 0]  # not where it was last seen


@pytest.mark.parametrize("steps", [1, 25])
def test_a_hidden_face_is_not_expected_to_run_on_for_ever(steps):
    linker = Linker()
    for number in range(50):
        linker.link(number / 25, [box(3 * number / 25)])
    for number in range(1, steps):
        linker.link(1.96 + number / steps, [])
    # 3 sides a second take it 3 * (1 - exp(-1)) = 1.9 sides on in the second after 1.96 s; undamped it would be 3.
    assert linker.link(2.96, [box(3 * 1.96 + 1.9), box(3 * 1.96 + 3)]) == [0, 1]


@pytest.mark.parametrize("step", [1 / 60, 1 / 25, 1.0])
def test_a_cut_gives_a_new_number(step):
    linker = Linker()
    for number in range(10):
        assert linker.link(number * step, [box(0), box(4)]) == [0, 1]
    assert linker.link(10 * step, [box(1.5), box(4)]) == [2, 1]
    assert linker.link(11 * step, [box(1.5, side=0.25), box(4)]) == [3, 1]  # at the same place, of another size
    assert linker.link(12 * step, [box(-5, -5), box(4)]) == [4, 1]  # up and left


def test_few_faces_keep_their_number_over_a_cut():
    """An overlap of a tenth alone would link 18 % of random pairs of faces in 720p."""
    rng, linked = np.random.default_rng(0), 0
    for _ in range(400):
        linker, shots = Linker(), []
        for _ in range(2):
            side, x, y = rng.uniform(80, 300), rng.uniform(200, 1080), rng.uniform(150, 570)
            shots.append((x - side / 2, y - 0.65 * side, x + side / 2, y + 0.65 * side))
        for number in range(10):
            linker.link(number / 25, list(jittered({"A": shots[0]}, rng).values()))
        linked += linker.link(10 / 25, [shots[1]]) == [0]
    assert linked < 0.1 * 400


def test_people_who_enter_and_leave():
    walk = [(number / 10, {}) for number in range(60)]
    for number, (_, faces) in enumerate(walk):
        faces["stays"] = box(0)
        if number < 20:
            faces["leaves"] = box(-2 - 0.1 * number)
        if number >= 30:
            faces["enters"] = box(8 - 0.1 * number)
    numbers = follow(walk)
    assert kept(numbers)
    assert {numbers["stays"][0], numbers["leaves"][0]} == {0, 1}
    assert numbers["enters"][0] == 2


@pytest.mark.parametrize("rate", [2, 5, 25, 60])
def test_a_face_that_comes_nearer_keeps_its_number(rate):
    rng = np.random.default_rng(rate)
    times = np.arange(0, 4, 1 / rate)
    frames = [(t, jittered({"A": box(0.2 * t, side=0.4 * np.exp(0.6 * t))}, rng)) for t in times]
    assert kept(follow(frames))


@pytest.mark.parametrize(("rate", "speed"), [(1, 0.5), (2, 1), (5, 3), (25, 10), (60, 10)])
def test_a_walk_is_followed_at_every_rate(rate, speed):
    frames = [(n / rate, {"A": box(speed * n / rate)}) for n in range(5 * max(rate, 2))]
    assert kept(follow(frames))


def test_uneven_steps_are_the_same_walk():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.choice([0.001, 0.02, 0.1, 0.4], 300))
    frames = [(t, jittered({"A": box(1.5 * t), "B": box(1.5 * t + 1.2)}, rng)) for t in times]
    assert kept(follow(frames))


def test_a_pause_between_two_frames_ends_no_track():
    linker = Linker()
    assert linker.link(0.0, [box(0)]) == [0]
    assert linker.link(600.0, [box(0.2)]) == [0]


@pytest.mark.parametrize("times", [[5.0] * 8, [5, 5.1, 5.1, 5.0, 0.0, 0.1, 0.1, 0.2]], ids=["still", "falling"])
def test_time_that_does_not_grow_breaks_nothing(times):
    rng = np.random.default_rng(0)
    frames = [(t, jittered({"A": box(0), "B": box(3)}, rng)) for t in times]
    assert kept(follow(frames))


def test_a_face_that_is_gone_ends_after_time_fell_too():
    linker = Linker()
    linker.link(3600.0, [box(0)])
    for number in range(40):
        linker.link(number / 10, [])
    assert linker.link(4.0, [box(0)]) == [1]


def test_boxes_without_an_area_or_a_place_disturb_nobody():
    nan = float("nan")
    linker = Linker()
    strange = [(nan,) * 4, (1000, 500, 1000, 500), (1010, 510, 990, 490)]
    for number in range(5):
        assert linker.link(number / 25, [*strange, box(0)])[-1] == 3


def test_two_hundred_people_keep_their_numbers():
    rng = np.random.default_rng(0)
    seats = {place: box(1.2 * (place % 20), 1.5 * (place // 20)) for place in range(200)}
    assert kept(follow([(number / 10, jittered(seats, rng)) for number in range(30)]))


def test_ended_tracks_are_forgotten():
    linker = Linker()
    for number in range(500):
        assert linker.link(number / 10, [box(3 * number)]) == [number]
    assert len(linker._tracks.number) <= 10 * HIDDEN_SECONDS + 2
