"""The console command `tfaffect`: its first word names a subcommand, which receives the other words."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
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

FILES_IN_BASH = {
    "complete -F": "complete -o bashdefault -o default -F",
    'COMPREPLY=($(compgen -f -- "$cur"))': "COMPREPLY=()",
    'matches+=("$completion")': '[[ -z "$completion" ]] || matches+=("$completion")',
}
"""Changes of tyro's script: bash completes file names if the script returns no word, and not an empty one."""

HELP = ("-h", "--help")


def main() -> None:
    """Run the command that the first words name."""
    words = sys.argv[1:]
    if not words or words[0] in HELP:
        return print(describe())
    if words[0] == "--version":
        return print(f"tfaffect {tfaffect.__version__}")
    if words[0].startswith("--tyro-"):
        return cli.run(lambda: write_completion(words), [])
    name = next((name for name in COMMANDS if words[: name.count(" ") + 1] == name.split(" ")), None)
    if name is None:
        group = [name for name in COMMANDS if name.startswith(f"{words[0]} ")]
        if group and words[-1] in HELP:
            return print(describe(group))
        cli.fail(_unknown(words, group))
    rest = words[name.count(" ") + 1 :]
    if name == "build":
        return _main_of(name)(rest)
    cli.run(_main_of(name), rest, f"tfaffect {name}")


def describe(names: Iterable[str] = COMMANDS) -> str:
    """Return the text of --help: each command with the first line of its docstring."""
    width = max(map(len, names))
    lines = [f"  {name:{width}}  {(_main_of(name).__doc__ or '').splitlines()[0]}" for name in names]
    options = "\nOptions of a command:   tfaffect COMMAND --help\nVersion:                tfaffect --version"
    completion = "Shell completion:       tfaffect --tyro-write-completion bash|zsh FILE"
    return "\n".join(["usage: tfaffect COMMAND ...\n", *lines, options, completion])


def write_completion(words: list[str]) -> None:
    """Print or write tyro's completion script. In bash, the shell then completes file names where tyro knows no word.

    words: `--tyro-print-completion SHELL` or `--tyro-write-completion SHELL FILE`.
    """
    option, shell, file = [*words, "", ""][:3]
    if shell not in ("bash", "zsh", "fish") or (option == "--tyro-write-completion" and not file):
        cli.fail("Name a shell, and a file to write: tfaffect --tyro-write-completion bash|zsh|fish FILE")
    with redirect_stdout(StringIO()) as printed, suppress(SystemExit):
        cli.run(all_commands(), ["--tyro-print-completion", shell], "tfaffect")
    script = printed.getvalue()
    for old, new in FILES_IN_BASH.items():
        script = script.replace(old, new)
    if file:
        Path(file).write_text(script)
    else:
        print(script)


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


def _unknown(words: list[str], group: list[str]) -> str:
    """Return the error for words that name no command: `group` are the commands that start with the first word."""
    if group and len(words) == 1:
        return f"`tfaffect {words[0]}` needs a second word. Use one of: {', '.join(group)}."
    known, word = (group, " ".join(words[:2])) if group else ([*COMMANDS], words[0])
    return f"There is no command {word!r}.{cli.did_you_mean(word, known)} Commands: {', '.join(known)}."


if __name__ == "__main__":
    main()
