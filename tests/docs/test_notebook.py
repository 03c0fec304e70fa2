"""The quickstart notebook runs from start to end, and prints what the stored one shows."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests import ROOT

NOTEBOOK = ROOT / "docs" / "notebooks" / "quickstart.ipynb"
LARGEST_PICTURE = 100_000  # bytes, of a stored output

nbformat = pytest.importorskip("nbformat", reason="needs requirements-docs.txt")


@pytest.fixture(scope="module")
def stored():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(face_detector, tmp_path_factory):
    """The notebook after it ran in an empty folder, in this Python, with this checkout."""
    nbclient = pytest.importorskip("nbclient", reason="needs requirements-docs.txt")
    for package in ("ipykernel", "skimage"):
        pytest.importorskip(package, reason="needs requirements-docs.txt")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFAFFECT_FACE_DETECTOR", str(face_detector))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("TMPDIR", str(folder))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_DATA_DIR", str(folder / "jupyter"))
        resources = {"metadata": {"path": str(folder)}}
        nbclient.NotebookClient(notebook, timeout=110, kernel_name="python3", resources=resources).execute()
    return notebook


def printed(notebook, cell):
    """What a cell wrote to standard output."""
    (cell,) = (found for found in notebook.cells if found.id == cell)
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


def pictures(notebook):
    """The encoded pictures among the outputs."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [text for output in outputs for kind, text in output.get("data", {}).items() if kind.startswith("image/")]


@pytest.mark.slow
def test_the_photo_has_a_face_with_a_class_and_256_features(executed):
    assert printed(executed, "photo").startswith("class: happiness")
    assert "features: 256 numbers" in printed(executed, "photo")


@pytest.mark.slow
def test_the_face_leaves_the_clip_and_comes_back(executed):
    *lines, count = printed(executed, "rows").splitlines()
    found = [line.endswith("no face") for line in lines]
    assert (found[0], any(found), found[-1]) == (False, True, False)
    assert re.fullmatch(r"\d+ of 40 frames have a face", count)
    assert printed(executed, "timeline").startswith("clip.csv: 40 rows")


@pytest.mark.slow
def test_the_classifier_is_far_above_chance_on_people_it_never_saw(executed):
    figures = dict(line.split(": ") for line in printed(executed, "classifier").splitlines())
    assert float(figures["chance"]) < 0.14
    assert float(figures["accuracy"]) > 4 * float(figures["chance"])


@pytest.mark.slow
def test_the_stored_notebook_shows_what_was_printed(stored, executed):
    for cell in ("photo", "rows", "timeline", "faces"):
        assert printed(stored, cell) == printed(executed, cell)
    once, again = (float(printed(notebook, "classifier").split()[1]) for notebook in (stored, executed))
    assert again == pytest.approx(once, abs=0.03)  # another processor rounds features differently


def test_the_stored_outputs_are_small_pictures_and_standard_output(stored):
    sizes = [len(text) * 3 / 4 for text in pictures(stored)]  # of base64
    assert len(sizes) == 3
    assert max(sizes) < LARGEST_PICTURE
    outputs = [output for cell in stored.cells for output in cell.get("outputs", ())]
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
