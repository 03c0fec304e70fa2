"""Figures of groups of people, worked out by hand, and their tests against draws that are counted one by one."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from tests.scoring.test_scores import draw, predict
from tfaffect.errors import UsageError
from tfaffect.scoring import groupings
from tfaffect.scoring.group_tests import holm, p_value, permute_sums
from tfaffect.scoring.groupings import age_band, assign, in_order
from tfaffect.scoring.groups import score_groups
from tfaffect.scoring.scores import score

NEUTRAL, HAPPY, FEAR = 0, 1, 5


def by_hand():
    """32 women, 32 men and 4 people of unknown sex; the men have more neutral faces, of which a quarter is missed.

    Valence: the women's is predicted exactly, the men's only half as strong.
    """
    truth = [NEUTRAL] * 16 + [HAPPY] * 16 + [NEUTRAL] * 24 + [HAPPY] * 8 + [NEUTRAL] * 2 + [HAPPY] * 2
    predicted = [HAPPY] * 4 + [NEUTRAL] * 12 + [HAPPY] * 16 + [HAPPY] * 6 + [NEUTRAL] * 18 + [HAPPY] * 8
    predicted += [NEUTRAL] * 2 + [HAPPY] * 2
    valence = np.tile([0.5, -0.5], 34)
    guess = np.where(np.arange(68) < 32, valence, valence / 2)
    table = predict(truth, predicted, valence=(valence, guess))
    return table.assign(sex=["Female"] * 32 + ["Male"] * 32 + [""] * 4)


def scored(table, by=("sex",), **options):
    (grouping,) = score_groups(table, assign(table, by), **{"resamples": 0, **options}).values()
    return grouping


def value(figure):
    return figure["value"]


def test_the_figures_of_groups_by_hand():
    women, men, unknown = (scored(by_hand())["values"][name] for name in ("Female", "Male", "not given"))
    assert (women["records"], women["people"], unknown["records"]) == (32, 32, 4)
    assert [own["expression"]["ranked"] for own in (women, men, unknown)] == [True, True, False]
    assert value(women["expression"]["accuracy"]) == pytest.approx(28 / 32)
    assert value(men["expression"]["accuracy"]) == pytest.approx(26 / 32)
    assert value(women["expression"]["uar"]) == value(men["expression"]["uar"]) == pytest.approx((3 / 4 + 1) / 2)
    assert value(women["expression"]["macro_f1"]) == pytest.approx((24 / 28 + 32 / 36) / 2)
    assert value(men["expression"]["macro_f1"]) == pytest.approx((36 / 42 + 16 / 22) / 2)
    assert value(women["expression"]["ece"]) == pytest.approx(28 / 32 - 0.75)
    assert value(men["expression"]["ece"]) == pytest.approx(26 / 32 - 0.75)
    assert value(unknown["expression"]["ece"]) == pytest.approx(0.25)
    assert value(women["valence"]["ccc"]) == pytest.approx(1)
    assert value(men["valence"]["ccc"]) == pytest.approx(2 * 0.125 / (0.25 + 0.0625))
    assert value(men["valence"]["rmse"]) == pytest.approx(0.25)
    assert women["arousal"] is None


def test_a_gap_that_only_the_class_mix_makes_goes_when_the_mix_is_equal():
    result = scored(by_hand())
    shares = {name: share for name, share in result["class_shares"].items() if share}
    assert shares == pytest.approx({"neutral": 42 / 68, "happiness": 26 / 68})
    gap = result["gap"]["expression"]
    assert value(gap["accuracy"]) == pytest.approx(2 / 32)
    assert (gap["accuracy"]["best"], gap["accuracy"]["worst"]) == ("Female", "Male")
    assert (gap["ece"]["best"], gap["ece"]["worst"]) == ("Male", "Female")
    equal = [value(result["values"][sex]["expression"]["accuracy_equal_mix"]) for sex in ("Female", "Male")]
    assert equal == pytest.approx([(0.75 * 42 + 26) / 68] * 2)
    assert value(gap["accuracy_equal_mix"]) == pytest.approx(0, abs=1e-12)
    assert value(gap["macro_f1_equal_mix"]) == pytest.approx(0, abs=1e-12)
    valence = result["gap"]["valence"]
    assert [value(valence[name]) for name in ("ccc", "rmse")] == pytest.approx([0.2, 0.25])
    assert valence["rmse"]["best"] == "Female"


def test_a_class_that_a_ranked_group_lacks_is_named_and_left_out_of_the_equal_mix():
    table = by_hand()
    table.loc[:3, ["true_neutral", "true_fear"]] = 0.0, 1.0
    result = scored(table)
    assert result["left_out"] == ["fear"]
    assert result["class_shares"]["fear"] == 0
    assert sum(result["class_shares"].values()) == pytest.approx(1)
    assert "fear" in result["values"]["Male"]["expression"]["lacks"]
    assert "fear" not in result["values"]["Female"]["expression"]["lacks"]
    women = value(result["values"]["Female"]["expression"]["accuracy_equal_mix"])
    assert women == pytest.approx(1)  # the four fearful faces were its only mistakes


def test_small_groups_and_unknown_people_are_named_but_not_ranked():
    table = by_hand()
    table["sex"] = ["a"] * 30 + ["b"] * 29 + ["c"] * 5 + ["Unknown"] * 4
    result = scored(table)
    assert list(result["values"]) == ["a", "b", "c", "not given"]
    assert [own["expression"]["ranked"] for own in result["values"].values()] == [True, False, False, False]
    assert result["gap"]["expression"] == {}
    many = scored(pd.concat([by_hand().assign(sex="")] * 20, ignore_index=True).assign(sex=[""] * 1000 + ["x"] * 360))
    assert not many["values"]["not given"]["expression"]["ranked"]


def test_coverage_and_accuracy_at_a_threshold_by_hand():
    truth, predicted = [NEUTRAL] * 80, [NEUTRAL] * 36 + [HAPPY] * 4 + [NEUTRAL] * 40
    confidence = np.array([0.95] * 20 + [0.55] * 16 + [0.95] * 4 + [0.95] * 4 + [0.55] * 36)
    table = predict(truth, predicted, confidence=confidence).assign(sex=["f"] * 40 + ["m"] * 40)
    result = scored(table, thresholds=(0.5, 0.9))
    women, men = (result["values"][sex]["expression"]["abstain"] for sex in "fm")
    assert [row["threshold"] for row in women] == [0.5, 0.9]
    assert [(value(row["coverage"]), value(row["accuracy"])) for row in women] == [(1, 0.9), (24 / 40, 20 / 24)]
    assert [(value(row["coverage"]), value(row["accuracy"])) for row in men] == [(1, 1), (4 / 40, 1)]


def test_the_intervals_are_those_of_people_drawn_one_by_one():
    table = draw(n=200, groups=20)
    table["sex"] = np.where(table["group"] % 2, "f", "m")
    both = table["group"] == 3
    table.loc[both, "sex"] = np.resize(["f", "m"], both.sum())
    result = scored(table, resamples=60, seed=5)
    people = [rows for _, rows in table.groupby("group")]
    drawn = []
    for picks in np.random.default_rng(5).integers(20, size=(60, 20)):
        again = pd.concat([people[place] for place in picks])
        parts = [score(again[again["sex"] == sex], resamples=0) for sex in "fm"]
        drawn.append([[value(part[head][name]) for head, name in FIGURES] for part in parts])
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    for group, sex in enumerate("fm"):
        figures = [result["values"][sex][head][name] for head, name in FIGURES]
        assert [figure["low"] for figure in figures] == pytest.approx(list(low[group]))
        assert [figure["high"] for figure in figures] == pytest.approx(list(high[group]))
    for place, (head, name) in enumerate(FIGURES):
        gap, column = result["gap"][head][name], np.array(drawn)[:, :, place]
        difference = column[:, "fm".index(gap["best"])] - column[:, "fm".index(gap["worst"])]
        expected = np.percentile(difference if name != "rmse" else -difference, (2.5, 97.5))
        assert [gap["low"], gap["high"]] == pytest.approx(list(expected))


def test_the_interval_of_the_calibration_error_is_reversed_around_its_value():
    """Two people of 30 faces: both right, both wrong, or one of each, so drawn errors are 0.25, 0.75 and 0.25."""
    table = predict([NEUTRAL] * 60, [NEUTRAL] * 30 + [HAPPY] * 30, group=["one"] * 30 + ["two"] * 30).assign(sex="f")
    ece = scored(table, resamples=200)["values"]["f"]["expression"]["ece"]
    assert value(ece) == pytest.approx(0.25)
    assert (ece["low"], ece["high"]) == (0, pytest.approx(2 * 0.25 - 0.25))


def test_a_single_person_has_no_interval():
    table = by_hand().assign(group=["she"] * 32 + [str(i) for i in range(36)])
    result = scored(table, resamples=50)
    assert result["values"]["Female"]["expression"]["accuracy"] == {"value": 28 / 32, "low": None, "high": None}
    assert result["values"]["Male"]["expression"]["accuracy"]["low"] is not None
    assert result["gap"]["expression"]["accuracy"]["low"] is None
    assert result["gap"]["expression"]["accuracy"]["p"] is not None


FIGURES = (
    *(("expression", name) for name in ("accuracy", "uar", "macro_f1")),
    *(("valence", name) for name in ("ccc", "rmse")),
)


def test_the_p_value_is_that_of_all_ways_to_share_out_the_groups():
    """Ten people of ten faces, five of them women: 252 ways. Right faces of each person, then the exact p."""
    right = np.array([9, 9, 8, 7, 8, 5, 6, 8, 4, 6])
    predicted = np.concatenate([[NEUTRAL] * n + [HAPPY] * (10 - n) for n in right])
    table = predict([NEUTRAL] * 100, predicted, group=np.repeat(np.arange(10), 10))
    table["sex"] = np.repeat(["f"] * 5 + ["m"] * 5, 10)
    gaps = [abs(2 * right[list(women)].sum() - right.sum()) / 50 for women in combinations(range(10), 5)]
    exact = np.mean([gap >= 12 / 50 - 1e-9 for gap in gaps])
    assert exact == 8 / 252
    gap = scored(table, resamples=4000)["gap"]["expression"]["accuracy"]
    assert value(gap) == pytest.approx(41 / 50 - 29 / 50)
    assert gap["p"] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_faces_that_are_permuted_one_by_one_would_give_a_p_that_is_too_small():
    """Four people of 30 faces: two women are right, two men wrong. 2 of the 6 ways to share out the sexes do this."""
    table = predict([NEUTRAL] * 120, [NEUTRAL] * 60 + [HAPPY] * 60, group=np.repeat(np.arange(4), 30))
    table["sex"] = ["f"] * 60 + ["m"] * 60
    assert scored(table, resamples=1000)["gap"]["expression"]["accuracy"]["p"] == pytest.approx(2 / 6, abs=0.03)


def test_labels_stay_with_people_who_have_several_and_in_their_corpus():
    labels = np.array([0, 0, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1])
    people = np.array([0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5])
    corpora = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    terms = csr_array(np.eye(12))
    (sums,) = permute_sums(terms, labels, people, corpora, 300, seed=1)
    assert sums.shape == (300, 2, 12)
    assert (sums.sum(axis=1) == 1).all()  # every face is in one group
    changed = sums[:, 1].astype(int)
    for person in (0, 1, 3):  # whole, and with the three labels 0, 1, 0 among them
        assert (np.ptp(changed[:, people == person], axis=1) == 0).all()
    assert {tuple(row) for row in changed[:, [0, 2, 7]]} == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}
    assert {tuple(row) for row in changed[:, people == 2]} == {(0, 1, 1), (1, 0, 1), (1, 1, 0)}
    assert (changed[:, corpora == 1] == 1).all()


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_p_counts_the_observed_order_as_one():
    assert p_value(0.5, np.array([0.1, 0.5, 0.6, 0.2])) == pytest.approx(3 / 5)
    assert p_value(0.7, np.zeros(999)) == pytest.approx(0.001)


def test_the_correction_counts_all_tests_of_all_groupings():
    table = draw(n=150, groups=150).assign(sex=np.resize(["f", "m"], 150), age=np.repeat(["25", "35", "45"], 50))
    result = score_groups(table, assign(table), resamples=40, seed=3)
    assert list(result) == ["sex", "age"]
    gaps = [gap for own in result.values() for figures in own["gap"].values() for gap in figures.values()]
    assert [own["tests"] for own in result.values()] == [16, 16]  # six figures of the classes, two of valence, twice
    assert [gap["p_holm"] for gap in gaps] == pytest.approx(holm([gap["p"] for gap in gaps]))
    assert (result["sex"]["seed"], result["sex"]["resamples"], result["sex"]["permutations"]) == (3, 40, 200)


def test_without_a_gap_small_p_values_are_as_rare_as_they_say():
    p_values = []
    for seed in range(120):
        table = draw(n=120, groups=30, seed=seed)
        sexes = np.random.default_rng(1000 + seed).permutation(np.resize(["f", "m"], 30))
        table["sex"] = sexes[table["group"]]
        p_values.append(scored(table, resamples=20, seed=seed)["gap"]["expression"]["accuracy"]["p"])
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.09)  # 3 standard errors are 0.08
    assert 3 <= np.sum(np.array(p_values) <= 0.1) <= 24  # 12 expected; outside with probability 0.001


@pytest.mark.parametrize(
    ("text", "band"),
    [
        *(("0", "under 20"), ("19.9", "under 20"), ("20", "20-29"), ("29.9", "20-29"), ("69", "60-69")),
        *(("70", "70 and over"), ("103", "70 and over"), ("-1", "not given"), ("999", "not given")),
        *(("4-19", "4-19"), ("70+", "70+"), ("Adult", "Adult")),
    ],
)
def test_bands_of_age(text, band):
    assert age_band(text) == band


def test_groups_are_in_order_of_age_and_the_unknown_are_last():
    assert in_order({"70+", "not given", "4-19", "0-3", "20-39"}) == ["0-3", "4-19", "20-39", "70+", "not given"]
    assert in_order({"70 and over", "20-29", "under 20"}) == ["under 20", "20-29", "70 and over"]
    assert in_order({"m / 20-29", "f / 30-39", "f / under 20"}) == ["f / under 20", "f / 30-39", "m / 20-29"]


@pytest.fixture
def people():
    table = predict([NEUTRAL] * 5, [NEUTRAL] * 5).assign(
        sex=["female", "Female", "Female", "male", "unsure"], age=["25", "4-19", "", "71", "30"], ethnicity=""
    )
    table["tags"] = ["strict", "strict,dark", "", "dark", ""]
    return table


def test_what_faces_are_grouped_by(people, tmp_path):
    assert list(assign(people)) == ["sex", "age"]  # no record gives an ethnicity
    sex, age = assign(people, ("sex", "age")).values()
    assert list(sex) == ["Female", "Female", "Female", "male", "not given"]
    assert list(age) == ["20-29", "4-19", "not given", "70 and over", "30-39"]
    (crossed,) = assign(people, ("sex,age",)).values()
    expected = ["Female / 20-29", "Female / 4-19", "not given", "male / 70 and over", "not given"]
    assert list(crossed) == expected
    assert list(assign(people, ("dark",))["dark"]) == ["not dark", "dark", "not dark", "dark", "not dark"]


@pytest.mark.parametrize(
    "text", ["key,group\nface 0,left\nface 3,right\nother,left\n", "key;group\nface 0;left\nface 3;right\nother;left\n"]
)
def test_groups_of_a_table(people, tmp_path, text):
    path = tmp_path / "half, of face.csv"
    path.write_text(text)
    grouping = assign(people, (str(path),))
    assert list(grouping["half, of face"]) == ["left", "not given", "not given", "right", "not given"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("face,group\n1,2\n", "needs the columns key and group"),
        ("key,group\nface 0,a\nface 0,b\n", "gives the key 'face 0' two groups, the second one in line 3"),
        ("key,group\nface 0\n", "Line 2 of .* needs a key and a group"),
        ("key,group\nsomebody,a\n", "has none of the keys of these records. The first record has the key 'face 0'"),
    ],
)
def test_a_table_of_groups_that_cannot_be_used_is_refused(people, tmp_path, text, message):
    path = tmp_path / "halves.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        assign(people, (str(path),))


def test_a_table_cannot_tell_two_corpora_with_the_same_keys_apart(people, tmp_path):
    path = tmp_path / "halves.csv"
    path.write_text("key,group\nface 0,a\n")
    with pytest.raises(UsageError, match="Two corpora have the same keys"):
        assign(pd.concat([people, people.assign(corpus="two")], ignore_index=True), (str(path),))


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (("ethnicity",), "No record of one says ethnicity"),
        (("sexx",), r"a tag of these records \(dark, strict\).* Received: 'sexx'. Did you mean sex\?"),
        (("sex", "sex"), "needs a name of its own"),
        ((",",), "needs a name of its own"),
    ],
)
def test_what_nobody_can_be_grouped_by_is_refused(people, by, message):
    with pytest.raises(UsageError, match=message):
        assign(people, by)


def test_the_unknown_words_are_those_of_the_corpora():
    from tfrecords_builders.raf_db import SEX

    assert SEX[2] in groupings.UNKNOWN
