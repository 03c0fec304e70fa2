"""How a command ends: what a user can mend is one line and status 2, whoever said it; a fault keeps its trace."""

import errno
import os

import pytest
import tensorflow as tf

from tfaffect import cli
from tfaffect.errors import UsageError

FULL = os.strerror(errno.ENOSPC)
NODE = "{{function_node __wrapped__IteratorGetNext_device_/job:localhost}} "


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UsageError("No such thing."), "error: No such thing."),
        (OSError(errno.ENOSPC, FULL), f"{FULL}. Nothing half-written"),
        (
            tf.errors.ResourceExhaustedError(None, None, f"{NODE}/x/part-0; {FULL} [Op:SaveV2]"),
            f"error: /x/part-0; {FULL}.",
        ),
        (RuntimeError(f"Failed to finalize writing of split train:\n/x; {FULL}"), f"error: /x; {FULL}."),
        (
            tf.errors.DataLossError(None, None, f"{NODE}corrupted record at 877 [Op:IteratorGetNext] name: "),
            "error: The records are not whole: corrupted record at 877. Build them again with --overwrite.",
        ),
        (
            tf.errors.FailedPreconditionError(None, None, f"{NODE}Input dataset was expected to contain 480 elements"),
            "error: The records are not whole: Input dataset was expected to contain 480 elements. Build",
        ),
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
