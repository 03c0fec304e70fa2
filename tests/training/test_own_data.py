"""A user's own videos and pictures and an open corpus, in one training."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from tests import ROOT
from tests.builders.test_corpora import find_green
from tests.fakes import crema_d, folder, videos
from tfaffect import contract as contracts
from tfrecords_builders.crema_d import CremaD
from tfrecords_builders.folder import Folder
from tfrecords_builders.prepare import prepare
from tfrecords_builders.videos import Videos


@pytest.mark.slow
def test_one_command_trains_on_own_videos_crema_d_and_own_pictures(tmp_path):
    layouts = [
        (Videos(data_licence="CC BY 4.0"), videos.write_plain),
        (CremaD(), crema_d.write_converted),
        (Folder(), folder.write_splits_and_boxes),
    ]
    for corpus, write in layouts:
        write(tmp_path / corpus.name)
        prepare(corpus, tmp_path / corpus.name, tmp_path / "records", face_detector=find_green, max_skipped=0.9)
    words = "--architecture micro --image-size 32 --epochs 2 --batch-size 8 --warmup-steps 1 --weights none"
    train = [sys.executable, "-m", "tfaffect", "train", "--corpora", "videos", "crema_d", "folder"]
    subprocess.run(
        [*train, "--records", tmp_path / "records", "--run", tmp_path / "run", *words.split()],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True,
    )  # fmt: skip
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert len(history) == 2
    assert history[["val_videos/valence_ccc", "val_crema_d/expression_accuracy"]].notna().all().all()
    contract = contracts.read(tmp_path / "run" / "model.keras")
    assert set(contract.corpora) == {"videos", "crema_d", "folder"}
    assert contract.trained == ("expression", "valence", "arousal")
    assert contract.terms["videos"] == "CC BY 4.0. How the people agreed: not stated (--agreement)"
    report = json.loads((tmp_path / "run" / "report" / "report.json").read_text())
    assert set(report["scores"]) >= {"videos", "crema_d", "folder", "pooled"}
