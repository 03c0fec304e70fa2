"""Groups of people in the page of a report and in the model card, for everyone who reads them."""

import csv
import io
import json

import numpy as np
import pytest

from tests.scoring.test_groups import by_hand
from tests.scoring.test_page import Outline
from tests.scoring.test_report import Page
from tests.scoring.test_scores import draw
from tfaffect.contract import Contract
from tfaffect.export import card
from tfaffect.export.card_groups import NOT_MEASURED, NOT_TOLD
from tfaffect.labels import HEADS
from tfaffect.scoring import group_figure, group_tables, report
from tfaffect.scoring.groupings import assign


def people():
    """400 faces of 50 people, with a group of few faces, people of unknown sex, and a name that is HTML."""
    table = draw().astype({"group": str})
    number = table["group"].astype(int)
    sexes = np.array(["male", "female", "<b>x</b>", "unsure"])
    table["sex"] = sexes[np.select([number < 20, number < 45, number < 47], [0, 1, 2], 3)]
    return table.assign(age=(15 + number).astype(str))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "report"
    table = people()
    report.write(table, folder, {"model": "one"}, resamples=200, seed=7, groupings=assign(table, ("sex", "sex,age")))
    return folder


@pytest.fixture(scope="module")
def html(folder):
    return (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def groups(folder):
    return json.loads((folder / "report.json").read_text())["groups"]


def test_every_table_of_groups_has_its_own_name(html):
    captions = [caption["text"].removesuffix("Download CSV") for caption in Outline(html).all("caption")]
    assert len(captions) == len({*captions})
    for name in ("sex", "sex,age"):
        assert {f"Classes by {name}", f"Valence and arousal by {name}", f"Gaps by {name}"} <= {*captions}
    assert "<b>x</b>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html


def test_the_tables_have_the_numbers_of_the_report(html, groups):
    downloads = Page(html).downloads
    rows = list(csv.DictReader(io.StringIO(downloads["classes-by-sex.csv"], newline="")))
    assert {row["group"] for row in rows} == {*groups["sex"]["values"]}
    for row in rows:
        head, name = group_tables.FIGURES[row["figure"]]
        own = groups["sex"]["values"][row["group"]][head]
        assert (row["n"], row["ranked"]) == (str(own["n"]), str(own["ranked"]))
        assert [row[key] for key in ("value", "low", "high")] == [
            str(own[name][key]) for key in ("value", "low", "high")
        ]
    gaps = {row["figure"]: row for row in csv.DictReader(io.StringIO(downloads["gaps-by-sex.csv"], newline=""))}
    assert [*gaps] == [*group_tables.CLASS_FIGURES, "CCC valence", "RMSE valence"]
    assert gaps["accuracy"]["p_holm"] == str(groups["sex"]["gap"]["expression"]["accuracy"]["p_holm"])


def test_seed_and_counts_stand_on_the_page(html, groups):
    text = " ".join(Page(html).texts)
    assert "200 draws of people with replacement, seed 7" in text
    assert "1,000 permutations" in text
    tests = sum(len(figures) for own in groups.values() for figures in own["gap"].values())
    assert f"all {tests} tests on this page" in text
    assert "not ranked" in text


def test_the_pictures_are_told_in_words(folder, html, groups):
    (alt,) = [image["alt"] for image in Outline(html).all("img") if image["alt"].startswith("Scores by sex with")]
    own = groups["sex"]["values"]["female"]["expression"]
    numbers = [100 * own["accuracy"][key] for key in ("value", "low", "high")]
    assert "female {:.1f} % [{:.1f}, {:.1f}] of {}".format(*numbers, own["n"]) in alt
    gap = groups["sex"]["gap"]["expression"]["accuracy"]
    assert f"The gap is {100 * gap['value']:.1f} %, from {gap['worst']} to {gap['best']}." in alt
    assert "CCC of valence" in alt
    assert "not ranked" in alt
    assert {"groups-sex.png", "groups-sex-age.png"} <= {path.name for path in folder.iterdir()}


def test_the_picture_has_the_intervals(groups):
    figure = group_figure.draw_grouping(groups["sex"])
    first = figure.axes[0]
    assert len(figure.axes) == 2  # accuracy, and valence; arousal was never trained
    lines = [sorted(line.get_xdata()) for line in first.lines if len(line.get_xdata()) == 2]
    for value in groups["sex"]["values"].values():
        interval = value["expression"]["accuracy"]
        assert any(line == pytest.approx([100 * interval["low"], 100 * interval["high"]]) for line in lines)
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names[0].startswith("<b>x</b>")
    assert names[-1].startswith("not given")


def test_the_terminal_has_a_line_for_every_group(groups):
    lines = [
        line.split("  ")[0] for line in report.align(group_tables.terminal_rows("sex", groups["sex"])).splitlines()
    ]
    assert lines == ["by sex", *groups["sex"]["values"], "gap", "p of the gap, corrected"]


def test_one_group_alone_has_no_gap(tmp_path):
    table = by_hand().assign(sex="f")
    result = report.write(table, tmp_path / "report", {}, resamples=20, groupings=assign(table, ("sex",)))
    assert result["groups"]["sex"]["gap"]["expression"] == {}
    assert "Fewer than two groups have 30 faces" in (tmp_path / "report" / "report.html").read_text()
    assert "gap" not in report.summarise(result)


def contract(**groups):
    table = by_hand()
    scores = report.score_all(table, resamples=0)["pooled"]
    return Contract(
        input_size=64, trained=HEADS, corpora={"raf_db": "1.0.0"}, scores={"protocol": {}, **scores, **groups}
    )


def test_the_card_tells_how_good_the_model_is_for_each_group():
    table = by_hand()
    text = card.compose(contract(groups=report.score_groups(table, assign(table), resamples=0)))
    assert "| by sex | faces | people | accuracy | accuracy, equal mix | CCC valence |" in text
    assert "| Female | 32 | 32 | 87.5 % | 84.6 % | 1.000 |" in text
    assert "| Male | 32 | 32 | 81.2 % | 84.6 % | 0.800 |" in text
    assert "| not given (not ranked) | 4 | 4 | 100.0 % | 100.0 % | 0.800 |" in text
    assert "Gaps by sex: accuracy 6.2 % from Male to Female (p -);" in text
    assert NOT_TOLD not in text


def test_the_card_says_when_nobody_knows():
    assert NOT_TOLD in card.compose(contract(groups={}))
    assert NOT_MEASURED in card.compose(contract())
