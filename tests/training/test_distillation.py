from dataclasses import replace

import numpy as np
import pytest

from tests.small_network import small_backbone
from tfaffect.errors import UsageError
from tfaffect.records import batches
from tfaffect.records.prepared import open_corpus, parse
from tfaffect.runtimes.opening import open_model
from tfaffect.training import distillation
from tfaffect.training.objective import class_shares
from tfaffect.training.training import train


@pytest.fixture(scope="module")
def corpus(records):
    return open_corpus(records, "synthetic")


def distributions(corpus):
    return parse(corpus.examples("train").batch(1_000).get_single_element())["expression"].numpy()


def test_the_share_of_the_teachers_is_mixed_into_every_face_that_has_a_class(corpus, config, run, tmp_path):
    given = replace(config, teachers=(str(run),), distillation_weight=0.25)
    (taught,) = distillation.distil([corpus], given, tmp_path)
    teacher = open_model(run)
    own, mixed = distributions(corpus), distributions(taught)
    for place, record in enumerate(corpus.records("train").take(20).as_numpy_iterator()):
        picture = batches._letterboxed({name: np.array([value]) for name, value in record.items()}, 32).numpy()
        answer = (teacher(picture).expression + teacher(picture[:, :, ::-1]).expression)[0] / 2
        expected = 0.75 * own[place] + 0.25 * answer if own[place].sum() else own[place]
        np.testing.assert_allclose(mixed[place], expected, atol=1e-5)
    np.testing.assert_array_equal(own.sum(axis=1) > 0, mixed.sum(axis=1) > 0)
    assert (own.sum(axis=1) == 0).any()
    assert "soft" not in taught.examples("validation").element_spec, "validation faces keep their own labels"


def test_several_teachers_are_averaged(corpus, config, run, exported, tmp_path):
    """The export of a run says what the run says, so that both together say it too."""
    one, two = (
        distillation.distil([corpus], replace(config, teachers=teachers), tmp_path / str(len(teachers)))[0].soft_labels[
            0
        ]
        for teachers in [(str(run),), (str(run), str(exported))]
        if (tmp_path / str(len(teachers))).mkdir() is None
    )
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_answers_are_asked_once(corpus, config, run, tmp_path):
    given = replace(config, teachers=(str(run),))
    first = distillation.distil([corpus], given, tmp_path)[0].soft_labels[0]
    again = distillation.distil([corpus], replace(given, teachers=("/nowhere",)), tmp_path)[0].soft_labels[0]
    assert np.array_equal(first, again)


def test_class_shares_are_those_of_the_mixed_labels(corpus, config, run, tmp_path):
    """Faces without a class do not count, although their teachers answer for them."""
    given = replace(config, teachers=(str(run),), distillation_weight=0.25, logit_adjustment=1.0)
    (taught,) = distillation.distil([corpus], given, tmp_path)
    shares = class_shares([taught], given)
    own, mixed = distributions(corpus).sum(axis=0), distributions(taught).sum(axis=0)
    assert (distributions(corpus).sum(axis=1) == 0).any()
    np.testing.assert_allclose([*shares["training"].values()], mixed / mixed.sum(), atol=1e-4)
    answers = mixed / own  # the loss adds the logarithms of the shares of the labels
    np.testing.assert_allclose([*shares["answers"].values()], answers / answers.sum(), atol=1e-4)


def test_no_teacher_changes_nothing(corpus, config, tmp_path):
    assert distillation.distil([corpus], config, tmp_path) == [corpus]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_is_taught(brief, run, tmp_path):
    config = replace(brief, teachers=(str(run),), distillation_weight=1.0, epochs=1)
    taught = train(config, tmp_path / "taught", small_backbone)
    alone = train(replace(config, teachers=()), tmp_path / "alone", small_backbone)
    assert taught["expression_loss"][0] != alone["expression_loss"][0]
    assert (tmp_path / "taught" / distillation.FILE).exists()


@pytest.mark.parametrize("teacher", ["/nowhere", "untrained"])
def test_a_teacher_that_cannot_teach_is_refused(corpus, config, run, tmp_path, monkeypatch, teacher):
    if teacher == "untrained":
        network = open_model(run)
        network.contract = replace(network.contract, trained=("valence", "arousal"))
        monkeypatch.setattr(distillation, "open_model", lambda path: network)
    with pytest.raises(
        UsageError, match="no run folder or model at /nowhere" if teacher == "/nowhere" else "must have learned classes"
    ):
        distillation.distil([corpus], replace(config, teachers=(teacher,)), tmp_path)
    assert not list(tmp_path.iterdir())
