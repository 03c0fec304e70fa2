"""The wheel in environments of its own: `pytest -n 0 -m install -s`, which needs a package index."""

import hashlib
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import pandas as pd
import pytest

from tests import ROOT
from tfrecords_builders.synthetic import Synthetic

pytestmark = pytest.mark.install
MEGABYTES = 4
"""What a wheel may have. The shipped models are 1.6 MB of it."""


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A folder with a wheel built from the tree, and below `sdist` the sdist and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", ROOT, "--outdir"]
    subprocess.run([*build, folder, "--wheel"], check=True, capture_output=True)
    subprocess.run([*build, folder / "sdist"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def commands(dist, tmp_path_factory):
    """The folder of commands of an environment that has the wheel and its base dependencies only."""
    folder = tmp_path_factory.mktemp("install") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", next(dist.glob("*.whl"))], check=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def call(commands, face_detector):
    """Run a command of the environment in a folder, away from the checkout; return what it printed."""

    def run(folder, *words):
        surroundings = {**os.environ, "TFAFFECT_FACE_DETECTOR": str(face_detector)}
        surroundings.pop("PYTHONPATH", None)
        command = [commands / words[0], *map(str, words[1:])]
        done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def photo(tmp_path):
    """A drawn face as photo.png in a folder that has nothing else."""
    import cv2

    face = next(iter(Synthetic(subjects=1, pictures=1).faces(None)))
    assert cv2.imwrite(str(tmp_path / "photo.png"), cv2.resize(face.image(), (300, 300))[..., ::-1])
    return tmp_path / "photo.png"


def members(wheel):
    """Name -> hash of every file in a wheel, but for its own list of them."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if not name.endswith("/RECORD")
        }


def test_the_wheel_is_small_and_puts_two_names_at_top_level(dist):
    wheel = next(dist.glob("*.whl"))
    assert wheel.stat().st_size < MEGABYTES * 1e6
    tops = {name.split("/")[0] for name in members(wheel)}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"tfaffect", "tfrecords_builders"}


def test_the_wheel_has_every_module_and_two_models(dist):
    inside = members(next(dist.glob("*.whl")))
    found = [path for top in ("tfaffect", "tfrecords_builders") for path in (ROOT / top).rglob("*.py")]
    modules = {str(path.relative_to(ROOT)) for path in found if "node_modules" not in path.parts}
    assert modules
    assert modules <= inside.keys()
    models = {name.split("/")[3] for name in inside if name.startswith("tfaffect/runtimes/models/")}
    assert models == {"fer_plus_small", "fer_plus_micro"}
    assert {"tfaffect/py.typed", "tfrecords_builders/py.typed", "tfaffect/demo/page/index.html"} <= inside.keys()


def test_the_sdist_builds_the_same_wheel(dist):
    from_tree, from_sdist = next(dist.glob("*.whl")), next((dist / "sdist").glob("*.whl"))
    assert members(from_tree) == members(from_sdist)


def test_a_photo_becomes_a_line_in_an_empty_folder(call, photo):
    assert "photo.png: face 0 at " in call(photo.parent, "tfaffect", "embed", "photo.png")
    assert sorted(path.name for path in photo.parent.iterdir()) == ["photo.png"], "nothing is left behind"


def test_the_api_works_without_tensorflow(call, photo):
    code = (
        "import sys; from tfaffect import Embedder; (row, *_) = Embedder().rows('photo.png'); "
        "print(len(row.embedding), row.top_class, 'tensorflow' in sys.modules)"
    )
    size, name, imported = call(photo.parent, "python", "-c", code).split()
    assert (size, imported) == ("256", "False")
    assert name in ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")


def test_the_console_command_lists_commands_and_models(call, tmp_path):
    assert "embed" in call(tmp_path, "tfaffect", "--help")
    assert call(tmp_path, "tfaffect", "--version") == "tfaffect 0.1.0\n"
    listed = call(tmp_path, "tfaffect", "models")
    assert "fer_plus_small" in listed
    assert "fer_plus_b1" not in listed, "8.5 MB that only a checkout has"


def test_a_table_needs_the_base_dependencies_only(commands, call, exported, tmp_path):
    import cv2

    (tmp_path / "photos").mkdir()
    for number, face in enumerate(Synthetic(subjects=2, pictures=2).faces(None)):
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), cv2.resize(face.image(), (300, 300))[..., ::-1])
    for suffix in ("parquet", "csv", "npz"):
        begun = time.perf_counter()
        printed = call(tmp_path, "tfaffect", "embed", "photos", "--model", exported, "--out", f"faces.{suffix}")
        print(f"\n{suffix}: {time.perf_counter() - begun:.1f} s from start to end", printed.strip())
    rows = pd.read_parquet(tmp_path / "faces.parquet")
    assert rows["embedding_0"].notna().sum() >= 4
    np.testing.assert_allclose(pd.read_csv(tmp_path / "faces.csv")["embedding_7"], rows["embedding_7"], atol=1e-6)
    np.testing.assert_array_equal(np.load(tmp_path / "faces.npz")["embedding"][:, 7], rows["embedding_7"])

    used = subprocess.run(["du", "-sm", commands.parent], capture_output=True, text=True, check=True)
    listed = call(tmp_path, "pip", "list").lower()
    for absent in ("tensorflow", "keras", "pandas", "scipy", "matplotlib"):
        assert absent not in listed
    begun = time.perf_counter()
    call(tmp_path, "python", "-c", "from tfaffect import Embedder")
    print(f"installed: {used.stdout.split()[0]} MB; `from tfaffect import Embedder`: ", end="")
    print(f"{time.perf_counter() - begun:.2f} s")


def test_training_needs_one_extra_and_no_checkout(dist, commands, call, tmp_path):
    """Comes last: it installs TensorFlow into the environment."""
    wheel = next(dist.glob("*.whl"))
    subprocess.run([commands / "pip", "install", "--quiet", f"{wheel}[train]"], check=True)
    short = ["--architecture", "micro", "--epochs", "1"]
    printed = call(tmp_path, "tfaffect", "train", "--run", "run", *short)
    assert "tfaffect export tflite run OUT" in printed
    assert (tmp_path / "run" / "report" / "report.html").is_file()
    call(tmp_path, "tfaffect", "export", "tflite", "run", "exported", "--recipe", "float32")
    assert (tmp_path / "exported" / "model.tflite").is_file()
