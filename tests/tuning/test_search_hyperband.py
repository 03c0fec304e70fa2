"""Hyperband by hand: how many configs train for how long, and who goes on."""

import pytest

from tfaffect.tuning.hyperband import Bracket, State, make_brackets, next_promotion

THREE = Bracket(first=1, sizes=(4, 2, 1), epochs=(2, 4, 12))


def ended(until, score):
    return State(until, True, score)


def test_brackets_share_out_the_configs_that_were_asked_for():
    # 12 epochs: factor 3 halves twice; shares 9/3 : 3/2 : 1 of 7 are 3.8, 1.9 and 1.3
    found = make_brackets(7, epochs=12)
    assert found == [
        Bracket(1, (4, 1, 1), (2, 4, 12)),
        Bracket(5, (2, 1), (4, 12)),
        Bracket(7, (1,), (12,)),
    ]
    # 4 x 2, and the one that goes on 2 and 8 more; 2 x 4 and 8 more; 12
    assert [bracket.total_epochs for bracket in found] == [18, 16, 12]


@pytest.mark.parametrize("trials", [0, 1, 2, 7, 19, 100])
@pytest.mark.parametrize("epochs", [1, 2, 3, 12, 100])
def test_every_config_is_in_one_bracket_and_the_last_rung_is_the_whole_run(trials, epochs):
    found = make_brackets(trials, epochs)
    numbers = [number for bracket in found for number in range(bracket.first, bracket.first + bracket.sizes[0])]
    assert numbers == list(range(1, trials + 1))
    for bracket in found:
        assert bracket.epochs[-1] == epochs
        assert list(bracket.sizes) == sorted(bracket.sizes, reverse=True)
        assert bracket.sizes[-1] >= 1


def test_nobody_goes_on_before_all_of_a_rung_have_ended():
    states = {1: ended(2, 0.5), 2: ended(2, 0.9), 3: ended(2, 0.1)}
    assert next_promotion(THREE, states) is None
    assert next_promotion(THREE, states | {4: State(2, False)}) is None


def test_the_best_go_on_one_after_the_other_to_the_top():
    states = {1: ended(2, 0.5), 2: ended(2, 0.9), 3: ended(2, 0.1), 4: ended(2, 0.6)}
    assert next_promotion(THREE, states) == (2, 4)
    states[2] = State(4, False)
    assert next_promotion(THREE, states) == (4, 4)
    states[4] = ended(4, 0.7)
    assert next_promotion(THREE, states) is None  # trial 2 is still on its way to epoch 4
    states[2] = ended(4, 0.65)
    assert next_promotion(THREE, states) == (4, 12)
    states[4] = ended(12, 0.8)
    assert next_promotion(THREE, states) is None


def test_of_equals_the_earlier_goes_on():
    states = {number: ended(2, 0.5) for number in range(1, 5)}
    assert next_promotion(THREE, states) == (1, 4)


def test_a_trial_that_failed_is_not_waited_for():
    states = {1: ended(2, None), 2: ended(2, 0.4), 3: ended(2, None), 4: ended(2, None)}
    assert next_promotion(THREE, states) == (2, 4)
    states[2] = ended(4, 0.4)  # one of two places stays empty
    assert next_promotion(THREE, states) == (2, 12)
    states[2] = ended(12, None)
    assert next_promotion(THREE, states) is None
    assert next_promotion(THREE, {number: ended(2, None) for number in range(1, 5)}) is None
