import json
import os
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests import ROOT
from tfaffect import cli
from tfaffect import contract as contracts
from tfaffect.contract import Contract
from tfaffect.export import card, markdown, onnx, saved_model, snippets, tflite, verify
from tfaffect.labels import CLASSES, HEADS
from tfaffect.media.faces import letterbox
from tfaffect.runtimes.opening import open_model

EXPORTERS = {"TFLite": tflite, "SavedModel": saved_model, "ONNX": onnx}


@pytest.fixture(scope="module")
def exports(run, tmp_path_factory):
    """Every format of one run: format -> folder."""
    root = tmp_path_factory.mktemp("exports")
    for kind, exporter in EXPORTERS.items():
        exporter.export(run, root / kind)
    return {kind: root / kind for kind in EXPORTERS}


@pytest.fixture(scope="module")
def face():
    """A drawn face, RGB."""
    from tfrecords_builders.synthetic import Synthetic

    return next(Synthetic(subjects=1, pictures=1).faces(None)).image()


def figure(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def row(text, first):
    """The cells of the table row that starts with a word."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.fixture
def full():
    """A contract in which everything is known."""
    classes = {name: {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 1234} for name in CLASSES}
    classes["contempt"] = {"precision": None, "recall": 0.0, "f1": 0.0, "support": 3}
    expression = {
        "n": 3553,
        "accuracy": figure(0.8123, 0.8012, 0.8234),
        "uar": figure(0.7, 0.65, 0.75),
        "macro_f1": figure(None),
        "ece": 0.0343,
        "classes": classes,
    }
    valence = {"n": 1500, "ccc": figure(0.6543, 0.6, 0.7), "rmse": figure(0.3021, 0.29, 0.31)}
    return Contract(
        input_size=64,
        trained=HEADS,
        corpora={"fer_plus": "1.0.0", "mine": "3.1.0"},
        temperature=1.2346,
        scores={
            "protocol": {"evaluated on": "fer_plus 1.0.0", "split": "validation", "only": "strict", "temperature": 1.2},
            "records": 3553,
            "expression": expression,
            "valence": valence,
            "arousal": None,
        },
        calibration={
            "split": "validation",
            "corpora": {"fer_plus": "1.0.0"},
            "records": 3553,
            "ece": {"before": 0.1, "after": 0.05},
            "abstain": [
                {"threshold": 0.5, "share": 0.9, "accuracy": 0.85},
                {"threshold": 0.9, "share": 0.0, "accuracy": None},
            ],
            "coverage": 0.9,
            "half_width": {"valence": 0.4567, "arousal": None},
        },
        artefact={
            "format": "TFLite",
            "recipe": "int8",
            "bytes": 9_345_678,
            "network_milliseconds": 21.54,
            "differences": {"valence": 2.5e-4},
            "losses": {},
        },
    )


def test_the_card_says_what_the_contract_knows(full):
    text = card.compose(full)
    assert text.startswith("# tfaffect: TFLite int8\n")
    assert row(text, "accuracy") == ["81.2 % [80.1, 82.3]", "3,553"]
    assert row(text, "UAR") == ["70.0 % [65.0, 75.0]", "3,553"]
    assert row(text, "macro F1") == ["-", "3,553"]
    assert row(text, "ECE") == ["3.4 %", "3,553"]
    assert row(text, "CCC valence") == ["0.654 [0.600, 0.700]", "1,500"]
    assert row(text, "RMSE valence") == ["0.302 [0.290, 0.310]", "1,500"]
    assert row(text, "anger") == ["50.0 %", "25.0 %", "33.3 %", "1,234"]
    assert row(text, "contempt") == ["-", "0.0 %", "0.0 %", "3"]
    assert row(text, "only") == ["strict"]
    assert row(text, "fer_plus") == ["1.0.0", card.PEOPLE["fer_plus"]]
    assert row(text, "mine") == ["3.1.0", "-"]
    assert row(text, "classes, in order") == [", ".join(f"{place} {name}" for place, name in enumerate(CLASSES))]
    assert "temperature 1.235" in text
    assert "10.0 % before; 5.0 % after" in text
    assert "the prediction ± 0.457 contains the label for 90 % of faces like these" in text
    assert row(text, "0.5") == ["90.0 %", "85.0 %"]
    assert row(text, "0.9") == ["0.0 %", "-"]
    assert row(text, "size") == ["9.3 MB"]
    assert row(text, "milliseconds, Keras") == ["21.5"]
    assert row(text, "largest difference from Keras, valence") == ["0.00025"]
    assert "loss against" not in text
    assert full.licence in text
    assert "never saw a person" not in text


def test_a_copy_of_a_corpus_that_misleads_is_named_beside_the_corpora(full):
    sentences = ["This is nobody/small, a re-pack.", "Its test is not the official one."]
    received = card.compose(contracts.loads(replace(full, warnings={"mine": sentences}).dumps(), "here"))
    data = received.partition("## Training data and licence")[2].partition("\n## ")[0]
    assert "\n- **mine**: This is nobody/small, a re-pack. Its test is not the official one.\n" in data
    assert "- **" not in card.compose(full).partition("## Training data")[2].partition("\n## ")[0]


def test_the_licence_of_each_corpus_stands_beside_it(full):
    terms = {"videos": "mine. How the people agreed: not stated (--agreement)"}
    received = card.compose(contracts.loads(replace(full, terms=terms).dumps(), "here"))
    assert "\n- Licence of **videos**: mine. How the people agreed: not stated (--agreement).\n" in received
    assert "Licence of **" not in card.compose(full)


def test_what_a_head_lacks_is_said_with_its_reason(full):
    trained = card.compose(full)
    assert "Arousal: -; these records have too few labels for it." in trained
    assert "Arousal: no interval; these records have too few labels for it." in trained
    assert row(trained, "output `arousal`") == ["calm to excited; in [-1, 1]"]
    silent = card.compose(replace(full, trained=("expression", "valence")))
    assert "Arousal: -; it was never trained." in silent
    assert "Arousal: no interval; it was never trained." in silent
    assert row(silent, "output `arousal`") == ["**never trained: NaN for every face**"]


def test_what_is_missing_is_not_invented():
    text = card.compose(Contract(input_size=32, trained=("expression",), corpora={}))
    assert text.startswith("# tfaffect\n")
    assert "None: these weights were not scored" in text
    assert "Not calibrated: the temperature is 1, and there are no intervals." in text
    assert "The contract names no corpus." in text
    assert "## This file" not in text
    assert "%" not in text


def test_a_model_of_drawn_faces_says_so():
    contract = Contract(input_size=32, trained=HEADS, corpora={"synthetic": "1.1.0"})
    assert "never saw a person" in card.compose(contract)
    assert "never saw a person" not in card.compose(replace(contract, corpora={"synthetic": "1.1.0", "expw": "1.0.0"}))


@pytest.mark.parametrize(
    ("architecture", "words"),
    [("efficientnet_b1", "EfficientNet-B1"), ("small", "a residual network of 1.1 million weights"), ("new", "new")],
)
def test_the_network_is_the_one_that_the_contract_names(full, architecture, words):
    assert row(card.compose(replace(full, architecture=architecture)), "network")[0].startswith(f"{words}; 256 ")


def test_preprocessing_stands_there_in_the_words_of_the_contract(full):
    text = card.compose(replace(full, crop_margin=0.25))
    for name in ("dtype", "layout", "colour", "values", "crop", "letterbox"):
        assert row(text, name) == [full.input[name]]
    assert row(text, "crop_margin") == ["0.25"]
    assert row(text, "height, width") == ["64, 64"]


def test_an_unbounded_head_is_not_called_bounded(full):
    assert row(card.compose(replace(full, affect_range=None)), "output `valence`")[0].endswith("not bounded")


@pytest.mark.parametrize(
    ("artefact", "languages"),
    [
        ({"format": "tflite"}, ["python", "kotlin", "js"]),
        ({"format": "TFLite", "recipe": "int8"}, ["python", "kotlin", "js"]),
        ({"format": "SavedModel"}, ["python"]),
        ({"format": "saved_model"}, ["python"]),
        ({"format": "ONNX opset 17"}, ["python"]),
        (None, ["python"]),
        ({"format": "Core ML"}, []),
    ],
)
def test_only_the_snippets_that_fit_the_format_are_there(full, artefact, languages):
    text = card.compose(replace(full, artefact=artefact))
    assert re.findall(r"```(\w+)\n", text) == languages
    assert "SIZE" not in text
    for language in languages:
        code = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]
        assert artefact is None or "64" in code


@pytest.mark.parametrize("kind", EXPORTERS)
def test_the_python_of_a_card_gives_what_the_model_gives(exports, face, tmp_path, monkeypatch, capsys, kind):
    contract = contracts.read(exports[kind])
    text = card.compose(replace(contract, artefact={"format": kind}))
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    for path in exports[kind].iterdir():
        (tmp_path / path.name).symlink_to(path)
    cv2.imwrite(str(tmp_path / "face.png"), face[..., ::-1])
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    expected = open_model(exports[kind])(letterbox(face, contract.input_size)[None])
    for name in ("expression", "valence", "arousal"):
        np.testing.assert_allclose(names["outputs"][name], getattr(expected, name), atol=1e-5)
    assert capsys.readouterr().out.startswith(CLASSES[int(expected.expression.argmax())])


def test_the_python_of_a_runs_card_finds_faces_itself(run, face, tmp_path, monkeypatch, capsys, face_detector):
    code = re.search(r"```python\n(.*?)```", card.compose(contracts.read(run)), re.DOTALL)[1]
    (tmp_path / "model.keras").symlink_to(run / "model.keras")
    picture = np.full((400, 500, 3), 128, np.uint8)
    picture[50:350, 100:400] = cv2.resize(face, (300, 300), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "photo.jpg"), picture[..., ::-1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFAFFECT_FACE_DETECTOR", str(face_detector))
    exec(code, {})
    assert capsys.readouterr().out.startswith(CLASSES)


def test_the_web_snippet_imports_what_the_demo_has():
    (name,) = re.findall(r'from "\./(.*?)"', snippets.JAVASCRIPT)
    assert "export function fixBatch" in (ROOT / "tfaffect" / "demo" / "page" / name).read_text()


def test_a_card_is_written_beside_an_export_which_stays_what_it_was(exports, capsys):
    for path in (exports["TFLite"], exports["TFLite"] / tflite.FILE, exports["SavedModel"]):
        folder = path if path.is_dir() else path.parent
        cli.run(card.main, [str(path)], name="card")
        assert capsys.readouterr().out.strip() == str(folder / "card.md")
        assert (folder / "card.md").read_text() == card.compose(contracts.read(folder))
        (folder / "card.md").write_text("an older card")
        open_model(folder)
    assert card.write(contracts.read(folder), folder).read_text().startswith("# tfaffect")
    assert not [path for path in os.listdir(folder) if path.startswith(".")]


def test_the_card_of_a_run_has_the_figures_of_its_report(run, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    for name in ("model.keras", "report"):
        (tmp_path / "run" / name).symlink_to(run / name)
    cli.run(card.main, [str(tmp_path / "run")], name="card")
    accuracy = json.loads((run / "report" / "report.json").read_text())["scores"]["pooled"]["expression"]["accuracy"]
    written = f"{100 * accuracy['value']:.1f} % [{100 * accuracy['low']:.1f}, {100 * accuracy['high']:.1f}]"
    assert row((tmp_path / "run" / "card.md").read_text(), "accuracy")[0] == written


def test_every_figure_of_a_card_can_be_verified(exports, records):
    """The table of figures and what `export.verify` compares have the same titles and values."""
    text = card.compose(contracts.read(exports["ONNX"]))
    found = verify.verify(exports["ONNX"], records)
    for finding in found["figures"]:
        if not finding["figure"].startswith("coverage"):
            said = row(text, finding["figure"])[0].split(" ")[0]
            scale = 1 if finding["figure"].startswith(("CCC", "RMSE")) else 100
            assert float(said) == pytest.approx(scale * finding["claimed"], abs=0.051)
    assert found["holds"]


def test_facts_are_written_for_people():
    facts = {
        "bytes": 27_645_716,
        "operators": ["ADD", "CONV_2D"],
        "losses": {"accuracy": 0.00123, "embedding": {"cosine": 0.9987, "worst": None}},
        "runs_on": "a phone | a page",
        "threads": 2,
        "checked": True,
        "nothing": [],
    }
    assert markdown.facts(facts) == [
        ["size", "27.6 MB"],
        ["operators", "ADD, CONV_2D"],
        ["losses, accuracy", "0.00123"],
        ["losses, embedding, cosine", "0.999"],
        ["losses, embedding, worst", "-"],
        ["runs on", "a phone | a page"],
        ["threads", "2"],
        ["checked", "True"],
        ["nothing", "-"],
    ]
    assert markdown.table(["a", "b"], [["1 | 2", "3"]]) == "| a | b |\n| --- | --- |\n| 1 / 2 | 3 |"
