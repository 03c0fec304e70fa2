"""How a command ends: a user error is one line and status 2, whoever raised it; a bug keeps its traceback."""

import errno
import os

import pytest
import tensorflow as tf

from tfaffect import cli
from tfaffect.errors import UsageError
from tfaffect.records.prepared import parse

FULL = os.strerror(errno.ENOSPC)
NODE = "{{function_node __wrapped__IteratorGetNext_device_/job:localhost}} "


def foreign_examples():
    """What TensorFlow raises of no example at all, of one without a field, of another length and of another type."""
    whole = {"image": b"x", "key": b"x", "expression": [0.0] * 8, "valence": [0.0], "arousal": [0.0]}
    for change in (None, {"key": None}, {"expression": [0.0] * 7}, {"image": [0.0]}):
        features = {name: feature(value) for name, value in (whole | (change or {})).items() if value is not None}
        message = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            parse({"example": tf.constant([message if change else b"x"]), "corpus": tf.constant(["x"])})
        yield raised.value


def feature(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(float_list=tf.train.FloatList(value=value))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UsageError("No such thing."), "error: No such thing."),
        (OSError(errno.ENOSPC, FULL), f"{FULL}. No incomplete file has its final name."),
        (
            tf.errors.ResourceExhaustedError(None, None, f"{NODE}/x/part-0; {FULL} [Op:SaveV2]"),
            f"error: /x/part-0; {FULL}.",
        ),
        (RuntimeError(f"Failed to finalize writing of split train:\n/x; {FULL}"), f"error: /x; {FULL}."),
        (
            tf.errors.DataLossError(None, None, f"{NODE}corrupted record at 877 [Op:IteratorGetNext] name: "),
            "error: The records are damaged: corrupted record at 877. Build them again with --overwrite.",
        ),
        (
            tf.errors.FailedPreconditionError(None, None, f"{NODE}Input dataset was expected to contain 480 elements"),
            "error: The records are damaged: Input dataset was expected to contain 480 elements. Build",
        ),
        *((raised, "error: The records are damaged: ") for raised in foreign_examples()),
    ],
)
def test_what_a_user_can_mend_is_one_line(error, words, capsys):
    def command() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        cli.run(command, [], "a command")
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a fault"),
        OSError(errno.EIO, "broken"),
        tf.errors.FailedPreconditionError(None, None, "not initialised"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
    ],
)
def test_a_fault_keeps_its_trace(error):
    def command() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        cli.run(command, [], "a command")
    assert raised.value is error
