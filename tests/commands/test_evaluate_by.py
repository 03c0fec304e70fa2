"""`--by`: figures of groups of people from corpora that tell sex, age and ethnicity, as their owners lay them out."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.builders.test_corpora import find_green
from tests.conftest import SHARED
from tests.fakes import crema_d, raf_db
from tests.scoring.test_report import Page
from tests.scoring.test_scores import predict
from tfaffect import calibrate as calibration
from tfaffect import cli
from tfaffect.contract import read
from tfaffect.errors import UsageError
from tfaffect.evaluate import evaluate, main
from tfaffect.labels import CLASSES
from tfaffect.records.prepared import open_corpus
from tfaffect.runtimes.predictions import tabulate
from tfaffect.scoring.groupings import assign
from tfaffect.scoring.groups import score_groups
from tfrecords_builders.crema_d import CremaD
from tfrecords_builders.prepare import prepare
from tfrecords_builders.raf_db import RafDb

SEXES, AGES = ("male", "female", "not given"), ("0-3", "4-19", "20-39", "40-69", "70+")


@pytest.fixture(scope="module")
def faces_of_raf_db(tmp_path_factory):
    """80 test photos: 40 men, 36 women, 4 unsure; five bands of age in turn; seven classes in turn."""
    raw, records = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("records")
    rows = [("train_00001.jpg", 1), *((f"test_{number:04d}.jpg", number % 7 + 1) for number in range(80))]
    raf_db.write_original(raw, rows)
    for number in range(80):
        sex = 0 if number < 40 else 1 if number < 76 else 2
        text = raf_db.attributes(sex, number % 3, number % 5)
        raf_db.write_annotation(raw / "RAF-DB" / "basic", "manual", f"test_{number:04d}", text)
    prepare(RafDb(), raw, records)
    return records


@pytest.fixture(scope="module")
def faces_of_crema_d(tmp_path_factory):
    """Four actors, with four clips of ten frames each; the owners' table tells sex, age and ethnicity."""
    raw, records = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("records")
    for name in crema_d.names():
        crema_d.write_clip(raw / "VideoFlash" / f"{name}.flv", frames=10)
    crema_d.write_people(raw)
    crema_d.write_votes(raw, crema_d.votes(crema_d.names()))
    prepare(CremaD(10), raw, records, face_detector=find_green)
    return records


def always_happy(pictures):
    """A network that says the same of every face."""
    shares = np.full((len(pictures), len(CLASSES)), 0.05)
    shares[:, CLASSES.index("happiness")] = 0.65
    return {"expression": shares, "valence": np.full(len(pictures), np.nan), "arousal": np.full(len(pictures), np.nan)}


def test_raf_db_by_hand(faces_of_raf_db):
    table = tabulate(always_happy, open_corpus(faces_of_raf_db, "raf_db"), "test", 32)
    result = score_groups(table, assign(table), resamples=0)
    assert list(result) == ["sex", "age", "ethnicity"]
    assert tuple(result["age"]["values"]) == AGES
    values = result["sex"]["values"]
    assert {name: (value["records"], value["people"]) for name, value in values.items()} == {
        "female": (36, 36),
        "male": (40, 40),
        "not given": (4, 4),
    }
    # Code 4 is happiness: the photos 3, 10, 17, ... Below 40 there are six of them, and from 40 to 75 five.
    assert values["male"]["expression"]["accuracy"]["value"] == pytest.approx(6 / 40)
    assert values["female"]["expression"]["accuracy"]["value"] == pytest.approx(5 / 36)
    gap = result["sex"]["gap"]["expression"]["accuracy"]
    assert (gap["best"], gap["worst"]) == ("male", "female")
    assert gap["value"] == pytest.approx(6 / 40 - 5 / 36)
    assert not any(value["expression"]["ranked"] for value in result["age"]["values"].values())  # 16 faces each


def test_crema_d_by_hand(faces_of_crema_d):
    corpus = open_corpus(faces_of_crema_d, "crema_d")
    table = pd.concat([tabulate(always_happy, corpus, split, 32) for split in corpus.report["splits"]])
    table = table.reset_index(drop=True)
    result = score_groups(table, assign(table, ("sex", "age", "ethnicity", "sex,age")), resamples=0)
    counts = {
        by: {name: (value["records"], value["people"]) for name, value in own["values"].items()}
        for by, own in result.items()
    }
    assert counts == {
        "sex": {"female": (120, 3), "male": (40, 1)},
        "age": {"20-29": (120, 3), "50-59": (40, 1)},
        "ethnicity": {
            "Asian": (40, 1),
            "Caucasian": (40, 1),
            "Caucasian, Hispanic": (40, 1),
            "Unknown, Hispanic": (40, 1),
        },
        "sex,age": {"female / 20-29": (120, 3), "male / 50-59": (40, 1)},
    }
    # Most face votes of the clips go to D, F, H, N, S, A, D, F, H, ... in turn: happy are the clips 3, 9 and 15.
    # The actors have four clips each: the man's include clip 3, the women's the clips 9 and 15.
    values = result["sex"]["values"]
    assert values["male"]["expression"]["accuracy"]["value"] == pytest.approx(1 / 4)
    assert values["female"]["expression"]["accuracy"]["value"] == pytest.approx(2 / 12)


def test_the_real_votes_and_actors_of_crema_d():
    """All 7,442 clips with the class that most people saw, and a network that says happiness; counted with awk."""
    shared = Path(os.environ.get("TFAFFECT_SHARED", SHARED)) / "crema_d"
    if not (shared / "tabulatedVotes.csv.xz").is_file():
        pytest.skip(f"no tables of CREMA-D in {shared}; name the folder above with TFAFFECT_SHARED")
    votes = pd.read_csv(shared / "tabulatedVotes.csv.xz", index_col=0)
    votes = votes[votes.index // 100_000 == 2]  # those of people who saw the face and heard nothing
    truth = [CLASSES.index(LETTERS[letter]) for letter in votes[[*LETTERS]].idxmax(axis=1)]
    actors = pd.read_csv(shared / "VideoDemographics.csv", dtype=str).set_index("ActorID")
    actor = votes["fileName"].str[:4].to_numpy()
    table = predict(truth, [CLASSES.index("happiness")] * len(truth), group=actor)
    table = table.assign(sex=actors["Sex"][actor].to_numpy(), age=actors["Age"][actor].to_numpy())
    result = score_groups(table, assign(table), resamples=100)
    counts = {"sex": {"Female": (612, 3512, 43), "Male": (666, 3930, 48)}}
    counts["age"] = {"20-29": (502, 2774, 34), "30-39": (320, 1886, 23), "40-49": (208, 1306, 16)}
    counts["age"] |= {"50-59": (163, 984, 12), "60-69": (74, 410, 5), "70 and over": (11, 82, 1)}
    for by, groups in counts.items():
        assert list(result[by]["values"]) == list(groups)
        for name, (right, clips, people) in groups.items():
            own = result[by]["values"][name]["expression"]
            assert (own["n"], own["people"]) == (clips, people)
            assert own["accuracy"]["value"] == pytest.approx(right / clips, abs=1e-12)
    gap = result["age"]["gap"]["expression"]["accuracy"]
    assert (gap["best"], gap["worst"], gap["low"]) == ("20-29", "70 and over", None)  # a single actor
    assert gap["value"] == pytest.approx(502 / 2774 - 11 / 82, abs=1e-12)


LETTERS = {"N": "neutral", "H": "happiness", "S": "sadness", "F": "fear", "D": "disgust", "A": "anger"}
"""The columns of votes, in the order of the vocabulary: of equal votes the first counts."""


@pytest.mark.parametrize(
    ("corpus", "split", "by"),
    [("raf_db", "test", ("sex", "ethnicity", "sex,age")), ("crema_d", "train", ("sex", "age", "ethnicity", "sex,age"))],
)
def test_the_report_of_a_trained_network_is_right_to_the_digit(run, request, tmp_path, corpus, split, by):
    records = request.getfixturevalue(f"faces_of_{corpus}")
    out = tmp_path / "report"
    report = evaluate(run, (corpus,), split, records, out=out, by=by)
    assert json.loads((out / "report.json").read_text())["groups"] == report["groups"]
    assert list(report["groups"]) == [*by]
    table = pd.read_csv(out / "predictions.csv", dtype={"group": str}, keep_default_na=False)
    truth, answers = (table[[f"{kind}_{name}" for name in CLASSES]].astype(float) for kind in ("true", "expression"))
    table["right"] = truth.to_numpy().argmax(axis=1) == answers.to_numpy().argmax(axis=1)
    field = table["sex"].replace({"unsure": "not given", "": "not given"})
    for name, rows in table.groupby(field):
        value = report["groups"]["sex"]["values"][name]
        assert (value["records"], value["people"]) == (len(rows), rows["group"].nunique())
        assert value["expression"]["accuracy"]["value"] == pytest.approx(rows["right"].mean(), abs=1e-12)
    page = Page((out / "report.html").read_text())
    assert len(page.pictures) >= len(by)
    assert {f"groups-{name.replace(',', '-')}.png" for name in by} <= {path.name for path in out.iterdir()}
    assert "gaps-by-sex.csv" in page.downloads or corpus == "crema_d"


def test_corpora_that_tell_of_people_are_grouped_without_being_asked(run, faces_of_raf_db, tmp_path, capsys):
    words = [str(run), "--corpora", "raf_db", "--split", "test", "--records", str(faces_of_raf_db)]
    cli.run(main, [*words, "--out", str(tmp_path / "report")], "tfaffect evaluate")
    text = capsys.readouterr().out
    assert [line.split()[:2] for line in text.splitlines() if line.startswith("by ")] == [
        ["by", "sex"],
        ["by", "age"],
        ["by", "ethnicity"],
    ]
    assert "p of the gap, corrected" in text
    cli.run(main, [*words, "--out", str(tmp_path / "two"), "--by", "sex,ethnicity"], "tfaffect evaluate")
    assert "male / Asian" in capsys.readouterr().out


def test_corpora_that_do_not_are_said_to_have_no_groups(run):
    report = json.loads((run / "report" / "report.json").read_text())
    assert report["groups"] == {}
    assert (
        "gives sex, age or ethnicity, so there are no scores by group" in (run / "report" / "report.html").read_text()
    )
    with pytest.raises(UsageError, match="No record of synthetic says sex"):
        evaluate(run, out=run / "other", by=("sex",))


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "copy")


def test_calibrate_reports_by_group_and_keeps_one_temperature(copy, tmp_path, capsys):
    keys = pd.read_csv(copy / "report" / "predictions.csv")["key"]
    halves = tmp_path / "halves.csv"
    pd.DataFrame({"key": keys, "group": np.resize(["left", "right"], len(keys))}).to_csv(halves, index=False)
    before = read(copy).temperature
    cli.run(calibration.main, [str(copy), "--by", str(halves)], "tfaffect calibrate")
    text = capsys.readouterr().out
    assert "A temperature for each group is refused" in text
    groups = json.loads((copy / "report" / "report.json").read_text())["groups"]["halves"]["values"]
    for name in ("left", "right"):
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        ece = groups[name]["expression"]["ece"]
        assert f"{100 * ece['value']:.1f} %" in line
    assert read(copy).temperature == pytest.approx(before)


def test_calibrate_refuses_a_wrong_grouping_before_it_changes_the_model(copy):
    before = (copy / "model.keras").read_bytes()
    with pytest.raises(UsageError, match="No record of synthetic says age"):
        calibration.calibrate(copy, coverage=0.5, by=("age",))
    assert (copy / "model.keras").read_bytes() == before
