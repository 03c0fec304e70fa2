import io
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.scoring.test_report import Page
from tfaffect.errors import UsageError
from tfaffect.tuning import axis_scales, figures, findings, report, statistics, verdict
from tfaffect.tuning.alt_texts import describe_all
from tfaffect.tuning.settings import BOTH, PLAIN, RATES, UNFREEZING
from tfaffect.tuning.statistics import CONTRASTS, paired_test

RATE = {"name": "learning_rate", "kind": "float", "log": True, "low": 1e-4, "high": 1e-2, "default": 5e-3}
DROPOUT = {"name": "dropout", "kind": "float", "log": False, "low": 0.0, "high": 0.5, "default": 0.1}
CLASSES = {"name": "class_weights", "kind": "choice", "choices": ["inverse_frequency", "none"], "default": "none"}
GAMMA = {"name": "focal_gamma", "kind": "float", "log": False, "low": 0.0, "high": 4.0, "default": 2.0}
KNOBS = [RATE, DROPOUT, CLASSES, GAMMA]
OWN = {"learning_rate": 5e-3, "dropout": 0.1, "class_weights": "none", "focal_gamma": 2.0}
CONFIG = {"corpora": ["fer_plus"], "records": "records", "epochs": 100, "image_size": 48, "corpus_weights": []}


def trial(number, score=None, status="done", **values):
    """A row of trials.csv; one without a score is running or failed."""
    facts = {"trial": f"{number:04d}", "status": status, "reason": None, "score": score}
    facts |= {"best_epoch": 2 if score else None, "epochs": 3 if score else None, "seconds": 90.0, "seed": 0}
    return facts | values


def knobs(count, failed=(), seed=0):
    """Trials whose score falls with the dropout and nothing else; the first has the config's own values."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        drawn = {"learning_rate": 10 ** rng.uniform(-4, -2), "dropout": rng.uniform(0, 0.5)}
        drawn |= {"class_weights": rng.choice(CLASSES["choices"]), "focal_gamma": rng.uniform(0, 4)}
        values = drawn if number else OWN
        score, status = (None, "failed") if number in failed else (0.7 - values["dropout"] / 2, "done")
        rows.append(trial(number, score, status, **values))
    return rows


def grid(table):
    """Trials of combinations from seed -> scores of plain training, unfreezing, rates, both."""
    rows = []
    for seed, scores in table.items():
        for techniques, score in zip((PLAIN, UNFREEZING, RATES, BOTH), scores, strict=True):
            names = dict(zip(("gradual_unfreezing", "discriminative_rates"), techniques, strict=True))
            status = "running" if score is None else "done"
            rows.append(trial(len(rows), score, status, **names) | {"seed": seed})
    return rows


@pytest.fixture
def search(tmp_path):
    """A function that writes the folder of a search."""

    def write(rows, strategy="random", objective="accuracy", knobs=KNOBS, curves=True, config=CONFIG, **settings):
        folder = tmp_path / "out"
        folder.mkdir(exist_ok=True)
        own = [] if strategy == "combinations" else knobs
        settings = {"objective": objective, "direction": "max", "trials": 40, "seed": 7, **settings}
        settings |= {"strategy": strategy, "config": config, "knobs": own}
        (folder / "search.json").write_text(json.dumps(settings))
        if rows is not None:
            table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*trial(0), *OWN])
            table.to_csv(folder / "trials.csv", index=False)
        for row in rows or () if curves else ():
            run = folder / "trials" / row["trial"]
            run.mkdir(parents=True, exist_ok=True)
            height = row["score"] or 0.3
            history = {"epoch": [1, 2, 3], "val_expression_accuracy": [height - 0.2, height, height - 0.1]}
            pd.DataFrame(history | {"selection": 0.5}).to_csv(run / "history.csv", index=False)
        return folder

    return write


def texts(folder):
    return Page(report.write(folder).read_text()).texts


STATES = {
    "not begun": (None, "random", []),
    "one running": ([trial(0, None, "running", **OWN)], "bayesian", ["curves"]),
    "one done": ([trial(0, 0.6, **OWN)], "bayesian", ["course", "curves"]),
    "all failed": (knobs(2, failed=(0, 1)), "random", ["curves"]),
    "eight": (knobs(8, failed=(3,)), "bayesian", ["course", "curves", "parallel", "slices"]),
    "many": (knobs(30, failed=(0, 3)), "hyperband", ["course", "curves", "importance", "parallel", "slices"]),
    "combinations, none done": (grid({0: (None,) * 4}), "combinations", []),
    "combinations, one seed": (grid({0: (0.6, 0.61, 0.62, 0.63)}), "combinations", ["combinations"]),
    "combinations, half a seed": (grid({0: (0.6, 0.7, 0.6, 0.5), 1: (0.6, 0.7, None, None)}), "combinations", None),
    "combinations, equal": (grid(dict.fromkeys(range(3), (0.5, 0.5, 0.6, 0.6))), "combinations", ["combinations"]),
}


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_a_search_gives_a_report(search, state):
    rows, strategy, names = STATES[state]
    page = report.write(search(rows, strategy))
    assert page.name == "report.html"
    assert page.parent.name == "report"
    expected = ["combinations"] if names is None else names
    assert sorted(path.stem for path in page.parent.glob("*.png")) == expected
    parsed = Page(page.read_text())
    assert len(parsed.pictures) == len(expected)
    assert parsed.links == []
    assert f"Search for accuracy, {strategy}" in parsed.texts


def test_a_later_report_takes_the_place_of_the_earlier(search):
    folder = search(knobs(3))
    report.write(folder)
    report.write(search([trial(0, 0.6, **OWN)]))
    assert sorted(path.name for path in (folder / "report").iterdir()) == ["course.png", "curves.png", "report.html"]
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is not the folder of a search"):
        report.write(tmp_path)
    assert not [*tmp_path.iterdir()]


def test_hostile_names_are_shown_letter_by_letter(search):
    name = "<script>alert('1')</script>$\\frac{$ &"
    odd = {"name": "class_weights", "kind": "choice", "choices": [name, "none"], "default": "none"}
    rows = [trial(0, 0.5, class_weights="none"), trial(1, 0.6, class_weights=name)]
    rows.append(trial(2, None, "failed", class_weights=name) | {"reason": name})
    folder = search(rows, knobs=[odd], command=name, config=CONFIG | {"corpora": [name]})
    html = report.write(folder).read_text()
    assert "<script>alert" not in html  # the page has a script of its own
    parsed = Page(html)
    assert parsed.texts.count(name) == 6  # corpora, command, the best value, two of the trials, one reason


def test_the_page_says_what_was_searched(search):
    said = [*filter(str.strip, texts(search(knobs(3), command="python -m tfaffect.search --out out")))]
    said = said[said.index("objective") : said.index("best accuracy")]
    facts = dict(zip(said[::2], said[1::2], strict=True))
    assert facts["objective"].startswith("accuracy on the validation split")
    assert facts["strategy"] == "random"
    assert facts["corpora"] == "fer_plus"
    assert facts["base config"] == "the recipe with --corpora fer_plus --image-size 48"
    assert facts["knobs"] == "learning_rate, dropout, class_weights, focal_gamma"
    assert facts["seed"] == "7"
    assert facts["trials"] == "3 of 40 started: 3 done"
    assert facts["training time"] == "4 min"  # 270 s
    assert facts["command"] == "python -m tfaffect.search --out out"


def test_trials_stand_by_score_and_failures_with_their_reason(search):
    rows = [trial(0, 0.5, **OWN), trial(1, None, "failed", **OWN) | {"reason": "ResourceExhaustedError: OOM"}]
    rows += [trial(2, 0.7, **OWN | {"focal_gamma": None}), trial(3, None, "running", **OWN)]
    said = texts(search(rows))
    table = said[said.index("All trials") : said.index("Why trials failed")]
    assert [text for text in table if re.fullmatch(r"000\d", text)] == ["0002", "0000", "0001", "0003"]
    start = table.index("0002")
    assert table[start : start + 11] == ["0002", "70.0 %", "done", "2", "3", "90 s", "0", "0.005", "0.1", "none", "-"]
    assert said[said.index("Why trials failed") + 1 :][:2] == ["0001", "ResourceExhaustedError: OOM"]


def test_the_best_config_is_what_differs_from_the_base(search):
    knob = {"name": "corpus_weights/expw", "kind": "float", "log": True, "low": 0.25, "high": 4.0, "default": 1.0}
    config = CONFIG | {"corpora": ["fer_plus", "expw"], "corpus_weights": [0.5, 1.0]}
    values = OWN | {"corpus_weights/expw": 1.0}
    best = values | {"learning_rate": 0.00212345, "class_weights": "inverse_frequency", "focal_gamma": None}
    rows = [trial(0, 0.5, **values), trial(1, 0.6, **best | {"corpus_weights/expw": 2.0})]
    folder = search(rows, knobs=[*KNOBS, knob], config=config)
    said = texts(folder)
    assert f"tfaffect train --config {folder / 'best' / 'config.json'} --run RUN" in said
    flags = "--learning-rate 0.002123 --class-weights inverse_frequency --corpus-weights 0.5 2"
    assert said[said.index("changed flags") + 1] == flags
    start = said.index("learning_rate")
    assert said[start : start + 4] == ["learning_rate", "0.0001 to 0.01, log", "0.005", "0.002123"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "No trial has started yet"),
        ([trial(0, None, "running", **OWN)], "No trial has finished yet"),
        (knobs(2, failed=(0, 1)), "Every trial so far has failed"),
        (knobs(2, failed=(0,)), r"Trial 0001 is the best\. The base config has no score .*: its trial is failed"),
        ([trial(0, 0.6, **OWN)], "So far only the base config has a score"),
        ([trial(0, 0.6, **OWN), trial(1, 0.5, **OWN | {"dropout": 0})], "best so far: 1 other did not beat it"),
        (
            [trial(0, 0.6, **OWN), trial(1, 0.62, **OWN | {"dropout": 0})],
            r"is the best, 2.0 points above .* nothing\. The",
        ),
        (
            [trial(0, 0.6, **OWN), trial(1, 0.61, **OWN | {"dropout": 0})],
            r"1.0 points above .* nothing, and this one is smaller",
        ),
    ],
)
def test_the_verdict_promises_no_more_than_the_scores_hold(search, rows, words):
    assert re.search(words, " ".join(verdict.conclude(findings.read(search(rows, curves=False)))))


@pytest.mark.parametrize(("best", "words"), [(0.64, "is within what seeds"), (0.70, "is more than seeds")])
def test_repeated_seeds_say_what_a_difference_is_worth(search, best, words):
    """Two configs of two seeds, 2 points apart: s = sqrt((0.0002 + 0.0002) / 2), t(2) = 4.303, 4.303 s = 6.1 points."""
    rows = [trial(0, 0.60, **OWN), trial(1, 0.62, **OWN) | {"seed": 1}]
    rows += [trial(2, best, **OWN | {"dropout": 0}), trial(3, best + 0.02, **OWN | {"dropout": 0}) | {"seed": 1}]
    said = " ".join(verdict.conclude(findings.read(search(rows, curves=False))))
    assert f"{100 * (best - 0.6):.1f} points above the base config" in said
    assert "deviate by 1.4 points (2 degrees of freedom)" in said
    assert "has to be 6.1 points above" in said
    assert words in said


def test_hyperbands_shorter_trials_are_not_compared_in_silence(search):
    rows = [trial(0, 0.5, **OWN) | {"epochs": 9}, trial(1, 0.6, **OWN | {"dropout": 0}) | {"epochs": 27}]
    said = verdict.conclude(findings.read(search(rows, "hyperband", curves=False)))
    assert "trained for 27 epochs and the base config for 9" in said[1]


def test_a_difference_of_concordances_is_no_percentage(search):
    rows = [trial(0, 0.5, **OWN), trial(1, 0.612, **OWN | {"dropout": 0})]
    said = texts(search(rows, objective="ccc"))
    assert "0.612" in said
    assert any("0.112 above the base config" in text for text in said)
    rows[1]["score"] = 0.51
    assert any(
        "nothing, and a difference this small in another metric is no more certain" in text
        for text in texts(search(rows, objective="ccc"))
    )


def test_none_is_a_choice_and_a_gap_is_not(search):
    rows = [trial(0, 0.6, **OWN), trial(1, 0.6, **OWN | {"focal_gamma": None})]
    found = findings.read(search(rows)).trials
    assert found["class_weights"].tolist() == ["none", "none"]
    assert found["focal_gamma"].isna().tolist() == [False, True]
    assert found["config"].tolist() == [0, 1]


def test_pictures_are_described_in_numbers(search):
    """The score falls with the dropout, and with nothing else."""
    folder = search(knobs(30, failed=(3,)))
    report.write(folder)
    found = findings.read(folder)
    alts = describe_all(found, statistics.Importance({"dropout": 1.25, "learning_rate": 0.1}, 0.9))
    low, high = (100 * found.done["score"].agg(edge) for edge in ("min", "max"))
    best = found.best
    assert alts["course"] == (
        f"accuracy of 29 trials from {low:.1f} % to {high:.1f} %; the best is trial {best['trial']}; "
        "the base config has 65.0 %; 1 failed."
    )
    assert f"best trial: highest {high:.1f} %, last {high - 10:.1f} %; base config: highest 65.0 %" in alts["curves"]
    assert "dropout: rank correlation -1.00; class_weights: medians inverse_frequency " in alts["slices"]
    assert f"dropout {best['dropout']:.4g}, class_weights {best['class_weights']}" in alts["parallel"]
    assert alts["importance"] == "Drop in R² by knob: dropout 1.25, learning_rate 0.10."
    assert {*alts} == {*figures.draw_all(found, statistics.Importance({"dropout": 1.25}, 0.9))}
    assert f"alt='{alts['course']}'" in (folder / "report" / "report.html").read_text()


def test_combinations_are_described_in_numbers(search):
    found = findings.read(search(grid({0: (0.60, 0.61, 0.60, 0.64), 1: (0.62, 0.62, 0.61, 0.64)}), "combinations"))
    assert describe_all(found, None)["combinations"].endswith(
        "Mean accuracy: plain training 61.0 %, gradual unfreezing 61.5 %, discriminative rates 60.5 %, both 64.0 %."
    )


def test_tables_are_copied_with_all_digits(search):
    folder = search(
        [trial(0, 0.5, **OWN), trial(1, 2 / 3, **OWN | {"dropout": 1 / 3}), trial(2, None, "failed", **OWN)]
    )
    tables = Page(report.write(folder).read_text()).downloads
    trials = pd.read_csv(io.StringIO(tables["all-trials.csv"]), dtype={"trial": str}).set_index("trial")
    assert trials["score"].to_dict() == {"0000": 0.5, "0001": 2 / 3, "0002": pytest.approx(np.nan, nan_ok=True)}
    assert trials.loc["0001", "dropout"] == 1 / 3
    best = tables["the-best-config.csv"]
    assert best == "knob,searched,base config,best\r\ndropout,0 to 0.5,0.1,0.3333333333333333\r\n"
    assert {*tables} > {"the-search.csv", "how-to-use-it.csv", "failed-trials.csv"}


def test_combinations_are_copied_with_all_digits(search):
    folder = search(grid({0: (0.60, 0.61, 0.60, 0.64), 1: (0.62, 0.62, 0.61, 0.64)}), "combinations")
    tables = Page(report.write(folder).read_text()).downloads
    means = pd.read_csv(io.StringIO(tables["the-four-combinations.csv"]), index_col=0)
    assert means.loc["plain training"].tolist() == pytest.approx([0.61, 0.0002**0.5, 2, 0.60, 0.62])
    tests = pd.read_csv(io.StringIO(tables["paired-tests.csv"]), index_col=0)
    both = tests.loc["both against plain training"]
    assert [both["mean"], both["t"], both["seeds"]] == pytest.approx([0.03, 3, 2])
    assert both["p"] == pytest.approx(1 - 2 / np.pi * np.arctan(3))


def test_curves_follow_the_objective_or_what_there_is(search):
    assert findings.read(search([trial(0, 0.6, **OWN)])).curves["0000"].tolist() == pytest.approx([0.4, 0.6, 0.5])
    macro = findings.read(search([trial(0, 0.6, **OWN)], objective="macro_f1"))
    assert macro.curves["0000"].tolist() == [0.5, 0.5, 0.5]  # the selection metric: no epoch has a macro F1
    assert macro.curve_metric.label == "selection metric"


def test_best_so_far_passes_over_failures():
    best = statistics.best_so_far([np.nan, 0.5, 0.4, np.nan, 0.6])
    np.testing.assert_array_equal(best, [np.nan, 0.5, 0.5, 0.5, 0.6])


def test_seeds_deviate_as_the_pooled_variance_says():
    """(0.0002 + 0.0018) / (1 + 2); a config that ran once adds nothing."""
    deviation, freedom = statistics.seed_deviation([[0.60, 0.62], [0.50, 0.53, 0.56], [0.7]])
    assert (deviation, freedom) == (pytest.approx((0.002 / 3) ** 0.5), 3)
    assert statistics.seed_deviation([[0.6], [0.7]]) is None


def test_chance_grows_with_the_number_of_candidates():
    """Student's t with one degree of freedom is Cauchy's: its quantile at p is tan(pi (p - 0.5))."""
    one, two = (statistics.chance_bound(0.01, 1, (1, 1), comparisons) for comparisons in (1, 2))
    assert one == pytest.approx(0.01 * np.tan(np.pi * 0.475) * 2**0.5)
    assert two == pytest.approx(0.01 * np.tan(np.pi * 0.4875) * 2**0.5)
    assert statistics.chance_bound(0.01, 1, (2, 2), 1) == pytest.approx(one / 2**0.5)


def test_the_paired_test_of_three_seeds():
    """Differences 0.02, 0.01, 0.03: t = 0.02 / (0.01 / sqrt 3); for 2 degrees of freedom p = 1 - t / sqrt(t^2 + 2)."""
    table = pd.DataFrame({PLAIN: [0.60, 0.61, 0.62, 0.5], UNFREEZING: [0.62, 0.62, 0.65, np.nan]})
    effect = paired_test(table, CONTRASTS["gradual unfreezing against plain training"])
    assert effect.seeds == 3
    assert (effect.mean, effect.deviation) == (pytest.approx(0.02), pytest.approx(0.01))
    assert effect.t == pytest.approx(12**0.5)
    assert effect.p == pytest.approx(1 - (12 / 14) ** 0.5)
    assert (effect.low, effect.high) == (pytest.approx(-0.0048414, abs=1e-6), pytest.approx(0.0448414, abs=1e-6))


def test_main_effects_average_over_the_other_technique(search):
    """Unfreezing: (0.60 + 0.70) / 2 - (0.50 + 0.54) / 2; rates: (0.54 + 0.70) / 2 - (0.50 + 0.60) / 2."""
    table = statistics.scores_by_seed(findings.read(search(grid({0: (0.50, 0.60, 0.54, 0.70)}), "combinations")).done)
    effects = {name: paired_test(table, weights) for name, weights in CONTRASTS.items()}
    assert effects["gradual unfreezing, main effect"].mean == pytest.approx(0.13)
    assert effects["discriminative rates, main effect"].mean == pytest.approx(0.07)
    assert effects["both against plain training"].mean == pytest.approx(0.2)
    assert {(effect.seeds, effect.p) for effect in effects.values()} == {(1, None)}


def test_differences_that_are_all_equal_have_no_test():
    effect = paired_test(pd.DataFrame({PLAIN: [0.1, 0.2, 0.7], BOTH: [0.2, 0.3, 0.8]}), {BOTH: 1, PLAIN: -1})
    assert (effect.mean, effect.t, effect.p) == (pytest.approx(0.1), None, None)


def test_combinations_are_told_as_means_deviations_and_tests(search):
    """Both against plain: 0.04 and 0.02, t = 3 with one degree of freedom, p = 1 - 2 / pi atan(3) = 0.205."""
    said = texts(search(grid({0: (0.60, 0.61, 0.60, 0.64), 1: (0.62, 0.62, 0.61, 0.64)}), "combinations"))
    start = said.index("plain training")
    assert said[start : start + 6] == ["plain training", "61.0 %", "1.4 points", "2", "60.0 %", "62.0 %"]
    start = said.index("both against plain training")
    assert said[start + 1 : start + 6] == ["+3.0 points", "-9.7 to +15.7 points", "3.00", "1", "0.205"]
    limits = next(text for text in said if text.startswith("The pairs are the 2 seeds"))
    assert "1 degree of freedom" in limits
    assert "reaches 9 standard deviations" in limits  # 12.706 / sqrt 2
    assert "cannot show that there is none" in limits


def test_a_knob_that_decides_stands_above_those_that_do_not():
    rows = pd.DataFrame(knobs(40))
    found = statistics.importance(rows[["learning_rate", "dropout", "class_weights", "focal_gamma"]], rows["score"])
    assert max(found.drops, key=found.drops.get) == "dropout"
    assert found.r2 > 0.8
    assert all(abs(found.drops[name]) < 0.1 for name in ("learning_rate", "class_weights", "focal_gamma"))


def test_a_choice_decides_and_not_the_knob_that_it_switches_off():
    rng = np.random.default_rng(0)
    loss = rng.choice(["focal", "cross_entropy"], 40)
    gamma = np.where(loss == "focal", rng.uniform(0, 4, 40), np.nan)
    values = pd.DataFrame({"focal_gamma": gamma, "expression_loss": loss})
    found = statistics.importance(values, (loss == "focal") * 0.1 + rng.normal(0, 0.01, 40))
    assert found.drops["expression_loss"] > 1
    assert abs(found.drops["focal_gamma"]) < 0.1


def test_what_explains_nothing_has_no_importances(search):
    rows = [row | {"score": score} for row, score in zip(knobs(12), np.random.default_rng(2).random(12), strict=True)]
    folder = search(rows)
    said = texts(folder)
    assert any(text.startswith("No importances: on trials that its trees have not seen") for text in said)
    assert not (folder / "report" / "importance.png").exists()
    assert any("at least 10 finished configs, and there are 8" in text for text in texts(search(knobs(8))))


def test_hyperbands_epochs_stand_beside_the_knobs(search):
    rows = [row | {"epochs": 3.0 + 6 * (number % 2)} for number, row in enumerate(knobs(20))]
    rows = [row | {"score": row["epochs"] / 10} for row in rows]
    weights = report.knob_importance(findings.read(search(rows, "hyperband", curves=False)))
    assert max(weights.drops, key=weights.drops.get) == "epochs"
    assert "epochs" not in report.knob_importance(findings.read(search(rows, "random", curves=False))).drops


def test_the_course_shows_scores_failures_and_the_best_so_far(search):
    rows = [trial(0, 0.5, **OWN), trial(1, 0.9, "failed", **OWN), trial(2, 0.4, **OWN), trial(3, 0.6, **OWN)]
    (axes,) = figures.draw_history(findings.read(search(rows))).axes
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([50, 50, 50, 60])
    marked = {group.get_label(): group for group in axes.collections}
    assert marked["best"].get_offsets().tolist() == [[4, 60]]
    assert marked["failed"].get_offsets().tolist() == [[2, 0.03]]  # in heights of the axes, not of the scores
    assert marked["failed"].get_offset_transform() == axes.get_xaxis_transform()


def test_slices_have_the_scale_of_their_knob(search):
    rate, dropout, classes, gamma = figures.draw_slices(findings.read(search(knobs(8, failed=(3,))))).axes
    assert [axes.get_xscale() for axes in (rate, dropout, classes)] == ["log", "linear", "linear"]
    assert [label.get_text() for label in rate.get_xticklabels()] == ["0.0001", "0.001", "0.01"]
    assert [label.get_text() for label in classes.get_xticklabels()] == ["inverse\nfrequency", "none"]
    assert gamma.get_title() == "focal gamma"
    assert all(sum(len(group.get_offsets()) for group in axes.collections) == 8 for axes in (rate, dropout, gamma))


def test_heights_on_a_logarithmic_axis():
    knob = findings.Knob("learning_rate", "float", log=True, low=1e-4, high=1e-2)
    values = pd.Series([1e-4, 1e-3, 1e-2, 0.0])
    np.testing.assert_allclose(axis_scales.scale(knob, values, values.to_numpy()), [0, 0.5, 1, 0])
    narrow = findings.Knob("warmup_steps", "int", log=True, low=25, high=400)
    assert axis_scales.find_ticks(narrow, pd.Series([100.0])).tolist() == [30, 100, 300]


def test_a_line_a_trial_crosses_all_axes(search):
    rows = [trial(0, 0.5, **OWN), trial(1, 0.6, **OWN | {"focal_gamma": None}), trial(2, None, "failed", **OWN)]
    (axes,) = figures.draw_parallel_coordinates(findings.read(search(rows))).axes
    failed, worse, better = (line.get_ydata() for line in axes.lines)
    assert len(failed) == 4  # its score is missing
    assert worse[[1, 3, 4]].tolist() == pytest.approx([0.2, 0.5, 0])
    assert better[[3, 4]].tolist() == pytest.approx([axis_scales.UNUSED, 1])


def test_combinations_curves_are_means_and_ranges_over_seeds(search):
    rows = grid({0: (0.5, 0.6, 0.6, 0.7), 1: (0.6, 0.6, 0.6, 0.7)})
    curves, pairs = figures.draw_combinations(findings.read(search(rows, "combinations"))).axes
    assert curves.lines[0].get_label() == "plain training"
    assert curves.lines[0].get_ydata().tolist() == pytest.approx([35, 55, 45])
    heights = curves.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (pytest.approx(30), pytest.approx(60))
    assert [line.get_label() for line in pairs.lines] == ["seed 0", "seed 1"]


def test_the_report_needs_neither_pyplot_nor_tensorflow():
    code = "import sys, tfaffect.tuning.report; print({'matplotlib.pyplot', 'tensorflow', 'keras'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
