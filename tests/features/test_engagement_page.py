"""What docs/engagement.md tells people to type, typed in its order: fewer people, shorter clips, a small network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests import ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "engagement.md").read_text()
FENCE = re.compile(r"^```(python|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SMALLER = {
    "PEOPLE, CLIPS, SECONDS, RATE = 10, 4, 16, 10": "PEOPLE, CLIPS, SECONDS, RATE = 5, 2, 6, 10",
    "FOLDS, RESAMPLES = 5, 1000": "FOLDS, RESAMPLES = 5, 20",
}
BEGINS = [0.0, 2.0]  # of windows of four seconds, every two, in six


@pytest.fixture(scope="module")
def folder(face_detector, run, tmp_path_factory):
    """The folder in which every block was run; `printed` there is what they wrote."""
    folder = tmp_path_factory.mktemp("engagement")
    (folder / "runs").mkdir()
    (folder / "runs" / "drawn").symlink_to(run)
    surroundings = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TFAFFECT_FACE_DETECTOR": str(face_detector),
    }
    printed = ""
    for language, block in FENCE.findall(PAGE):
        if language == "python":
            (folder / file_of(block)).write_text(smaller(block))
        elif "train.py" not in block:
            done = subprocess.run(
                ["bash", "-e"], input=block, cwd=folder, env=surroundings, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            printed += done.stdout
    (folder / "printed").write_text(printed)
    return folder


def file_of(block):
    """The file that the first line of a Python block names."""
    return re.match(r"# (\w+\.py)\n", block).group(1)


def smaller(block):
    for written, ours in SMALLER.items():
        block = block.replace(written, ours)
    return block


def test_the_page_still_has_the_lines_that_this_test_makes_smaller():
    blocks = [block for language, block in FENCE.findall(PAGE) if language == "python"]
    assert [file_of(block) for block in blocks] == ["make_clips.py", "classify.py"]
    for line in SMALLER:
        assert sum(block.count(line) for block in blocks) == 1


def test_the_page_trains_the_network_that_it_embeds_with():
    (trains, _, embeds, _) = (block for language, block in FENCE.findall(PAGE) if language == "bash")
    assert "train.py --run runs/drawn" in trains
    assert "--model runs/drawn" in embeds


def test_every_clip_has_its_length_and_its_line(folder):
    clips = pd.read_csv(folder / "clips.csv")
    assert list(clips.columns) == ["path", "person", "engaged"]
    assert clips["engaged"].tolist() == [0, 1] * 5
    for path in clips["path"]:
        video = cv2.VideoCapture(str(folder / path))
        assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 60
        assert video.get(cv2.CAP_PROP_FPS) == 10


def test_the_rows_are_a_regular_series_with_gaps_that_say_so(folder):
    rows = pd.read_parquet(folder / "clips.parquet")
    for _, clip in rows.groupby("path"):
        np.testing.assert_allclose(clip["seconds"], np.arange(30) / 5)
    assert 0.7 < rows["face"].notna().mean() < 1  # most frames show the drawn person, not all
    assert set(rows.loc[rows["face"].isna(), "problem"]) == {"no face"}


def test_every_window_is_a_row_and_carries_the_columns_of_the_csv(folder):
    windows = pd.read_parquet(folder / "clips.windows.parquet")
    clips = pd.read_csv(folder / "clips.csv", dtype=str).set_index("path")
    assert set(windows["path"]) == set(clips.index)
    for path, clip in windows.groupby("path"):
        assert sorted(set(clip["begin_seconds"])) == BEGINS
        assert set(clip["frames"]) == {20}
        assert set(clip["person"]) == {clips.at[path, "person"]}
        assert set(clip["engaged"]) == {clips.at[path, "engaged"]}


def test_the_columns_that_the_page_explains_are_those_of_the_table(folder):
    (_, table) = re.search(r"\| columns of a window \|.*?\n(\|[-|]+\n)(.*?)\n\n", PAGE, re.DOTALL).groups()
    named = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()))
    assert "valence_mean" in named
    assert set(named) <= set(pd.read_parquet(folder / "clips.windows.parquet").columns)


def test_the_classifier_prints_a_balanced_accuracy_with_its_interval_for_each_set_of_features(folder):
    printed = (folder / "printed").read_text()
    found = re.findall(r"balanced accuracy (\d\.\d{3}) \((\d\.\d{3}) to (\d\.\d{3})\)", printed)
    assert len(found) == 5
    for accuracy, low, high in np.array(found, float):
        assert 0 <= low <= high <= 1
        assert 0 <= accuracy <= 1
