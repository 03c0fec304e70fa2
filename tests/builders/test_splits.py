from collections import Counter

import pytest

from tfrecords_builders import splits

EXPECTED = (
    ["subject0", "subject1", "subject3", "subject5", "subject6", "subject7"],
    ["subject2", "subject4"],
    ["subject8", "subject9"],
)


def test_draw_is_the_same_everywhere():
    groups = [f"subject{number}" for number in range(10) for _ in range(5)]
    drawn = splits.draw(groups, (0.6, 0.2, 0.2))
    by_split = {
        name: sorted(g for g, split in drawn.items() if split == name) for name in ("train", "validation", "test")
    }
    # worked out once from the BLAKE2 hashes of the names; another machine must get the same
    assert by_split == {
        "train": EXPECTED[0],
        "validation": EXPECTED[1],
        "test": EXPECTED[2],
    }
    assert splits.draw(list(reversed(groups)), (0.6, 0.2, 0.2)) == drawn


def test_draw_follows_the_shares_of_records_not_of_groups():
    groups = ["large"] * 800 + [f"small{number}" for number in range(200)]
    sizes = Counter(splits.draw(groups, (0.8, 0.1, 0.1))[group] for group in groups)
    assert sum(sizes.values()) == 1000
    assert sizes["train"] >= 800 or sizes["validation"] + sizes["test"] >= 800  # the large one is never divided


def test_draw_meets_the_shares_with_many_groups():
    groups = [str(number) for number in range(5000)]
    sizes = Counter(splits.draw(groups, (0.7, 0.2, 0.1)).values())
    assert [sizes[name] / 5000 for name in ("train", "validation", "test")] == pytest.approx([0.7, 0.2, 0.1], abs=0.001)


@pytest.mark.parametrize("count", range(3, 8))
@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.98, 0.01, 0.01), (0.1, 0.1, 0.8)])
def test_with_three_groups_or_more_every_split_gets_one(count, shares):
    groups = [f"speaker{number}" for number in range(count) for _ in range(number + 1)]
    assert set(splits.draw(groups, shares).values()) == {"train", "validation", "test"}


def test_with_fewer_groups_train_comes_first():
    assert set(splits.draw(["only"] * 5, (0.8, 0.1, 0.1)).values()) == {"train"}
    assert set(splits.draw(["one", "two"], (0.8, 0.1, 0.1)).values()) == {"train", "validation"}


def test_another_seed_draws_others():
    groups = [str(number) for number in range(100)]
    assert splits.draw(groups, (0.5, 0.25, 0.25), seed=0) != splits.draw(groups, (0.5, 0.25, 0.25), seed=1)


def test_latest_split_and_groups_in_several_splits_by_hand():
    groups = ["a", "a", "b", "b", "c", "d", "d"]
    given = ["train", "test", "train", "train", "validation", "validation", "train"]
    assert splits.latest_split(groups, given) == {"a": "test", "b": "train", "c": "validation", "d": "validation"}
    assert splits.groups_in_several_splits(groups, given) == {"a", "d"}


def test_draw_stratified_takes_the_share_of_every_stratum():
    groups = [str(number) for number in range(1000)]
    strata = ["rare" if number < 50 else "common" for number in range(1000)]
    carved = splits.draw_stratified(groups, strata, 0.1)
    assert Counter("rare" if int(group) < 50 else "common" for group in carved) == {"rare": 5, "common": 95}
    assert splits.draw_stratified(groups[::-1], strata[::-1], 0.1) == carved


def test_draw_stratified_leaves_and_takes_at_least_one_group():
    assert len(splits.draw_stratified(["a", "b", "c"], ["x", "y", "z"], 0.1)) == 1
    assert len(splits.draw_stratified(["a", "b"], ["x", "x"], 0.99)) == 1


def test_draw_stratified_never_parts_a_group():
    groups = [f"photo{number // 3}" for number in range(300)]
    carved = splits.draw_stratified(groups, ["a", "b", "c"] * 100, 0.2)
    assert len(carved) == pytest.approx(20, abs=1)
