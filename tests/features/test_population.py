"""`tfaffect embed --prior`: which columns change, by how much, and that the data dictionary says so."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from tfaffect import embed
from tfaffect.contract import read
from tfaffect.errors import UsageError
from tfaffect.features.tables import EMBEDDING, PROBABILITIES
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.runtimes.opening import model_file
from tfaffect.scoring import priors

RARE = np.array([0.3, 0.3, 0.001, 0.19, 0.1, 0.1, 0.008, 0.001])


@pytest.fixture(scope="module")
def pictures(faces, tmp_path_factory):
    """Twenty face crops, as files."""
    folder = tmp_path_factory.mktemp("pictures") / "people"
    folder.mkdir()
    for number, face in enumerate(faces):
        assert cv2.imwrite(str(folder / f"{number:02}.png"), face[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def table(exported, pictures, tmp_path_factory):
    """The table of the pictures as frames of a video, without a prior; and its windows."""
    out = tmp_path_factory.mktemp("plain") / "faces.csv"
    embed.main((str(pictures),), out=out, model=exported, detect=False, sequence_fps=10, window=1.0)
    return out


def written(out):
    return pd.read_csv(out), json.loads(out.with_name(f"{out.name}.columns.json").read_text())


@pytest.mark.parametrize("runtime", ["run", "exported"])
def test_probabilities_are_turned_by_bayes_and_nothing_else_changes(runtime, request, pictures, tmp_path):
    model = request.getfixturevalue(runtime)
    (tmp_path / "rare.json").write_text(json.dumps(dict(zip(CLASSES, RARE, strict=True))))
    for name, prior in [("plain", ""), ("rare", str(tmp_path / "rare.json"))]:
        embed.main((str(pictures),), out=tmp_path / f"{name}.csv", model=model, detect=False, prior=prior, abstain=0.4)
    (plain, _), (rare, facts) = written(tmp_path / "plain.csv"), written(tmp_path / "rare.csv")
    answers = np.array([*read(model_file(model)).class_shares["answers"].values()])
    expected = plain[[*PROBABILITIES]].to_numpy() * RARE / answers
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rare[[*PROBABILITIES]], expected, atol=2e-5)
    assert (rare[[*PROBABILITIES]].to_numpy().argmax(axis=1) != plain[[*PROBABILITIES]].to_numpy().argmax(axis=1)).any()
    tops = [CLASSES[row.argmax()] if row.max() >= 0.4 else None for row in expected]
    assert rare["expression"].where(rare["expression"].notna(), None).tolist() == tops
    others = [name for name in plain if name not in (*PROBABILITIES, "expression")]
    assert {*EMBEDDING, *AFFECT} < set(others)
    pd.testing.assert_frame_equal(rare[others], plain[others])
    assert facts["run"]["prior"] == dict(zip(CLASSES, RARE, strict=True))
    network = facts["sources"]["network"]
    assert network["model"]["class_shares"]["answers"] == dict(zip(CLASSES, answers, strict=True))
    assert "turned by Bayes" in network["protocol"]["prior"]


def test_shares_are_estimated_from_all_faces_and_every_table_uses_them(table, exported, pictures, tmp_path, capsys):
    out = tmp_path / "faces.csv"
    options = {"model": exported, "detect": False, "sequence_fps": 10, "window": 1.0}
    embed.main((str(pictures),), out=out, prior="estimate", **options)
    (plain, nothing), (found, facts) = written(table), written(out)
    answers = priors.answer_shares(read(model_file(exported)))
    shares = priors.estimate_shares(plain[[*PROBABILITIES]].to_numpy(), answers)
    np.testing.assert_allclose([*facts["run"]["estimated_prior"].values()], shares, atol=1e-4)
    turned = priors.reweigh(plain[[*PROBABILITIES]].to_numpy(), answers, shares)
    np.testing.assert_allclose(found[[*PROBABILITIES]], turned, atol=1e-4)
    assert found["expression"].tolist() == [CLASSES[row.argmax()] for row in turned]
    np.testing.assert_allclose(turned.mean(axis=0), shares, atol=1e-3)  # where the likelihood is highest
    assert "estimated from all faces" in facts["sources"]["network"]["protocol"]["prior"]
    assert "none" in nothing["sources"]["network"]["protocol"]["prior"]
    windows = pd.read_csv(tmp_path / "faces.windows.csv")
    first = turned[: int(windows["frames"][0])].mean(axis=0)
    np.testing.assert_allclose(
        windows.loc[0, [f"{name}_mean" for name in PROBABILITIES]].to_numpy(float), first, atol=1e-4
    )
    printed = capsys.readouterr()
    assert "estimated class shares: neutral" in printed.out
    assert "looks the same" in " ".join(printed.err.split())

    embed.main((str(pictures),), out=tmp_path / "again.csv", prior=f"{out}.columns.json", **options)
    again, _ = written(tmp_path / "again.csv")
    np.testing.assert_allclose(again[[*PROBABILITIES]], found[[*PROBABILITIES]], atol=1e-5)


def test_an_estimate_without_a_table_and_with_smoothing_is_refused(exported, pictures, tmp_path):
    call = {"inputs": (str(pictures),), "model": exported, "detect": False, "prior": "estimate"}
    with pytest.raises(UsageError, match="needs the answers for all faces"):
        embed.main(**call)
    with pytest.raises(UsageError, match="needs the answers for all faces"):
        embed.main(**call, out=tmp_path / "faces.csv", annotate=tmp_path / "copies")
    with pytest.raises(UsageError, match="a smoothed probability is no answer"):
        embed.main(**call, out=tmp_path / "faces.csv", smooth=0.5)
    assert not list(tmp_path.iterdir())


def test_a_table_without_faces_estimates_nothing(exported, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "faces.csv"
    embed.main((str(tmp_path / "broken.png"),), out=out, model=exported, detect=False, prior="estimate")
    assert "no class shares were estimated" in capsys.readouterr().out
    assert written(out)[1]["run"]["estimated_prior"] is None


def test_a_contract_of_an_earlier_version_works_but_has_no_prior(exported, pictures, tmp_path):
    old = shutil.copytree(exported, tmp_path / "old")
    contract = json.loads((old / "model.json").read_text())
    del contract["class_shares"]
    (old / "model.json").write_text(json.dumps(contract))
    embed.main((str(pictures),), out=tmp_path / "faces.csv", model=old, detect=False)
    with pytest.raises(UsageError, match="needs the class shares of the training labels"):
        embed.main((str(pictures),), out=tmp_path / "turned.csv", model=old, detect=False, prior="uniform")
