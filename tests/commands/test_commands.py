"""The commands as a user types them, each in its own process."""

import json
import re
import subprocess
import sys

import pytest

from tests import ROOT
from tests.fakes.fer_plus import pixels, votes, write_fer_plus_tables
from tfaffect import __version__
from tfaffect.__main__ import COMMANDS as NAMES

CONSOLE = ["-m", "tfaffect"]
EXPORT = "models/fer_plus_micro"
COMMANDS = [
    CONSOLE,
    [*CONSOLE, "export"],
    *([*CONSOLE, *name.split(" ")] for name in NAMES),
    ["train.py"],
    ["-m", "tfrecords_builders"],
    ["-m", "tfaffect.evaluate"],
    ["-m", "tfaffect.calibrate"],
    ["-m", "tfaffect.embed"],
    ["-m", "tfaffect.search"],
    ["-m", "tfaffect.robustness"],
    ["-m", "tfaffect.torch_weights"],
    ["-m", "export.saved_model"],
    ["-m", "export.tflite"],
    ["-m", "export.onnx"],
    ["-m", "export.verify"],
    ["-m", "export.card"],
    ["-m", "demo"],
]
HEAVY = {
    "tensorflow",
    "tensorflow_datasets",
    "keras",
    "pandas",
    "matplotlib",
    "sklearn",
    "onnx",
    "pyarrow",
    "keras_tuner",
    "cv2",
}


def call(*arguments):
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)


def call_and_list_imports(*arguments):
    """Return what a command prints, and the packages that it imports."""
    done = call("-X", "importtime", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout, {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_imports_nothing_heavy(command):
    """--help may take half a second; these imports alone take seven."""
    printed, imported = call_and_list_imports(*command, "--help")
    assert "usage:" in printed
    assert "tyro" in imported
    assert not imported & (HEAVY - ({"cv2"} if command[-1] == "build" else set()))  # it lists the corpora


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("build", "embed", "models")])
def test_help_names_values_and_gives_defaults_in_words(name):
    printed = call(*CONSOLE, *name.split(" "), "--help").stdout
    assert not re.search(r"\{None\}|: None\)|\(default: \)|\(default: ''\)|PATH|\[STR", printed)


@pytest.mark.parametrize(
    "words", [["train"], ["build", "synthetic"], ["import-torch", "FILE", "RUN"], ["card", EXPORT]]
)
def test_the_small_install_names_the_extra(words):
    """Without the packages of the extras; `train` says so before it promises a training."""
    code = (
        "import sys; from tfaffect.errors import EXTRAS; sys.modules |= dict.fromkeys(EXTRAS); sys.argv[0] = 'tfaffect'"
    )
    done = call("-c", f"{code}; from tfaffect.__main__ import main; main()", *words)
    assert (done.returncode, done.stdout) == (2, "")
    named = " ".join(words if words[0] == "build" else words[:1])
    assert re.fullmatch(rf"error: `tfaffect {named}` needs \w+, which is not .*\[train\]\".*\.\n", done.stderr)


@pytest.mark.parametrize(("words", "names"), [([], [*NAMES]), (["export"], [name for name in NAMES if " " in name])])
def test_the_help_lists_the_commands_with_one_line_each(words, names):
    listed = [line.strip() for line in call(*CONSOLE, *words, "--help").stdout.splitlines() if line.startswith("  ")]
    for name, line in zip(names, listed, strict=True):
        text = line.removeprefix(name).strip()
        assert line.startswith(name)
        assert 20 < len(text) <= 80
        assert text.endswith(".")


def test_the_version_is_printed():
    assert call(*CONSOLE, "--version").stdout == f"tfaffect {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_completion_knows_every_command(shell):
    printed, imported = call_and_list_imports(*CONSOLE, "--tyro-print-completion", shell)
    words = set(re.findall(r"[\w-]+", printed))
    assert words >= {word for name in NAMES for word in name.split(" ")}
    assert words >= {"fer_plus", "synthetic"}, "the corpora of `tfaffect build`"
    assert not imported & (HEAVY - {"cv2"})  # the corpora read pictures; 0.1 s


def test_bash_completes_commands_and_leaves_files_to_the_shell(tmp_path):
    assert call(*CONSOLE, "--tyro-write-completion", "bash", tmp_path / "completion").returncode == 0
    code = f". {tmp_path}/completion; complete -p tfaffect; for COMP_CWORD in 1 2; do _tyro_tfaffect; "
    code += 'echo "${#COMPREPLY[@]} ${COMPREPLY[@]}"; done'
    done = subprocess.run(["bash", "-c", f"COMP_WORDS=(tfaffect emb pho); {code}"], capture_output=True, text=True)
    assert done.stdout == "complete -o bashdefault -o default -F _tyro_tfaffect tfaffect\n1 embed\n0 \n"


def test_the_list_of_corpora_imports_nothing_heavy_and_names_them_all():
    printed, imported = call_and_list_imports("-m", "tfrecords_builders")
    for name in ("fer_plus", "synthetic"):
        assert name in printed
    assert "git clone https://github.com/microsoft/FERPlus" in printed
    assert not imported & (HEAVY - {"cv2"})  # the corpora read pictures; 0.1 s


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([*CONSOLE, "evluate", "run"], "There is no command 'evluate'. Did you mean evaluate? Commands: embed, build"),
        ([*CONSOLE, "export"], "`tfaffect export` needs a second word. Use one of: export saved-model, export tflite"),
        ([*CONSOLE, "export", "tflit", "run", "out"], "no command 'export tflit'. Did you mean export tflite?"),
        ([*CONSOLE, "build", "fer_pluss"], "There is no corpus 'fer_pluss'. Did you mean fer_plus?"),
        ([*CONSOLE, "evaluate", "/nowhere"], "There is no run folder or model at /nowhere. Name a run folder"),
        ([*CONSOLE, "evaluate", "train.py"], "train.py is not a model that can be run. Name a run folder"),
        (
            [*CONSOLE, "calibrate", "/nowhere"],
            "There is no run folder at /nowhere. A run folder is what `tfaffect train`",
        ),
        ([*CONSOLE, "calibrate", EXPORT], f"{EXPORT} is an export, not a run folder. Name the run"),
        ([*CONSOLE, "export", "tflite", "/nowhere", "out"], "There is no run folder at /nowhere."),
        ([*CONSOLE, "export", "tflite", "train.py", "out"], "There is no run folder at train.py."),
        ([*CONSOLE, "export", "onnx", EXPORT, "out"], f"{EXPORT} is an export, not a run folder."),
        ([*CONSOLE, "export", "saved-model", f"{EXPORT}/model.tflite", "out"], "is an export, not a run folder."),
        ([*CONSOLE, "card", "/nowhere"], "There is no run folder or model at /nowhere."),
        (["train.py", "--resume", "/nowhere"], "There is no run folder at /nowhere."),
        ([*CONSOLE, "--tyro-write-completion", "bash"], "Name a shell, and a file to write"),
        (["-m", "tfrecords_builders", "fer_pluss"], "There is no corpus 'fer_pluss'. Did you mean fer_plus?"),
        (["-m", "tfrecords_builders", "fer_plus"], "--raw DIR"),
        (["-m", "tfrecords_builders", "fer_plus", "--raw", "/nowhere"], "There is no folder /nowhere"),
        (["-m", "tfaffect.evaluate", "/nowhere"], "/nowhere"),
        (["-m", "tfaffect.torch_weights", "/nowhere", "out"], "/nowhere"),
        (["train.py", "--corpora", "raf_db", "--records", "/nowhere"], "No records of 'raf_db' in /nowhere"),
        (["train.py", "--config", "/nowhere"], "No config could be read from /nowhere"),
        (["train.py", "--config", "/nowhere", "--resume", "/nowhere"], "Leave --config out"),
        (["-m", "tfaffect.search", "--corpora", "raf_db"], "Name the folder of the search with --out"),
        (["-m", "tfaffect.search", "--out", "out"], "A search needs corpora"),
        (["-m", "tfaffect.search", "--out", "out", "--config", "/nowhere"], "No config could be read from /nowhere"),
        (["-m", "tfaffect.search", "--resume", "out", "--config", "/nowhere"], "Leave the other flags out"),
        (["-m", "tfaffect.search", "--resume", "/nowhere"], "/nowhere is not the folder of a search"),
        (["-m", "tfaffect.search", "--resume", "/nowhere", "--trials", "5"], "Leave the other flags out"),
        (
            ["-m", "tfaffect.search", "--corpora", "a", "--out", "out", "--strategy", "combinations", "--trials", "5"],
            "runs 4 trials for each of --seeds",
        ),
        (["train.py", "--epochs", "0"], "error: --epochs must be at least 1. Received: epochs=0."),
        (["-m", "tfaffect.search", "--epochs", "0"], "error: --epochs must be at least 1. Received: epochs=0."),
        (["-m", "export.tflite", "/nowhere", "out"], "/nowhere"),
        (["-m", "demo", "/nowhere"], "There is no model.tflite in /nowhere"),
        (["-m", "export.onnx", "/nowhere", "out"], "/nowhere"),
        (["-m", "tfaffect.embed", "/nowhere", "--model", "/nowhere", "--out", "/nowhere/faces.csv"], "/nowhere"),
    ],
)
def test_errors_of_use_say_what_to_do_without_a_traceback(arguments, expected):
    done = call(*arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_names_the_ones_there_are():
    done = call("train.py", "--learning-rat", "0.1")
    assert done.returncode == 2
    assert "--learning-rate" in done.stderr + done.stdout


def test_preparing_prints_a_table_and_leaves_its_report(tmp_path):
    rows = [("Training", f"fer{number:07d}.png", votes(fear=7, anger=3), pixels(number)) for number in range(9)]
    write_fer_plus_tables(tmp_path / "raw", [*rows, ("PublicTest", "fer0028638.png", votes(disgust=10), pixels(3))])
    done = call("-m", "tfrecords_builders", "fer_plus", "--raw", tmp_path / "raw", "--records", tmp_path / "records")
    assert done.returncode == 0, done.stderr
    assert "records written" in done.stdout
    assert "8 of 9" in done.stdout  # one of nine has a twin in validation
    report = json.loads((tmp_path / "records" / "fer_plus" / "1.1.0" / "build_report.json").read_text())
    assert [split["records"] for split in report["splits"].values()] == [8, 1]
