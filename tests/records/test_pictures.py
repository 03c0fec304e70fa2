from dataclasses import replace

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tests import ROOT
from tfaffect.media import faces
from tfaffect.media.limits import UnreadablePictureError
from tfaffect.records import batches, pictures
from tfaffect.records.prepared import open_corpus


def letterboxed(picture, size):
    stored = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    return pictures.letterboxed([stored], [b"folder/1"], size)[0]


def test_the_letterbox_agrees_with_the_original(oracles):
    with np.load(oracles / "preprocess.npz") as file:
        arrays = dict(file)
    for name in [name for name in arrays if name.startswith("image")]:
        expected = arrays[name.replace("image", "letterbox")].astype(int)
        difference = np.abs(letterboxed(arrays[name], len(expected)) - expected)
        assert difference.mean() < 1.0, name
        assert np.mean(difference <= 6) > 0.995, name


@pytest.mark.parametrize("size", [32, 48, 112, 240])
@pytest.mark.parametrize("shape", [(288, 288), (270, 201), (45, 288), (48, 48), (240, 240), (1, 200), (61, 40)])
def test_the_letterbox_is_that_of_the_other_commands(shape, size):
    photo = faces.read(ROOT / "docs" / "annotated.jpg")[100 : 100 + shape[0], 100 : 100 + shape[1]]
    difference = np.abs(letterboxed(photo, size).astype(int) - faces.letterbox(photo, size))
    assert difference.max() <= 2
    assert difference.mean() < 0.3


def test_a_damaged_picture_is_named():
    stored = cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1].tobytes()
    with pytest.raises(UnreadablePictureError, match=r"record folder/b\.png is damaged: Not a picture that can be dec"):
        pictures.letterboxed([stored, stored[:-60]], [b"folder/a.png", b"folder/b.png"], 32)


READERS = {
    "training": lambda corpus, config: batches.training_batches([corpus], config),
    "validation": lambda corpus, config: batches.validation_batches([corpus], config, "train"),
    "evaluation": lambda corpus, config: batches.evaluation_batches(corpus, "train", config.image_size, 16),
}


def plain_pictures(corpus, config, reader):
    config = replace(config, augmentation_probability=0.0, epochs=1)
    return {picture.tobytes() for images, *_ in READERS[reader](corpus, config) for picture in images.numpy()}


def test_training_validation_and_evaluation_have_the_same_letterbox(records, config):
    corpus = open_corpus(records, "synthetic")
    training, validation, evaluation = (plain_pictures(corpus, config, reader) for reader in READERS)
    assert evaluation <= validation  # which has black pictures in its last batch
    assert training <= evaluation


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_record_stops_every_reader_and_is_named(records, config, monkeypatch, reader):
    corpus = open_corpus(records, "synthetic")
    record = next(iter(corpus.records("train").skip(5).as_numpy_iterator()))
    image, decode = record["image"], faces.decode
    monkeypatch.setattr(faces, "decode", lambda content: decode(content[:-60] if content == image else content))
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"record synthetic/{record['key'].decode()} is damaged"):
        plain_pictures(corpus, config, reader)


def test_pictures_are_the_same_on_any_number_of_cores(records, config, monkeypatch):
    corpus, seen = open_corpus(records, "synthetic"), []
    for cores in (1, 2, 5):
        monkeypatch.setattr(batches, "CORES", cores)
        read = batches.training_batches([corpus], config).take(8)
        seen.append(np.concatenate([images.numpy() for images, *_ in read]))
    assert np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[0], seen[2])
