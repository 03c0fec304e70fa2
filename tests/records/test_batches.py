import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from etils.epath import gpath, register

from tfaffect.errors import UsageError
from tfaffect.files import storage
from tfaffect.records import batches, mixing
from tfaffect.records.prepared import labelled_heads, open_corpus, parse


@pytest.fixture(scope="module")
def corpus(records):
    return open_corpus(records, "synthetic")


def epoch(dataset, steps):
    return [
        (x.numpy(), {k: v.numpy() for k, v in y.items()}, {k: v.numpy() for k, v in w.items()})
        for x, y, w in dataset.take(steps)
    ]


def fingerprints(read):
    return [hash(picture.tobytes()) for pictures, *_ in read for picture in pictures]


def test_batches_have_the_shapes_that_the_network_takes(corpus, config):
    (pictures, targets, weights), *_ = epoch(batches.training_batches([corpus], config), 1)
    assert (pictures.shape, pictures.dtype) == ((16, 32, 32, 3), np.uint8)
    assert targets["expression"].shape == (16, 8)
    assert {name: array.shape for name, array in weights.items()} == dict.fromkeys(
        ("expression", "valence", "arousal"), (16,)
    )


def test_training_reads_the_records_themselves(corpus):
    """As bytes that are parsed by the batch, where everything else reads them through TFDS."""
    learned_from = parse(corpus.examples("train").batch(1_000).get_single_element())
    records = corpus.records("train").batch(1_000).get_single_element()
    assert set(learned_from) == {"image", "expression", "valence", "arousal", "key", "corpus"}
    for name, values in learned_from.items():
        np.testing.assert_array_equal(values.numpy(), records[name].numpy())  # NaN equals NaN here


def test_every_face_comes_once_per_epoch(corpus, config):
    plain = replace(config, augmentation_probability=0.0, batch_size=1)
    drawn = fingerprints(epoch(batches.training_batches([corpus], plain), corpus.size("train")))
    stored = fingerprints(epoch(batches.validation_batches([corpus], plain, "train"), corpus.size("train")))
    assert sorted(drawn) == sorted(stored)
    assert drawn != stored


def test_order_and_changes_follow_from_seed_and_epoch(corpus, config):
    steps = mixing.steps_per_epoch([corpus], config)
    both = fingerprints(epoch(batches.training_batches([corpus], config), 2 * steps))
    first, second = both[: len(both) // 2], both[len(both) // 2 :]
    assert first != second
    assert fingerprints(epoch(batches.training_batches([corpus], config), steps)) == first
    assert fingerprints(epoch(batches.training_batches([corpus], config, first_epoch=1), steps)) == second
    assert fingerprints(epoch(batches.training_batches([corpus], replace(config, seed=7)), steps)) != first


def test_augmentation_touches_training_only(corpus, config):
    always = replace(config, augmentation_probability=1.0)
    plain = replace(config, augmentation_probability=0.0)
    assert fingerprints(epoch(batches.validation_batches([corpus], always), 2)) == fingerprints(
        epoch(batches.validation_batches([corpus], plain), 2)
    )
    assert not set(fingerprints(epoch(batches.training_batches([corpus], always), 2))) & set(
        fingerprints(epoch(batches.training_batches([corpus], plain), 2))
    )


@pytest.mark.parametrize("mapped", [False, True])
def test_missing_labels_become_finite_targets_with_weight_zero(mapped):
    votes = np.eye(8, dtype=np.float32)[[2, 3, 0, 0, 5]]
    votes[[1, 3]] = 0
    records = {
        "expression": votes,
        "valence": np.float32([0.5, -0.5, np.nan, np.nan, np.nan]),
        "arousal": np.float32([0.1, np.nan, np.nan, -1, np.nan]),
    }
    dataset = tf.data.Dataset.from_tensor_slices(records)
    rows = list(dataset.map(batches.targets) if mapped else map(batches.targets, dataset))
    for targets, weights in rows:
        assert all(np.isfinite(values).all() for values in [*targets.values(), *weights.values()])
    kinds = {name: [float(weights[name]) for _, weights in rows] for name in ("expression", "valence", "arousal")}
    assert kinds == {"expression": [1, 0, 1, 0, 1], "valence": [1, 1, 0, 0, 0], "arousal": [1, 0, 0, 1, 0]}
    assert [float(targets["valence"]) for targets, _ in rows] == [0.5, -0.5, 0, 0, 0]


def test_labels_are_counted_from_the_report(corpus):
    assert labelled_heads([corpus], "train") == ("expression", "valence", "arousal")
    read = epoch(batches.validation_batches([corpus], replace_batch(1), "train"), corpus.size("train"))
    for name in ("valence", "arousal"):
        assert sum(weights[name][0] for *_, weights in read) == corpus.labels("train")[name]
    masses = np.sum([targets["expression"][0] for _, targets, _ in read], axis=0)
    np.testing.assert_allclose(masses, mixing.class_counts([corpus], replace_batch(1)), atol=1e-2)


def replace_batch(size):
    from tfaffect.config import Config

    return Config(batch_size=size, image_size=32)


def test_an_unknown_corpus_names_those_that_exist(records):
    with pytest.raises(UsageError, match=r"No records of 'fer_pluss' in \S+\. Prepared there: synthetic.* --raw DIR"):
        open_corpus(records, "fer_pluss")
    with pytest.raises(UsageError, match=r"Did you mean synthetic\?"):
        open_corpus(records, "syntetic")


@pytest.mark.parametrize("levels", [0, 1])
def test_a_folder_inside_the_records_is_explained(corpus, records, levels):
    inside = [corpus.folder, *corpus.folder.parents][levels]
    with pytest.raises(UsageError, match=f"--records is the folder that holds the corpora: {records}\\. Received"):
        open_corpus(inside, "synthetic")
    with pytest.raises(UsageError, match="tfaffect build synthetic --records"):
        open_corpus(records / "nowhere", "synthetic")


def test_an_unknown_split_names_those_that_exist(corpus):
    with pytest.raises(UsageError, match=r"no split 'dev'. It has: train \(\d+\), validation"):
        batches.evaluation_batches(corpus, "dev", 32, 8)


def test_less_than_a_batch_is_refused(corpus, config):
    with pytest.raises(UsageError, match=r"less than one step of the optimizer.*Use --batch-size [0-9]+ or less"):
        mixing.steps_per_epoch([corpus], replace(config, batch_size=10_000))


@pytest.mark.parametrize("damage", ["vocabulary", "report"])
def test_records_of_another_vocabulary_or_not_whole_are_refused(records, tmp_path, damage):
    folder = tmp_path / "synthetic" / "1.1.0"
    shutil.copytree(records / "synthetic" / "1.1.0", folder)
    if damage == "report":
        (folder / "build_report.json").unlink()
    else:
        metadata = json.loads((folder / "metadata.json").read_text())
        metadata["classes"][:2] = reversed(metadata["classes"][:2])
        (folder / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(UsageError, match="another vocabulary" if damage == "vocabulary" else "complete records"):
        open_corpus(tmp_path, "synthetic")


def test_the_newest_version_is_opened(records, tmp_path):
    for version in ("1.2.0", "1.10.0", "1.9.3"):
        shutil.copytree(records / "synthetic" / "1.1.0", tmp_path / "synthetic" / version)
    assert open_corpus(tmp_path, "synthetic").version == "1.10.0"


def test_label_smoothing_is_for_training_faces_that_have_a_class(corpus, config):
    smooth = replace(config, label_smoothing=0.4)
    for dataset, lowest in [
        (batches.training_batches([corpus], smooth), 0.05),
        (batches.validation_batches([corpus], smooth), 0),
    ]:
        for _, targets, weights in epoch(dataset, 20):
            known = weights["expression"] > 0
            np.testing.assert_allclose(targets["expression"].sum(axis=1), known, atol=1e-5)
            assert targets["expression"][known].min(initial=1.0) == pytest.approx(lowest)  # 0.4 / 8


def test_mixup_mixes_pictures_and_labels_of_pairs_in_the_same_shares(corpus, config):
    plain = replace(config, augmentation_probability=0.0)
    whole = epoch(batches.training_batches([corpus], plain), 6)
    mixed = epoch(batches.training_batches([corpus], replace(plain, mixup=0.5)), 6)
    mixed_faces = 0
    for step, ((pictures, targets, weights), (blends, blended, same)) in enumerate(zip(whole, mixed, strict=True)):
        labelled = np.stack([weights[head] for head in ("expression", "valence", "arousal")], axis=1)
        order, share = batches._partners(labelled, 0, step, config.seed, 0.5)
        assert np.array_equal(labelled, labelled[order])
        assert all(np.array_equal(weights[head], same[head]) for head in weights)
        for face, (partner, part) in enumerate(zip(order, share, strict=True)):
            by_hand = np.round(np.float32(part) * pictures[face] + np.float32(1 - part) * pictures[partner])
            np.testing.assert_allclose(blends[face], by_hand, atol=1)
            for head, values in targets.items():
                expected = part * values[face] + (1 - part) * values[partner]
                np.testing.assert_allclose(blended[head][face], expected, atol=1e-5)
            mixed_faces += partner != face
    assert mixed_faces > 60  # of 96


def test_mixup_goes_on_in_the_middle_of_an_epoch_as_it_would_have(corpus, config):
    mixup = replace(config, mixup=0.5)
    whole = fingerprints(epoch(batches.training_batches([corpus], mixup), 5))
    assert fingerprints(epoch(batches.training_batches([corpus], mixup, first_step=2), 3)) == whole[2 * 16 :]


def test_moving_erasing_and_degrading_are_drawn_per_face(corpus, config):
    plain = replace(config, augmentation_probability=0.0)
    still = fingerprints(epoch(batches.training_batches([corpus], plain), 4))
    moved = fingerprints(epoch(batches.training_batches([corpus], replace(plain, affine_strength=0.5)), 4))
    erased = fingerprints(epoch(batches.training_batches([corpus], replace(plain, erasing_probability=0.5)), 4))
    assert not set(still) & set(moved)
    assert 16 < len(set(still) & set(erased)) < 48  # of 64, half expected
    degraded = fingerprints(epoch(batches.training_batches([corpus], replace(plain, degradation_probability=0.5)), 4))
    assert 16 < len(set(still) & set(degraded)) < 48


@pytest.fixture
def bucket(records, monkeypatch):
    """A bucket: TensorFlow's file system in memory, made known to the paths of TFDS as gs:// is."""
    for name, value in [("PREFIXES", ("gs://", "ram://")), ("SCHEMES", frozenset(("gs", "ram")))]:
        monkeypatch.setattr(gpath, f"_URI_{name}", value)
    monkeypatch.setattr(gpath, "_URI_MAP_ROOT", {"gs://": "/gs/", "ram://": "/ram/"})
    monkeypatch.setitem(gpath._PREFIX_TO_BACKEND, "ram", gpath.backend_lib.tf_backend)
    monkeypatch.setitem(register._URI_PREFIXES_TO_CLS, "ram://", gpath.PosixGPath)
    there = "ram://bucket/records/synthetic/1.1.0"
    tf.io.gfile.makedirs(there)
    for file in (records / "synthetic" / "1.1.0").iterdir():
        tf.io.gfile.copy(str(file), f"{there}/{file.name}", overwrite=True)
    return Path("ram://bucket/records")


def test_records_are_read_from_a_bucket(bucket, corpus, config):
    assert str(bucket) == "ram:/bucket/records", "pathlib folds the slashes, as it does in a flag"
    assert storage.absolute(bucket) == bucket
    there = open_corpus(bucket, "synthetic")
    assert (there.version, there.size("train")) == (corpus.version, corpus.size("train"))
    read = [fingerprints(epoch(batches.training_batches([own], config), 3)) for own in (there, corpus)]
    assert read[0] == read[1]
    with pytest.raises(UsageError, match="Prepared there: synthetic"):
        open_corpus(bucket, "fer_plus")
