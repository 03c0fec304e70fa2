"""Our models beside other libraries that classify expressions: on the same faces, in one run.

    python benchmarks/peers.py --records records --corpora fer_plus
    python benchmarks/peers.py --records records --corpora fer_plus --peer emotiefflib=VENV

Each library is installed into an environment of its own below a temporary folder (pip or npm), and runs in a process
of its own, on one core, with its own preparation of a face. Only the validation split is read: the test split stays
unseen. The scores are over the classes that all of them know. peers_list.py has the libraries, with what they learned.

`--peer` adds one that downloads its weights at first use: emotiefflib, deepface, rmn, libreface or py_feat. It is
installed, or with NAME=FOLDER runs in an environment where you have it with its weights.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pandas as pd
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import peers_scenes
from benchmarks.peers_children import install, installed_megabytes, run, weight_megabytes
from benchmarks.peers_list import Peer, chosen
from benchmarks.peers_scores import score_all
from benchmarks.peers_tables import print_costs, print_scenes, print_scores

OTHER_SIZE = 224
"""Side in pixels to which face crops are letterboxed when those of the records differ."""


def main(
    records: Path,
    corpora: tuple[str, ...] = ("fer_plus",),
    tags: tuple[str, ...] = ("plurality", "strict"),
    peer: tuple[str, ...] = (),
    faces: int | None = None,
    scenes: bool = True,
    environments: Path | None = None,
    face_detector: Path | None = None,
    out: Path | None = None,
) -> None:
    """Measure and print tables in Markdown.

    Args:
        records: Folder of the prepared corpora.
        corpora: Prepared corpora, of which the validation split is used.
        tags: Protocols: the tags of the records to score on. Give "" for all records.
        peer: Also run NAME, or NAME=FOLDER with the folder of an environment that has it.
        faces: Take this many faces only, for example to measure the speed.
        scenes: Also search photos and a video for faces.
        environments: Folder in which the environments stay for the next run, instead of a temporary one.
        face_detector: Weights of YuNet. Without it, TFAFFECT_FACE_DETECTOR is used, or they are downloaded.
        out: File for all figures as JSON.
    """
    from tfaffect.media.detector import find_weights

    weights = find_weights(face_detector).resolve()
    peers = chosen(peer)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = (environments or folder / "environments").resolve()
        home.mkdir(parents=True, exist_ok=True)
        places = {one.name: place or install(one, home / one.environment) for one, place in peers}
        known = [one for one, _ in peers]
        table = read_faces(records, corpora, folder / "faces.npy", faces)
        task = {"kind": "faces", "faces": str(folder / "faces.npy"), "weights": str(weights)}
        replies = {one.name: run(one, places[one.name], folder / "run", task) for one in known}
        scored = score_all(table, replies, [one.name for one in known if one.ours], tags)
        result = {"faces": len(table), **scored, "cost": tabulate_cost(known, places, replies)}
        print_scores(result, {one.name: one.learned for one in known})
        print_costs(result["cost"])
        if scenes:
            result["scenes"] = search_scenes(known, places, folder, weights)
            print_scenes(result["scenes"])
        if out:
            out.write_text(json.dumps(result, indent=1))


def read_faces(records: Path, corpora: tuple[str, ...], out: Path, limit: int | None) -> pd.DataFrame:
    """Write the faces of the validation splits as an array of uint8, and return a row per face with its labels."""
    from tfaffect.records.prepared import open_corpus
    from tfaffect.runtimes.predictions import tabulate

    prepared = [open_corpus(records, name) for name in corpora]
    size, batches = find_size(prepared), list[np.ndarray]()

    def keep(pictures: np.ndarray) -> dict[str, np.ndarray]:
        batches.append(pictures)
        nothing = np.full(len(pictures), np.nan)
        return {"expression": np.full((len(pictures), 8), 1 / 8), "valence": nothing, "arousal": nothing}

    table = pd.concat([tabulate(keep, corpus, "validation", size) for corpus in prepared], ignore_index=True)[:limit]
    np.save(out, np.concatenate(batches)[:limit])
    return table


def find_size(corpora: list[Any]) -> int:
    """Return the side of the face crops in pixels, or OTHER_SIZE when they differ."""
    from tfaffect.media.faces import decode

    sides = set[int]()
    for corpus in corpora:
        for record in corpus.records("validation").as_numpy_iterator():
            sides |= set(decode(record["image"]).shape[:2])
            if len(sides) > 1:
                return OTHER_SIZE
    return sides.pop()


def tabulate_cost(peers: list[Peer], places: Mapping[str, Path], replies: Mapping[str, Any]) -> dict[str, Any]:
    """Return milliseconds a face, megabytes of weights and of the installation, peak memory, and versions."""
    sizes = {place: installed_megabytes(place) for place in set(places.values())}
    return {
        peer.name: {
            "ms": replies[peer.name]["ms"],
            "weights": weight_megabytes(peer, places[peer.name]),
            "installed": sizes[places[peer.name]],
            "memory": replies[peer.name]["memory"],
            "version": replies[peer.name]["version"],
            "runtime": replies[peer.name]["runtime"],
            "no answer": sum(answer is None for answer in replies[peer.name]["answers"]),
        }
        for peer in peers
    }


def search_scenes(peers: list[Peer], places: Mapping[str, Path], folder: Path, weights: Path) -> dict[str, Any]:
    """Return what each peer that finds faces found in the photos and in the video."""
    from tfaffect.media.faces import read

    pictures = folder / "photos"
    pictures.mkdir()
    node = next(places[peer.name] for peer in peers if peer.name == "face-api") / "node_modules"
    photos = peers_scenes.photos(pictures, node)
    single = "feat/tests/data/single_face.jpg"
    box = json.loads(peers_scenes.TRUTH.read_text())[single][0]
    video = peers_scenes.video(folder / "video", read(pictures / single), box)
    result: dict[str, Any] = {}
    for name, scene in (("photos", photos), ("video", video)):
        task = {"kind": "scenes", "frames": [str(path) for path in scene.frames], "weights": str(weights)}
        result[name] = {
            peer.name: peers_scenes.score_scene(scene, run(peer, places[peer.name], folder / "run", task))
            for peer in peers
            if peer.finds
        }
    return result


if __name__ == "__main__":
    tyro.cli(main)
