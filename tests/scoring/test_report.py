import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from tfaffect.errors import UsageError
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.scoring import figures, report
from tfaffect.scoring.mistakes import most_confident
from tfaffect.scoring.scores import TRUE, score, score_all

VOID = ("meta", "img")
CSV = "data:text/csv;charset=utf-8,"


def predict(n=60, trained=("expression", *AFFECT), corpus="fer_plus", tags="strict"):
    """Predictions of n faces, three of four right, in every class but contempt; the untrained heads are NaN."""
    generator = np.random.default_rng(0)
    truth = np.arange(n) % 7
    predicted = np.where(np.arange(n) % 4, truth, 7)
    columns = {"corpus": corpus, "key": [f"{i}" for i in range(n)], "group": [f"{i // 2}" for i in range(n)]}
    columns["tags"] = tags
    for index, name in enumerate(CLASSES):
        columns[f"true_{name}"] = (truth == index).astype(float)
        share = np.where(predicted == index, 0.65, 0.05)
        columns[f"expression_{name}"] = share if "expression" in trained else np.nan
    for name in AFFECT:
        columns[f"true_{name}"] = generator.uniform(-1, 1, n)
        columns[name] = 0.5 * columns[f"true_{name}"] if name in trained else np.nan
    return pd.DataFrame(columns)


def record(epochs=3):
    columns = {"epoch": range(1, epochs + 1), "loss": 1.0, "val_loss": 2.0, "learning_rate": 0.1}
    return pd.DataFrame(columns | {"val_valence_ccc": 0.5, "val_valence_loss": 1.0})


class Page(HTMLParser):
    """The texts, pictures, links and CSV files of a page whose tags must all close in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.texts, self.pictures, self.links, self.downloads = [], [], [], [], {}
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "img":
            self.pictures.append(attributes["src"].removeprefix("data:image/png;base64,"))
            assert attributes["alt"]
        elif "src" in attributes:
            self.links.append(attributes["src"])
        if attributes.get("href", "").startswith(CSV):
            self.downloads[attributes["download"]] = unquote(attributes.pop("href").removeprefix(CSV))
        self.links += [attributes[key] for key in ("href", "srcset", "action") if key in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script", "caption"} & {*self.open}:
            self.texts.append(data)


class Unwritable:
    """Fails when it is written to predictions.csv, after report.json was written."""

    def __str__(self):
        return str(1 / 0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run" / "report"


def test_report_reads_back(folder):
    table, protocol = predict(), {"model": "runs/one", "split": "validation", "size": 240}
    result = report.write(table, folder, protocol)
    assert json.loads((folder / "report.json").read_text()) == result
    assert result == {"protocol": protocol, "scores": score_all(table), "mistakes": most_confident(table)}
    saved = pd.read_csv(folder / "predictions.csv", dtype={"group": str})
    assert list(saved.columns) == list(table.columns)
    again = score(saved)
    for head, name in (("expression", "accuracy"), ("valence", "ccc"), ("arousal", "rmse")):
        assert again[head][name] == pytest.approx(result["scores"]["pooled"][head][name], abs=1e-5)


@pytest.mark.parametrize(
    ("trained", "history", "names"),
    [
        (("expression", *AFFECT), True, ["affect", "confusion", "curves", "reliability", "sets"]),
        (("expression",), False, ["confusion", "reliability", "sets"]),
        (("valence",), False, ["affect"]),
        ((), True, ["curves"]),
        ((), False, []),
    ],
)
def test_pictures_are_what_there_is_to_draw(folder, trained, history, names):
    report.write(predict(trained=trained), folder, {}, record() if history else record(0))
    assert sorted(path.stem for path in folder.glob("*.png")) == names
    page = Page((folder / "report.html").read_text())
    expected = {(folder / f"{name}.png").read_bytes() for name in names}
    assert {base64.b64decode(picture) for picture in page.pictures} == expected


def test_new_report_leaves_nothing_of_the_old(folder):
    report.write(predict(), folder, {})
    report.write(predict(trained=("valence",)), folder, {})
    assert sorted(path.name for path in folder.iterdir()) == [
        "affect.png",
        "predictions.csv",
        "report.html",
        "report.json",
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["report"]


def test_interrupted_write_keeps_the_old_report(folder):
    report.write(predict(), folder, {"model": "old"})
    spoilt = predict().assign(note=[Unwritable()] * 60)
    with pytest.raises(ZeroDivisionError):
        report.write(spoilt, folder, {"model": "new"})
    assert json.loads((folder / "report.json").read_text())["protocol"] == {"model": "old"}
    assert (folder / "confusion.png").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["report"]


def test_folder_of_something_else_is_refused(folder):
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"name a new or empty one. Received: folder="):
        report.write(predict(), folder, {})
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_page_shows_the_figures_and_needs_nothing_else(folder):
    table = pd.concat([predict(), predict(corpus="afew_va", tags="")])
    result = report.write(table, folder, {"model": "runs/one", "only": ""})
    html = (folder / "report.html").read_text()
    page = Page(html)
    assert page.links == []
    assert not re.search(r"url\(|@import|https?:", html)
    assert html.count("<script") == html.count("<script>") == 1
    uar = result["scores"]["pooled"]["expression"]["uar"]
    for text in (f"{100 * uar['value']:.1f} %", f"[{100 * uar['low']:.1f}, {100 * uar['high']:.1f}]", "n = 120"):
        assert text in page.texts
    assert {"Scores of runs/one", "pooled", "afew_va", "fer_plus:strict", "afew_va, arousal"} <= {*page.texts}
    assert set(CLASSES) <= {*page.texts}


def test_page_escapes_what_others_wrote(folder):
    name = "<script>alert('1')</script>&"
    report.write(predict(corpus=name, tags="<b>"), folder, {"model": name, "<i>": name})
    html = (folder / "report.html").read_text()
    assert not re.search("<(script>alert|b>f|i>)", html)
    assert html.count("<script") == 1, "that of the page itself"
    page = Page(html)
    assert {f"Scores of {name}", name, f"{name}:<b>", "<i>"} <= {*page.texts}


def test_page_says_what_is_missing(folder):
    report.write(predict(trained=("valence",)), folder, {})
    texts = Page((folder / "report.html").read_text()).texts
    absent = [text.split(":")[0] for text in texts if text.startswith("There is no score")]
    assert absent == ["There is no score of expression", "There is no score of arousal"]
    assert "accuracy" not in texts
    assert "CCC valence" in texts


def test_summary_is_a_table():
    one, two = (predict(56, ("expression",), corpus, "strict") for corpus in ("fer_plus", "mine"))
    table = pd.concat([one, two.assign(tags="")])
    lines = report.summarise({"protocol": {}, "scores": score_all(table, resamples=0)}).splitlines()
    assert lines[0] == "set              records  with class  accuracy     UAR  macro F1  CCC valence  CCC arousal"
    assert lines[1] == "pooled               112         112    75.0 %  75.0 %    85.7 %            -            -"
    assert [line.split()[0] for line in lines[1:]] == ["pooled", "fer_plus", "mine", "fer_plus:strict"]
    assert len({len(line) for line in lines}) == 1


def test_the_summary_counts_faces_with_a_class_apart_from_records():
    table = predict(56, ("expression",))
    table.loc[:13, [*TRUE]] = 0.0
    scores = score_all(table, resamples=0)
    assert report.summarise({"protocol": {}, "scores": scores}).splitlines()[1].split()[:3] == ["pooled", "56", "42"]


def test_people_have_their_column_where_labels_are_votes():
    votes, none = predict(56, ("expression",)), predict(56, ("expression",), "mine", "")
    scores = score_all(pd.concat([votes.assign(human_agreement=[0.8, 0.9] * 28), none]), resamples=0)
    assert scores["fer_plus"]["expression"]["human_agreement"] == pytest.approx(0.85)
    assert scores["fer_plus:strict"]["expression"]["human_agreement"] == pytest.approx(0.85)
    assert scores["mine"]["expression"]["human_agreement"] is None
    lines = report.summarise({"protocol": {}, "scores": scores}).splitlines()
    last = [line.split()[-2:] for line in lines]
    assert last == [["arousal", "people"], ["-", "-"], ["85.0", "%"], ["-", "-"], ["85.0", "%"]]


def test_the_sets_are_drawn_with_their_intervals_and_what_people_score():
    table = predict(60).assign(human_agreement=0.9)
    sets = score_all(pd.concat([table, predict(60, corpus="mine", tags="")]))
    (axes,) = figures.draw_sets(sets).axes
    named = [label.get_text() for label in axes.get_yticklabels()]
    assert named == ["pooled  (120)", "fer_plus  (60)", "mine  (60)", "fer_plus:strict  (60)"]
    people = [line for line in axes.lines if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2]
    assert [line.get_xdata()[0] for line in people] == pytest.approx([90, 90])  # those whose labels are votes
    low, high = sets["mine"]["expression"]["accuracy"]["low"], sets["mine"]["expression"]["accuracy"]["high"]
    assert any(list(line.get_xdata()) == pytest.approx([100 * low, 100 * high]) for line in axes.lines)


def test_one_corpus_without_tags_needs_no_picture_of_its_sets(folder):
    report.write(predict(tags=""), folder, {})
    assert not (folder / "sets.png").exists()


def test_the_curve_of_accuracy_has_the_line_of_people():
    history = record().assign(val_expression_accuracy=0.5)
    _, metrics = figures.draw_curves(history, people=0.9).axes
    assert {line.get_label(): line.get_ydata()[0] for line in metrics.lines}["accuracy of people"] == 0.9
    _, metrics = figures.draw_curves(history).axes
    assert "accuracy of people" not in [line.get_label() for line in metrics.lines]


def test_confusion_is_drawn_by_row():
    confusion = np.zeros((8, 8), int)
    confusion[0, :2], confusion[1, 1] = (1, 3), 5
    (axes,) = figures.draw_confusion(confusion).axes
    shares = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_allclose(shares[:2, :2], [[0.25, 0.75], [np.nan, 1]])
    assert np.isnan(shares[2:]).all()
    assert {"25 %", "1", "75 %", "3", "100 %", "5"} == {text.get_text() for text in axes.texts}
    assert [label.get_text() for label in axes.get_yticklabels()][:3] == ["neutral\n4", "happiness\n5", "sadness\n0"]


def test_affect_has_a_panel_for_each_scored_dimension():
    table = predict()
    both, one = predict(), predict(trained=("arousal",))
    for table, names in ((both, AFFECT), (one, ("arousal",))):
        scores = score(table)
        panels = figures.draw_affect(table, scores).axes
        titles = [f"{name}: CCC {scores[name]['ccc']['value']:.3f}, n = 60" for name in names]
        assert [axes.get_title() for axes in panels] == titles
        assert all(axes.collections[0].get_array().sum() == 60 for axes in panels)


def test_reliability_draws_the_filled_bins():
    accuracy, share = figures.draw_reliability(score(predict())["expression"]).axes
    assert accuracy.get_title() == "ECE 10.0 %"
    assert [bar.get_height() for bar in accuracy.patches] == [0.75]
    assert [bar.get_height() for bar in share.patches] == [100]


def test_curves_show_losses_and_validation_metrics():
    loss, metrics = figures.draw_curves(record()).axes
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert [line.get_label() for line in metrics.lines] == ["valence ccc"]
    assert loss.lines[1].get_xydata().tolist() == [[1, 2], [2, 2], [3, 2]]
    (alone,) = figures.draw_curves(record(1)[["epoch", "loss"]]).axes
    assert len(alone.lines) == 1


def test_faulty_history_is_named():
    with pytest.raises(ValueError, match=r"epoch and loss. Received: columns=\['epoch', 'val_loss'\]"):
        figures.draw_curves(record()[["epoch", "val_loss"]])


def test_report_needs_neither_pyplot_nor_tensorflow():
    code = "import sys, tfaffect.scoring.report; print({'matplotlib.pyplot', 'tensorflow', 'keras'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_the_surest_mistakes_by_hand():
    """Faces 0, 4, 8 ... are wrong; 8 is made the surest of them, 4 is a tie of votes."""
    table = predict(12, trained=("expression",))
    table.loc[8, "expression_contempt"] = 0.9
    table.loc[4, ["true_fear", "true_neutral"]] = 0.5
    mistakes = most_confident(table, 2)
    assert [row["key"] for row in mistakes] == ["8", "0"]
    assert mistakes[0] == {
        "corpus": "fer_plus",
        "key": "8",
        "truth": "happiness",
        "share": 1.0,
        "predicted": "contempt",
        "probability": 0.9,
    }
    assert [row["truth"] for row in most_confident(table)] == ["happiness", "neutral", "neutral"]
    assert most_confident(table)[2]["share"] == 0.5


def test_no_mistakes_where_no_class_is_known_or_learned():
    assert most_confident(predict(trained=AFFECT)) == []
    assert most_confident(predict().assign(**{f"true_{name}": 0.0 for name in CLASSES})) == []


def test_the_page_lists_the_surest_mistakes(tmp_path):
    table = predict(12)
    report.write(table, tmp_path / "report", {}, resamples=0)
    texts = Page((tmp_path / "report" / "report.html").read_text()).texts
    assert "The most confident mistakes" in texts
    assert {"fer_plus/0", "neutral, 100 %", "contempt, 65 %"} <= set(texts)
