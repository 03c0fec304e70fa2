"""The small install, in a virtual environment of its own: `pytest -n 0 -m install -s`, which needs a package index."""

import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from tests import ROOT
from tfrecords_builders.synthetic import Synthetic

pytestmark = pytest.mark.install


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment that has requirements-runtime.txt and nothing else."""
    folder = tmp_path_factory.mktemp("install") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    requirements = ROOT / "requirements-runtime.txt"
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", "-r", requirements], check=True)
    return folder / "bin" / "python"


def test_a_tflite_model_needs_the_small_install_only(python, exported, face_detector, tmp_path):
    import cv2

    (tmp_path / "photos").mkdir()
    for number, face in enumerate(Synthetic(subjects=2, pictures=2).faces(None)):
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), cv2.resize(face.image(), (300, 300))[..., ::-1])
    command = [python, "-m", "tfaffect.embed", tmp_path / "photos", "--model", exported]
    surroundings = {**os.environ, "TFAFFECT_FACE_DETECTOR": str(face_detector), "PYTHONPATH": ""}
    tables = {}
    for suffix in (".parquet", ".csv", ".npz"):
        begun = time.perf_counter()
        call = [*command, "--out", tmp_path / f"faces{suffix}"]
        done = subprocess.run(call, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        tables[suffix] = tmp_path / f"faces{suffix}"
        print(f"\n{suffix}: {time.perf_counter() - begun:.1f} s from start to end", done.stdout.strip())
    rows = pd.read_parquet(tables[".parquet"])
    assert rows["embedding_0"].notna().sum() >= 4
    np.testing.assert_allclose(pd.read_csv(tables[".csv"])["embedding_7"], rows["embedding_7"], atol=1e-6)
    np.testing.assert_array_equal(np.load(tables[".npz"])["embedding"][:, 7], rows["embedding_7"])

    used = subprocess.run(["du", "-sm", python.parents[1]], capture_output=True, text=True, check=True)
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout.lower()
    for absent in ("tensorflow", "keras", "pandas", "scipy", "matplotlib"):
        assert absent not in listed
    begun = time.perf_counter()
    subprocess.run([python, "-c", "from tfaffect.embed import Embedder"], cwd=ROOT, check=True)
    print(f"installed: {used.stdout.split()[0]} MB; `from tfaffect.embed import Embedder`: ", end="")
    print(f"{time.perf_counter() - begun:.2f} s")
