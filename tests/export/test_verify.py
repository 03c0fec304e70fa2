import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tfaffect import cli
from tfaffect import contract as contracts
from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.export import claims, photos, verdict, verify
from tfaffect.export.claims import Figure
from tfaffect.features.row import NO_FACE
from tfaffect.labels import AFFECT, CLASSES, HEADS
from tfaffect.records.prepared import open_corpus
from tfaffect.runtimes.opening import open_model
from tfaffect.runtimes.runtime import Runtime
from tfaffect.scoring import scores
from tfaffect.scoring.protocol import Protocol
from tfaffect.scoring.scores import PREDICTED, TRUE, TRUE_AFFECT


@pytest.fixture
def copy(exported, tmp_path):
    """An export whose contract can be changed."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def rewrite(folder, **changes):
    contract = replace(contracts.read(folder), **changes)
    (folder / "model.json").write_text(contract.dumps())


def table(probabilities, classes, groups=None):
    """Predictions of n faces; a class of None is no label."""
    rows = pd.DataFrame(np.asarray(probabilities, float), columns=[*PREDICTED])
    rows[[*TRUE]] = [np.eye(8)[place] if place is not None else np.zeros(8) for place in classes]
    rows[[*AFFECT]], rows[[*TRUE_AFFECT]] = np.nan, np.nan
    names = [str(number) for number in range(len(rows))]
    return rows.assign(corpus="corpus", key=names, group=groups or names, tags="")


def answers(places, top=0.9):
    """Probabilities whose largest entry is at the given places."""
    probabilities = np.full((len(places), 8), (1 - top) / 7)
    probabilities[np.arange(len(places)), places] = top
    return probabilities


# What holds


@pytest.mark.parametrize(
    ("title", "claimed", "value", "low", "high", "on_the_same", "on_others"),
    [
        ("accuracy", 0.80, 0.7985, 0.78, 0.81, True, True),  # 0.15 points less
        ("accuracy", 0.80, 0.797, 0.78, 0.81, False, True),  # 0.3 points less: by chance, on other records only
        ("accuracy", 0.80, 0.95, 0.94, 0.96, True, True),  # better
        ("accuracy", 0.80, 0.70, 0.68, 0.72, False, False),
        ("UAR", 0.80, 0.797, None, None, False, False),  # a single group: no interval
        ("ECE", 0.04, 0.0415, 0.03, 0.05, True, True),  # lower is better
        ("ECE", 0.04, 0.01, 0.00, 0.02, True, True),
        ("ECE", 0.04, 0.09, 0.08, 0.10, False, False),
        ("RMSE valence", 0.20, 0.25, 0.19, 0.30, False, True),
        ("CCC arousal", 0.60, None, None, None, False, False),  # labelled, and the file gives NaN
        ("coverage valence", 0.90, 0.89, 0.88, 0.91, True, True),  # a guarantee for new faces
        ("coverage valence", 0.90, 0.80, 0.78, 0.82, False, False),
        ("coverage valence", 0.90, 0.99, 0.98, 1.00, True, True),
        ("NaN valence", 1.0, 1.0, None, None, True, True),
        ("NaN valence", 1.0, 0.9995, None, None, False, False),  # a number is too many
    ],
)
def test_a_claim_holds_within_the_tolerance_and_on_other_records_within_chance(
    title, claimed, value, low, high, on_the_same, on_others
):
    for same, expected in [(True, on_the_same), (False, on_others)]:
        (finding,) = claims.compare({title: claimed}, {title: Figure(value, low, high)}, same)
        assert finding.holds is expected, same


def test_a_claim_without_labels_is_neither_true_nor_false():
    (finding,) = claims.compare({"CCC valence": 0.5}, {}, same_records=True)
    assert finding.holds is None


def test_a_contract_claims_its_figures_its_coverage_and_its_silence():
    figure = {"value": 0.7, "low": 0.6, "high": 0.8}
    expression = {"accuracy": figure, "uar": figure, "macro_f1": {"value": None, "low": None, "high": None}, "ece": 0.1}
    contract = Contract(
        input_size=32,
        trained=("expression", "valence"),
        corpora={},
        scores={"expression": expression, "valence": None},
        calibration={"coverage": 0.9, "half_width": {"valence": 0.3, "arousal": None}},
    )
    assert claims.claims(contract) == {
        "accuracy": 0.7,
        "UAR": 0.7,
        "ECE": 0.1,
        "coverage valence": 0.9,
        "NaN arousal": 1.0,
    }
    assert claims.claims(Contract(input_size=32, trained=HEADS, corpora={})) == {}


# What is measured


def test_the_calibration_error_is_that_of_the_report_with_an_interval_around_it():
    rng = np.random.default_rng(0)
    top = rng.uniform(0.33, 0.99, 500)
    probabilities = np.column_stack([(1 - top) / 7] * 8)
    probabilities[:, 1] = top
    rows = table(probabilities, np.where(rng.random(500) < top - 0.03, 1, 2))
    figure = claims.measure(rows, Contract(input_size=32, trained=HEADS, corpora={}))["ECE"]
    assert figure.value == pytest.approx(scores.score(rows, resamples=0)["expression"]["ece"])
    assert 0 <= figure.low < 0.03 < figure.high < 0.1, "the true error is 0.03; all percentiles lie above it"


def test_coverage_is_the_share_of_truths_inside_of_the_intervals():
    rows = table(answers([1] * 10), [None] * 10).assign(valence=0.1, arousal=0.0)
    rows["true_valence"] = 0.1 + np.array([0, 0.1, -0.2, 0.2, -0.3, 0.31, -0.35, 0.5, 0.6, np.nan])  # 5 of 9
    contract = Contract(
        input_size=32,
        trained=HEADS,
        corpora={},
        calibration={"coverage": 0.9, "half_width": {"valence": 0.3001, "arousal": 0.1}},
    )
    measured = claims.measure(rows, contract)
    assert measured["coverage valence"].value == pytest.approx(5 / 9)
    assert measured["coverage valence"].low < 5 / 9 < measured["coverage valence"].high
    assert not {"accuracy", "ECE", "CCC arousal", "coverage arousal"} & set(measured), "there are no such labels"
    assert claims.measure(rows.assign(valence=np.nan), contract)["coverage valence"].value is None


def test_a_head_that_should_be_silent_is_counted():
    contract = Contract(input_size=32, trained=("expression",), corpora={})
    rows = table(answers([1, 1, 2, 3]), [1, 1, 2, 2])
    measured = claims.measure(rows, contract)
    assert (measured["NaN valence"].value, measured["NaN arousal"].value) == (1, 1)
    assert "NaN expression" not in measured
    assert claims.measure(rows.assign(valence=0.0), contract)["NaN valence"].value == 0


# The protocol


@pytest.mark.parametrize(
    "protocol",
    [
        Protocol({"fer_plus": "1.0.0"}, "validation"),
        Protocol({"fer_plus": "1.0.0", "raf_db": "2.10.1"}, "test", "strict"),
    ],
)
def test_a_protocol_survives_as_words(protocol):
    assert Protocol.from_text(protocol.as_text()) == protocol


def test_a_report_names_its_protocol(run, config):
    words = json.loads((run / "report" / "report.json").read_text())["protocol"]
    assert Protocol.from_text(words) == Protocol({"synthetic": "1.1.0"}, "validation", "")


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"evaluated on": "fer_plus", "split": "test", "only": "all records"},
        {"evaluated on": "fer_plus 1.0.0", "split": "test"},
        {"evaluated on": "a 1.0.0, a 1.0.0", "split": "test", "only": "all records"},
        {"evaluated on": 3, "split": "test", "only": "strict"},
    ],
)
def test_a_protocol_that_cannot_be_read_is_refused(words):
    with pytest.raises(UsageError, match="evaluate again"):
        Protocol.from_text(words)


# Files and their claims


@pytest.mark.parametrize("kind", ["run", "tflite"])
def test_a_file_that_is_what_it_was_holds_all_of_its_claims(run, exported, records, kind):
    found = verify.verify({"run": run, "tflite": exported}[kind], records)
    assert found["holds"]
    assert found["same records"]
    assert found["records"] == open_corpus(records, "synthetic").size("validation")
    figures = {finding["figure"]: finding for finding in found["figures"]}
    assert set(figures) == {*claims.SCORED, *claims.COVERAGE}
    for title in claims.SCORED:
        assert figures[title]["measured"]["value"] == pytest.approx(figures[title]["claimed"], abs=1e-4)
        assert figures[title]["holds"]
    assert figures["coverage valence"]["claimed"] == 0.9
    assert figures["coverage valence"]["measured"]["value"] == pytest.approx(0.9, abs=0.05)


def test_other_records_need_only_agree_within_chance(exported, records):
    found = verify.verify(exported, records, split="test")
    assert not found["same records"]
    assert found["measured on"]["split"] == "test"
    assert found["claimed on"]["split"] == "validation"
    by_figure = {finding["figure"]: finding for finding in found["figures"]}
    moved = {name: found["measured"]["value"] - found["claimed"] for name, found in by_figure.items()}
    assert moved["CCC valence"] != 0
    higher_is_better = ("accuracy", "UAR", "macro F1", "CCC valence", "CCC arousal")
    for name in higher_is_better:
        claimed, measured = by_figure[name]["claimed"], by_figure[name]["measured"]
        by_chance = measured["low"] <= claimed <= measured["high"]
        assert by_figure[name]["holds"] == (by_chance or moved[name] >= -claims.TOLERANCE), name
    assert any(by_figure[name]["holds"] and moved[name] < -claims.TOLERANCE for name in higher_is_better)


def test_a_claim_that_is_too_good_does_not_hold(copy, records, tmp_path, capsys):
    claimed = contracts.read(copy).scores
    claimed["expression"]["accuracy"]["value"] += 0.01
    claimed["valence"]["rmse"]["value"] -= 0.01
    rewrite(copy, scores=claimed)
    with pytest.raises(SystemExit) as stopped:
        verify.main(copy, records, out=tmp_path / "found.json")
    assert stopped.value.code == 1
    found = json.loads((tmp_path / "found.json").read_text())
    assert not found["holds"]
    assert [f["figure"] for f in found["figures"] if f["holds"] is False] == ["accuracy", "RMSE valence"]
    lines = {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["accuracy"].endswith("DOES NOT HOLD")
    assert lines["UAR"].endswith("holds")
    assert f"{100 * claimed['expression']['accuracy']['value']:.2f} %" in lines["accuracy"]


def test_a_file_with_other_weights_is_refused_with_status_1(copy, records, capsys):
    content = bytearray((copy / "model.tflite").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "model.tflite").write_bytes(content)
    with pytest.raises(SystemExit) as stopped:
        cli.run(verify.main, [str(copy), "--records", str(records)], name="verify")
    assert stopped.value.code == 1
    assert "its hash is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"scores": None}, {}, "has no figures"),
        ({}, {"records": Path("/nowhere")}, "No records of 'synthetic' in /nowhere"),
        ({}, {"only": "strict"}, "No record has the tag 'strict'"),
        ({}, {"split": "dev"}, "no split 'dev'"),
        ({}, {"faces": Path("/nowhere"), "face_detector": Path("/nothing")}, "no face detector at /nothing"),
        ({"scores": {"protocol": {"split": "validation"}, "records": 3}}, {}, "evaluate again"),
        ({"scores": {"records": 3}}, {}, "evaluate again"),
        (
            {"scores": {"protocol": Protocol({"synthetic": "1.0.0"}, "validation").as_text(), "records": 3}},
            {},
            "holds version 1.1.0 of synthetic; the figures were measured on 1.0.0",
        ),
        (
            {
                "scores": {"protocol": Protocol({"synthetic": "1.1.0"}, "validation").as_text(), "records": 3},
                "calibration": None,
            },
            {},
            "No claim of .* can be measured",
        ),
    ],
)
def test_what_cannot_be_verified_is_an_error_of_use(copy, records, capsys, change, arguments, message):
    rewrite(copy, **change)
    given = {"artefact": copy, "records": records} | arguments
    with pytest.raises(UsageError, match=message) as caught:
        verify.verify(**given)
    assert not isinstance(caught.value, verify.BrokenArtefactError)


def test_a_model_that_is_not_there_is_an_error_of_use(records, tmp_path):
    with pytest.raises(UsageError, match="There is no run folder or model at") as caught:
        verify.verify(tmp_path / "nothing.tflite", records)
    assert not isinstance(caught.value, verify.BrokenArtefactError)


class Silent(Runtime):
    """Says nothing of every other face."""

    pixels_at_once = 10**9

    def run(self, pictures):
        """Give probabilities that are NaN for odd faces."""
        count = len(pictures)
        probabilities = answers([1] * count).astype(np.float32)
        probabilities[1::2] = np.nan
        nothing = np.full(count, np.nan, np.float32)
        embedding = np.zeros((count, 256), np.float32)
        return {"expression": probabilities, "valence": nothing, "arousal": nothing, "embedding": embedding}

    def input_shape(self):
        """Any batch."""
        return (None, 32, 32, 3)


def test_outputs_that_cannot_be_scored_are_the_fault_of_the_file(records):
    network = Silent(Path("model.tflite"), Contract(input_size=32, trained=HEADS, corpora={}))
    on = Protocol({"synthetic": "1.1.0"}, "validation")
    with pytest.raises(verify.BrokenArtefactError, match="cannot be scored"):
        verify._predict(network, [open_corpus(records, "synthetic")], on, advance=None)


# Photos


def test_a_missed_face_is_a_wrong_answer():
    """Six photos of class 0 and four of class 7. Found: 4 of 5 right, 2 of 3 right; the wrong ones got the other."""
    said = [0, 0, 0, 0, 7, 0, 7, 7, 0, 0]
    truth = [0, 0, 0, 0, 0, 0, 7, 7, 7, 7]
    described = table(answers(said), truth).assign(found=[True] * 5 + [False] + [True] * 3 + [False])
    described.loc[~described["found"], [*PREDICTED]] = np.nan
    scored = photos.score(described, Contract(input_size=32, trained=("expression",), corpora={}))
    found, missed = scored["found"], scored["missed is wrong"]
    assert found["accuracy"].value == pytest.approx(6 / 8)
    assert found["UAR"].value == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert missed["accuracy"].value == pytest.approx(6 / 10)
    assert missed["UAR"].value == pytest.approx((4 / 6 + 2 / 4) / 2)
    # 2 hits / (photos + answers): class 0 has 6 photos and 5 answers, class 7 has 4 and 3
    assert missed["macro F1"].value == pytest.approx((8 / 11 + 4 / 7) / 2)
    assert missed["accuracy"].low < 0.6 < missed["accuracy"].high


def test_without_a_missed_face_both_ways_of_counting_are_one():
    rng = np.random.default_rng(3)
    described = table(answers(rng.integers(0, 8, 200)), rng.integers(0, 5, 200)).assign(found=True)
    scored = photos.score(described, Contract(input_size=32, trained=("expression",), corpora={}))
    assert scored["missed is wrong"] == {name: scored["found"][name] for name in ("accuracy", "UAR", "macro F1")}


def test_where_no_face_is_found_nothing_is_right():
    described = table(np.full((3, 8), np.nan), [1, 2, 2]).assign(found=False)
    scored = photos.score(described, Contract(input_size=32, trained=("expression",), corpora={}))
    assert scored["found"] == {}
    assert scored["missed is wrong"]["accuracy"].value == 0


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Drawn people in larger pictures, and a wall: with a table, and sorted into folders by their class."""
    from tfrecords_builders.synthetic import Synthetic

    drawn = [face for face in Synthetic(subjects=4, pictures=6).faces(None) if face.expression is not None][:6]
    folder = tmp_path_factory.mktemp("album")
    rows = ["path,class,valence,arousal,group,camera"]
    for number, face in enumerate(drawn):
        name = CLASSES[int(np.argmax(face.expression))]
        picture = np.full((400, 640, 3), 128, np.uint8)
        picture[60:360, 200:500] = cv2.resize(face.image(), (300, 300), interpolation=cv2.INTER_CUBIC)
        for path in (folder / "table" / f"{number}.png", folder / "sorted" / name.upper() / f"{number}.png"):
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture[..., ::-1])
        rows.append(f"{number}.png,{name},0.5,,person {number // 2},A7")
    wall = np.full((400, 640, 3), 128, np.uint8)
    cv2.imwrite(str(folder / "table" / "wall.png"), wall)
    rows.append("wall.png,Neutral,,0.1,person 9,A7")
    (folder / "table" / "labels.csv").write_text("\n".join(rows))
    return folder


def test_photos_go_through_the_detector(exported, records, album, face_detector):
    told = []
    found = verify.verify(
        exported,
        records,
        faces=album / "table",
        face_detector=face_detector,
        advance=lambda done, of: told.append((done, of)),
    )
    faces = found["faces"]
    assert (faces["photos"], faces["no face"]) == (7, 1)
    accuracy = faces["found"]["accuracy"]["value"]
    assert faces["missed is wrong"]["accuracy"]["value"] == pytest.approx(accuracy * 6 / 7)
    assert {"RMSE valence", "coverage valence"} <= set(faces["found"])
    assert "RMSE arousal" not in faces["found"], "only the wall has one"
    assert found["holds"], "nothing is claimed of photos"
    assert told[-1] == (7, 7)
    lines = verdict.summarise(found).splitlines()
    assert "With the face detector: 7 photos, 1 without a face" in lines
    assert sum(line.startswith("accuracy") for line in lines) == 2


def test_photos_are_described_as_embed_does(exported, album, face_detector):
    from tfaffect.embed import Embedder
    from tfaffect.media.detector import FaceDetector

    described = photos.predict(photos.find(album / "sorted"), open_model(exported), FaceDetector(face_detector))
    assert described["found"].all()
    embedder = Embedder(exported, face_detector=face_detector)
    for photo, (_, row) in zip(photos.find(album / "sorted"), described.iterrows(), strict=True):
        (expected,) = embedder.rows(photo.path, faces=1)
        assert expected.problem != NO_FACE
        np.testing.assert_allclose(row[[*PREDICTED]].astype(float), expected.expression, atol=1e-6)
        assert row[[*TRUE]].astype(float).to_numpy().argmax() == CLASSES.index(photo.path.parent.name.lower())


def test_a_table_says_what_it_knows(tmp_path):
    (tmp_path / "labels.csv").write_text(
        "path;expression;valence;group\na.png;Fear;-0.5;p1\nb.png;;NaN;\nc.png;n/a;1;p1"
    )
    first, second, third = (photos._labels(photo) for photo in photos.find(tmp_path))
    assert (first["true_fear"], first["true_anger"], first["true_valence"], first["group"]) == (1, 0, -0.5, "p1")
    assert sum(second[name] for name in TRUE) == 0
    assert np.isnan([second["true_valence"], third["true_arousal"]]).all()
    assert second["group"] == str(tmp_path / "b.png")
    assert third["true_valence"] == 1


def test_other_words_for_classes_are_read_as_builds_read_them(tmp_path):
    write_sorted(tmp_path, "Happy", "angry")
    assert [photos._labels(photo)["true_happiness"] for photo in photos.find(tmp_path)] == [1, 0]
    (tmp_path / "labels.csv").write_text("path,class\nHappy/a.png,Surprised\nangry/a.png,SAD")
    first, second = (photos._labels(photo) for photo in photos.find(tmp_path))
    assert (first["true_surprise"], second["true_sadness"]) == (1, 1)
    assert sum(first[name] for name in TRUE) == 1


def write_sorted(folder, *names):
    for name in names:
        (folder / name).mkdir()
        cv2.imwrite(str(folder / name / "a.png"), np.zeros((9, 9, 3), np.uint8))


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: None, "Received: neither"),
        (lambda folder: folder.rmdir(), "There is no folder"),
        (lambda folder: write_sorted(folder, "happiness", "bored"), "Received: bored, happiness"),
        (lambda folder: (folder / "fear").mkdir(), "folders that hold some"),
        (lambda folder: (folder / "labels.csv").write_text("picture\na.png"), "column named path"),
        (lambda folder: (folder / "labels.csv").write_text("path,class\na.png,bored"), "Received: 'bored'"),
        (lambda folder: (folder / "labels.csv").write_text("path,valence\na.png,1.5"), "from -1 to 1. Received: '1.5'"),
        (lambda folder: (folder / "labels.csv").write_text("path,arousal\na.png,low"), "Received: 'low'"),
        (lambda folder: (folder / "labels.csv").write_text("path,class\na.png,fear"), "cannot be scored: unreadable"),
    ],
)
def test_photos_that_cannot_be_used_are_named(tmp_path, prepare, message):
    folder = tmp_path / "photos"
    folder.mkdir()
    prepare(folder)
    network = Silent(Path("model.tflite"), Contract(input_size=32, trained=HEADS, corpora={}))
    with pytest.raises(UsageError, match=message):
        photos.predict(photos.find(folder), network, lambda picture, most: [])


def test_a_video_is_no_photo(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    (tmp_path / "labels.csv").write_text("path,class\na.avi,fear")
    network = Silent(Path("model.tflite"), Contract(input_size=32, trained=HEADS, corpora={}))
    with pytest.raises(UsageError, match="it is a video"):
        photos.predict(photos.find(tmp_path), network, lambda picture, most: [])


# The command


def test_the_progress_goes_to_the_terminal_not_into_the_table(exported, records, monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    verify.main(exported, records)
    assert out.getvalue().startswith("model.tflite on synthetic 1.1.0, validation, all records: ")
    assert out.getvalue().count("holds\n") == 10
