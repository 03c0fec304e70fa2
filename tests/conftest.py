"""One small prepared corpus and one trained run, made once for all tests."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

SHARED = Path(__file__).parents[2] / "shared"
ORACLES = Path(os.environ.get("TFAFFECT_ORACLES", SHARED / "oracles"))


@pytest.fixture(scope="session")
def oracles():
    """The folder of reference numbers of the original PyTorch code."""
    if not ORACLES.is_dir():
        pytest.skip(f"no reference numbers in {ORACLES}; name their folder with TFAFFECT_ORACLES")
    return ORACLES


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    """Drawn faces as records: 30 subjects, 20 pictures each.

    Cut along their outlines: the small network learns valence from so few of them, and not from a detector's boxes.
    """
    from tfrecords_builders import synthetic
    from tfrecords_builders.prepare import prepare

    folder = tmp_path_factory.mktemp("records")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "draw_detector_box", lambda outline, rng: outline)
        prepare(synthetic.Synthetic(subjects=30, pictures=20), folder, folder)
    return folder


@pytest.fixture(scope="session")
def config(records):
    """A config under which the small backbone learns the drawn faces in seconds."""
    from tfaffect.config import Config

    return Config(
        corpora=("synthetic",),
        records=records,
        image_size=32,
        weights="none",
        epochs=12,
        batch_size=16,
        warmup_steps=20,
        annealing_period=12,
        class_weights="none",
    )


@pytest.fixture(scope="session")
def face_detector():
    """The weights of the face detector, from where TFAFFECT_FACE_DETECTOR says or beside the checkout."""
    from tfaffect.media import detector

    path = Path(os.environ.get(detector.VARIABLE, SHARED / "models" / detector.FILE))
    if not path.is_file():
        pytest.skip(f"no face detector at {path}; name a copy with {detector.VARIABLE}")
    return path


@pytest.fixture(scope="session")
def run(config, tmp_path_factory):
    """The run folder of the small backbone, trained under `config`, calibrated, with its report."""
    from tests.small_network import small_backbone
    from tfaffect.calibrate import calibrate
    from tfaffect.evaluate import evaluate
    from tfaffect.training.training import train

    folder = tmp_path_factory.mktemp("runs") / "small"
    train(config, folder, small_backbone)
    calibrate(folder)
    evaluate(folder)
    return folder


@pytest.fixture(scope="session")
def faces(config):
    """Twenty faces that no run of `config` has seen: uint8 (20, 32, 32, 3)."""
    from itertools import islice

    from tfaffect.records import batches
    from tfaffect.records.prepared import open_corpus

    corpus = open_corpus(config.records, "synthetic")
    (pictures, _), *_ = islice(batches.evaluation_batches(corpus, "test", config.image_size, 20), 1)
    return pictures.numpy()


@pytest.fixture(scope="session")
def exported(run, tmp_path_factory):
    """The run as TFLite; all of its heads are trained. Copy it to change it."""
    from tfaffect.export import tflite

    folder = tmp_path_factory.mktemp("exported") / "tflite"
    tflite.export(run, folder)
    return folder


@pytest.fixture(scope="session")
def brief(config):
    """`config` for a run of two short epochs."""
    return replace(config, epochs=2)
