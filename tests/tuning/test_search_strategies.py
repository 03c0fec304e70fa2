"""What the strategies propose, asked without a single training; and that a kill between any two words loses nothing."""

import json
from dataclasses import replace

import keras_tuner
import pytest

from tfaffect.config import Config
from tfaffect.tuning import strategies
from tfaffect.tuning.settings import Settings

HEADS = ("expression", "valence", "arousal")
BASE = Config(corpora=("fer_plus",), weights="imagenet", gradual_unfreezing="on", discriminative_rates="on", epochs=12)
pytestmark = pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")  # keras-tuner 1.4.8


def settings(strategy, trials=8, seeds=1, knobs=(), config=BASE):
    return Settings(config, strategy, trials=trials, seeds=seeds, knobs=knobs)


class Asked:
    """An oracle, asked and told like a worker would; `score` stands for training."""

    def __init__(self, folder, wanted, score=lambda config: config.learning_rate):
        self.wanted, self.score, self.words, self.begun = wanted, score, [], []
        self.path = folder / "oracle.json"
        self.restart()

    def restart(self):
        """What is not in the file is lost."""
        space = strategies.make_space(self.wanted, HEADS)
        self.oracle = strategies.make_oracle(self.wanted, space, self.path, self.words.append)

    def config(self, trial):
        return strategies.configure(trial.hyperparameters, self.wanted, HEADS)

    def ask(self, worker="one"):
        return self.oracle.create_trial(worker)

    def tell(self, trial, failed=False):
        if failed:
            trial.status, trial.message = "FAILED", "it failed"
        else:
            trial.status = "COMPLETED"
            self.oracle.update_trial(trial.trial_id, {"score": self.score(self.config(trial))})
        self.oracle.end_trial(trial)

    def finish(self, killed=False):
        """Ask and tell to the end; `killed` before and after every word."""
        while (trial := self.ask()).status == "RUNNING":
            self.begun.append((trial.trial_id, self.config(trial), trial.hyperparameters.values.get(strategies.EPOCHS)))
            if killed:
                self.restart()
                again = self.ask()
                assert (again.trial_id, self.config(again)) == (trial.trial_id, self.config(trial))
                trial = again
            self.tell(trial)
            if killed:
                self.restart()
        return self.begun


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband"])
def test_the_first_trial_is_the_config_itself_and_no_other_is(tmp_path, strategy):
    begun = Asked(tmp_path, settings(strategy)).finish()
    assert begun[0][1] == BASE
    assert begun[0][2] in (None, 12)  # and never halved
    assert all(config != BASE for _, config, _ in begun[1:])
    assert len({name for name, _, _ in begun}) == 8


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband", "combinations"])
def test_a_search_that_is_killed_at_every_word_proposes_what_it_would_have(tmp_path, strategy):
    wanted = settings(strategy, seeds=2)
    whole = Asked(tmp_path / "whole", wanted).finish()
    assert Asked(tmp_path / "killed", wanted).finish(killed=True) == whole


def test_the_seed_decides_the_trials(tmp_path):
    seeds = [0, 0, 1]
    begun = [
        Asked(tmp_path / str(place), settings("random", config=replace(BASE, seed=seed))).finish()
        for place, seed in enumerate(seeds)
    ]
    assert begun[0] == begun[1]
    assert begun[0][1:] != begun[2][1:]


def test_bayesian_search_leaves_chance_behind_after_a_third_of_its_trials(tmp_path):
    """Of one knob whose highest value is the best, proposals gather there; random ones do not."""
    wanted = settings("bayesian", trials=12, knobs=("dropout",))
    begun = Asked(tmp_path, wanted, score=lambda config: config.dropout).finish()
    assert min(config.dropout for _, config, _ in begun[8:]) > 0.4


def test_combinations_run_all_four_with_each_seed_in_turn(tmp_path):
    begun = Asked(tmp_path, settings("combinations", seeds=2, config=replace(BASE, seed=5))).finish()
    found = [(c.gradual_unfreezing, c.discriminative_rates, c.seed) for _, c, _ in begun]
    pairs = [("off", "off"), ("on", "off"), ("off", "on"), ("on", "on")]
    assert found == [(*pair, seed) for seed in (5, 6) for pair in pairs]
    assert all(replace(c, seed=0, gradual_unfreezing="on", discriminative_rates="on") == BASE for _, c, _ in begun)


def test_hyperband_gives_the_best_of_a_rung_more_epochs_as_the_same_trial(tmp_path):
    # by hand, see test_search_hyperband: four for 2 epochs, one of them for 4 and 12; two for 4, one for 12; one for 12
    begun = Asked(tmp_path, settings("hyperband")).finish()
    names = [name for name, _, _ in begun]
    assert [until for _, _, until in begun] == [12, 2, 2, 2, 2, 4, 12, 4, 4, 12, 12]
    rates = {name: config.learning_rate for name, config, _ in begun}
    best = max(names[1:5], key=rates.get)
    assert names[5:7] == [best, best]
    assert names[9] == max(names[7:9], key=rates.get)
    assert begun[5][1] == next(config for name, config, _ in begun if name == best)


def test_hyperband_goes_on_when_trials_fail(tmp_path):
    asked = Asked(tmp_path, settings("hyperband"))
    asked.tell(asked.ask())
    for failed in (True, False, True, False):
        asked.tell(asked.ask(), failed)
    assert asked.ask().hyperparameters.values[strategies.EPOCHS] == 4


def test_with_several_workers_hyperband_begins_others_while_a_rung_is_waited_for(tmp_path):
    asked = Asked(tmp_path, settings("hyperband"))
    running = [asked.ask(f"worker {number}") for number in range(8)]
    assert [trial.hyperparameters.values[strategies.EPOCHS] for trial in running] == [12, 2, 2, 2, 2, 4, 4, 12]
    assert asked.ask("idle").status == "IDLE"
    for trial in running[:5]:
        asked.tell(trial)
    assert asked.ask("idle").hyperparameters.values[strategies.EPOCHS] == 4


def test_a_trial_that_failed_is_not_tried_again_and_ends_nothing(tmp_path):
    asked = Asked(tmp_path, settings("random", trials=6))
    names = []
    while (trial := asked.ask()).status == "RUNNING":
        names.append(trial.trial_id)
        asked.tell(trial, failed=True)
        asked.restart()
    assert names == ["0", "1", "2", "3", "4", "5"]


def test_after_a_restart_the_running_trials_go_first_and_none_is_lost(tmp_path):
    asked = Asked(tmp_path, settings("random", trials=3))
    first, second = asked.ask("one"), asked.ask("two")
    asked.restart()
    again = [asked.ask("two"), asked.ask("one")]
    assert [trial.trial_id for trial in again] == [first.trial_id, second.trial_id]
    for trial in again:
        asked.tell(trial)
    asked.tell(asked.ask())
    assert asked.ask().status == "STOPPED"


def test_a_kill_amid_the_writing_of_the_state_leaves_the_one_before(tmp_path, monkeypatch):
    asked = Asked(tmp_path, settings("random"))
    asked.tell(asked.ask())
    before = asked.path.read_text()

    def killed(*_):
        raise SystemExit

    monkeypatch.setattr(json, "dumps", killed)
    with pytest.raises(SystemExit):
        asked.oracle.save()
    monkeypatch.undo()
    assert asked.path.read_text() == before
    # keras-tuner's own files, which it writes in place, are not there
    assert {path.name for path in tmp_path.iterdir()} == {"oracle.json"}


def test_the_oracle_says_when_a_trial_began_and_when_which_ended(tmp_path):
    asked = Asked(tmp_path, settings("random", trials=2))
    asked.finish()
    assert asked.words == [None, "0", None, "1"]


LOSS_AND_WEIGHTS = ("expression_loss", "class_weights")
ALL_STRATEGIES = ("random", "bayesian", "hyperband", "combinations")


def without_promotions(begun):
    """The configs in order of start; Hyperband starts a promoted trial again."""
    return [*{name: config for name, config, _ in begun}.values()]


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband"])
@pytest.mark.parametrize(
    ("knobs", "configs"),
    [(LOSS_AND_WEIGHTS, 6), (("class_weights",), 3)],
)
def test_choices_are_tried_once_each_and_then_the_search_ends(tmp_path, strategy, knobs, configs):
    begun = Asked(tmp_path, settings(strategy, trials=20, knobs=knobs), score=lambda config: 0.5).finish()
    tried = without_promotions(begun)
    assert len(tried) == configs
    assert all(config not in tried[:place] for place, config in enumerate(tried))


def test_combinations_end_when_each_ran_with_each_seed(tmp_path):
    tried = without_promotions(Asked(tmp_path, settings("combinations", trials=20, seeds=2)).finish())
    assert [config.seed for config in tried] == [0] * 4 + [1] * 4
    assert all(config not in tried[:place] for place, config in enumerate(tried))


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband"])
def test_no_config_is_tried_twice_where_the_best_one_lies_on_the_corner(tmp_path, strategy):
    """The highest rate without dropout is the best of all, so every proposal of the Gaussian process wants to be it."""
    knobs = ("learning_rate", "dropout", "class_weights")
    wanted = settings(strategy, trials=24, knobs=knobs)
    tried = without_promotions(
        Asked(tmp_path, wanted, score=lambda config: 20 * config.learning_rate - config.dropout).finish()
    )
    assert len(tried) == 24
    assert all(config not in tried[:place] for place, config in enumerate(tried))


@pytest.mark.parametrize("strategy", ALL_STRATEGIES)
def test_several_workers_never_train_the_same_config(tmp_path, strategy):
    """Three workers ask before any of them tells, and one of them fails each time."""
    wanted = settings(strategy, trials=20, seeds=2, knobs=() if strategy == "combinations" else LOSS_AND_WEIGHTS)
    asked, configs = Asked(tmp_path, wanted, score=lambda config: 0.5), {}
    for _ in range(40):
        running = [trial for name in "abc" if (trial := asked.ask(name)).status == "RUNNING"]
        for place, trial in enumerate(running):
            config = asked.config(trial)
            assert configs.setdefault(trial.trial_id, config) == config
            asked.tell(trial, failed=place == 2)
    assert asked.ask("a").status == "STOPPED"
    tried = [*configs.values()]
    assert len(tried) == {"combinations": 8}.get(strategy, 6)
    assert all(config not in tried[:place] for place, config in enumerate(tried))


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband"])
def test_a_killed_search_over_a_few_choices_proposes_what_it_would_have(tmp_path, strategy):
    wanted = settings(strategy, trials=9, knobs=LOSS_AND_WEIGHTS)
    whole = Asked(tmp_path / "whole", wanted).finish()
    assert len(without_promotions(whole)) == 6
    assert Asked(tmp_path / "killed", wanted).finish(killed=True) == whole


def test_hyperband_promotes_in_the_last_bracket_of_a_space_that_is_used_up(tmp_path):
    """Of 6 configs 5 compete over 12 epochs: 5 * (6, 3, 2) / 11 are 3, 1 and 1, so the first three have a promotion."""
    begun = Asked(tmp_path, settings("hyperband", trials=20, knobs=LOSS_AND_WEIGHTS), score=lambda config: 0.5).finish()
    assert [until for _, _, until in begun] == [12, 2, 2, 2, 4, 12, 4, 12, 12]


def test_a_search_that_an_earlier_version_began_tries_none_of_its_configs_again(tmp_path):
    """Its state has other hashes."""
    asked = Asked(tmp_path, settings("random", trials=9, knobs=LOSS_AND_WEIGHTS))
    for _ in range(3):
        asked.tell(asked.ask())
    state = json.loads(asked.path.read_text())
    state["oracle"] |= {"tried_so_far": ["another hash"], "id_to_hash": {}}
    asked.path.write_text(json.dumps(state))
    asked.restart()
    asked.finish()
    tried = [asked.config(trial) for trial in asked.oracle.trials.values()]
    assert len(tried) == 6
    assert all(config not in tried[:place] for place, config in enumerate(tried))


def test_whole_numbers_are_used_up_too(tmp_path):
    """Of groups_at_start there are 16 - 7 + 1."""
    tried = without_promotions(Asked(tmp_path, settings("random", trials=20, knobs=("groups_at_start",))).finish())
    assert sorted(config.groups_at_start for config in tried) == [*range(7, 17)]


def test_the_gaussian_process_never_proposes_a_number_above_the_highest(tmp_path):
    """warmup_steps reaches from 25 to 400, and the highest is the best."""
    wanted = settings("bayesian", trials=10, knobs=("warmup_steps",))
    tried = without_promotions(Asked(tmp_path, wanted, score=lambda config: config.warmup_steps / 400).finish())
    assert max(config.warmup_steps for config in tried) == 400


def test_values_and_conditions_survive_the_way_to_a_worker():
    wanted = settings("random")
    hp = strategies.make_space(wanted, HEADS)
    hp.values |= {"learning_rate": 0.0012345678, "expression_loss": "cross_entropy", "warmup_steps": 77}
    del hp.values["focal_gamma"]
    sent = keras_tuner.HyperParameters.from_proto(hp.to_proto())
    assert strategies.configure(sent, wanted, HEADS) == strategies.configure(hp, wanted, HEADS)
    assert strategies.configure(sent, wanted, HEADS) == replace(
        BASE, learning_rate=0.001235, expression_loss="cross_entropy", warmup_steps=77
    )
