"""The console command `tfaffect`: its first word names a subcommand, which receives the other words."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Union

import tyro

import tfaffect
from tfaffect import cli

COMMANDS = {
    "embed": "tfaffect.embed",
    "build": "tfrecords_builders.__main__",
    "train": "tfaffect.train",
    "evaluate": "tfaffect.evaluate",
    "search": "tfaffect.search",
    "calibrate": "tfaffect.calibrate",
    "robustness": "tfaffect.robustness",
    "import-torch": "tfaffect.torch_weights",
    "export saved-model": "tfaffect.export.saved_model",
    "export tflite": "tfaffect.export.tflite",
    "export onnx": "tfaffect.export.onnx",
    "verify": "tfaffect.export.verify",
    "card": "tfaffect.export.card",
    "demo": "tfaffect.demo.__main__",
    "models": "tfaffect.models",
}
"""Command -> the module with its `main`. A module is imported only when its command is called."""

HELP = ("-h", "--help")


def main() -> None:
    """Run the command that the first words name."""
    words = sys.argv[1:]
    if not words or words[0] in HELP:
        return print(describe())
    if words[0] == "--version":
        return print(f"tfaffect {tfaffect.__version__}")
    if words[0].startswith("--tyro-"):
        return cli.run(all_commands(), words, "tfaffect")
    name = next((name for name in COMMANDS if words[: name.count(" ") + 1] == name.split(" ")), None)
    if name is None:
        group = [name for name in COMMANDS if name.startswith(f"{words[0]} ")]
        if group and words[-1] in HELP:
            return print(describe(group))
        cli.fail(_unknown(words[0], group))
    rest = words[name.count(" ") + 1 :]
    if name == "build":
        return _main_of(name)(rest)
    cli.run(_main_of(name), rest, f"tfaffect {name}")


def describe(names: Iterable[str] = COMMANDS) -> str:
    """Return the text of --help: each command with the first line of its docstring."""
    width = max(map(len, names))
    lines = [f"  {name:{width}}  {(_main_of(name).__doc__ or '').splitlines()[0]}" for name in names]
    return "\n".join(
        [
            "usage: tfaffect COMMAND ...\n",
            *lines,
            "\nOptions of a command:   tfaffect COMMAND --help",
            "Version:                tfaffect --version",
            "Shell completion:       tfaffect --tyro-write-completion bash|zsh FILE",
        ]
    )


def all_commands() -> Any:
    """Return all commands as one type, from which tyro makes the shell completion."""
    groups: dict[str, dict[str, Any]] = {}
    for name in COMMANDS:
        first, _, second = name.partition(" ")
        groups.setdefault(first, {})[second] = _for_completion(name)
    return _choice({first: found.get("") or _choice(found) for first, found in groups.items()})


def _for_completion(name: str) -> Any:
    if name != "build":
        return _main_of(name)
    builders = importlib.import_module(COMMANDS[name])
    return _choice({corpus: builders.command(kind) for corpus, kind in sorted(builders.corpora().items())})


def _choice(types: dict[str, Any]) -> Any:
    commands = [Annotated[Any, tyro.conf.subcommand(name, constructor=kind)] for name, kind in types.items()]
    return Union[tuple(commands)]  # noqa: UP007  the types are only known at run time


def _main_of(name: str) -> Callable[..., None]:
    return importlib.import_module(COMMANDS[name]).main


def _unknown(word: str, group: list[str]) -> str:
    """Return the error for a first word that is no command, or only the first of two: `group` are those commands."""
    if group:
        return f"`tfaffect {word}` needs a second word. Use one of: {', '.join(group)}."
    guess = get_close_matches(word, COMMANDS, n=1)
    hint = f" Did you mean {guess[0]}?" if guess else ""
    return f"There is no command {word!r}.{hint} Commands: {', '.join(COMMANDS)}."


if __name__ == "__main__":
    main()
