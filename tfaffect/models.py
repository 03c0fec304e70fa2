"""The command `tfaffect models`: list the models that come with the project, or check the files of an installation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from tfaffect import cli
from tfaffect.errors import UsageError

Flag = Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help_behavior_hint="")]

COLUMNS = ("model", "short", "MB", "input", "accuracy", "macro F1", "trained on")
LEFT = ("model", "short", "trained on")
"""Columns of words; the others hold numbers."""


def main(check: Flag = False, as_json: Annotated[Flag, tyro.conf.arg(name="json")] = False) -> None:
    """List the models that come with the project: size, figures, protocol, terms.

    Every command that takes a model also takes one of these names, short or full. A file or folder that has this name
    comes first.

    tfaffect embed photo.jpg --model micro

    Args:
        check: Say instead whether the models and the face detector are there and undamaged; exit with 1 if not.
        as_json: Print the list as JSON.
    """
    if check and as_json:
        raise UsageError("--check and --json print different things: choose one of them.")
    if check:
        sys.exit(0 if check_files() else 1)
    rows = describe()
    if as_json:
        print(json.dumps(rows, indent=2, allow_nan=False))
    else:
        _print_table(rows)


def describe() -> list[dict[str, Any]]:
    """Return the facts of each shipped model, the default first. Figures are shares from 0 to 1, sizes bytes."""
    from tfaffect import contract as contracts
    from tfaffect.runtimes import shipped

    rows: list[dict[str, Any]] = []
    for folder in shipped.folders():
        contract = contracts.read(folder / shipped.FILE)
        scores = contract.scores or {}  # every shipped model has scores
        protocol = {name: scores["protocol"][name] for name in ("evaluated on", "split", "only")}
        rows.append(
            {
                "model": folder.name,
                "short": shipped.short(folder.name),
                "default": not rows,
                "path": str(folder),
                "bytes": (folder / shipped.FILE).stat().st_size,
                "input_size": contract.input_size,
                **{name: scores["expression"][name]["value"] for name in ("accuracy", "macro_f1")},
                "protocol": {**protocol, "records": scores["records"]},
                "trained": list(contract.trained),
                "corpora": contract.corpora,
                "embedding_size": contract.embedding_size,
                "licence": contract.licence,
            }
        )
    return rows


def _print_table(rows: list[dict[str, Any]]) -> None:
    """Print the table, and below it what several models share."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in LEFT else "right", no_wrap=column in COLUMNS[:-1])
    for row in rows:
        corpora = ", ".join(f"{name} {version}" for name, version in row["corpora"].items())
        figures = (f"{100 * row[name]:.1f} %" for name in ("accuracy", "macro_f1"))
        size = (f"{row['bytes'] / 1e6:.1f}", f"{row['input_size']} px")
        table.add_row(row["model"], row["short"], *size, *figures, corpora)
    console = Console(highlight=False, markup=False)
    console.print(table)
    facts = {"Accuracy and macro F1": _protocol, "Outputs": _outputs, "Terms": lambda row: row["licence"]}
    for title, fact in facts.items():
        for value in dict.fromkeys(map(fact, rows)):
            names = [row["short"] for row in rows if fact(row) == value]
            console.print(f"{title}: {value}", *([f"({', '.join(names)})"] if len(names) < len(rows) else []))
    console.print(f"Without --model, {rows[0]['short']} is used. The cards (card.md) beside the models tell more:")
    console.print("\n".join(row["path"] for row in rows), soft_wrap=True)


def _protocol(row: dict[str, Any]) -> str:
    protocol = row["protocol"]
    measured = ", ".join(protocol[name] for name in ("evaluated on", "split", "only"))
    return f"{measured}; {protocol['records']:,} faces."


def _outputs(row: dict[str, Any]) -> str:
    return f"{', '.join(row['trained'])}; {row['embedding_size']} features."


def check_files() -> bool:
    """Print what is there of the shipped models and of the face detector; return whether nothing is wrong."""
    from tfaffect.media import detector_file
    from tfaffect.runtimes import shipped

    print(f"Models in {shipped.FOLDER}:")
    problems = []
    for name in shipped.BY_ACCURACY:
        file = shipped.FOLDER / name / shipped.FILE
        if name in shipped.CHECKOUT_ONLY and shipped.FOLDER == shipped.PACKAGED and not file.exists():
            print(f"  {name}: not part of a pip install, only of a checkout")
        else:
            problems.append(_model_problem(file))
            print(f"  {name}: {problems[-1] or _complete(file)}")
    path, source = detector_file.locate()
    print(f"Face detector, {f'named by {source}' if source else 'downloaded when it is first needed'}:")
    problems.append(detector_file.problem(path))
    print(f"  {path} {problems[-1]}\n{detector_file.advice()}" if problems[-1] else f"  {path}: {_complete(path)}")
    return not any(problems)


def _model_problem(file: Path) -> str | None:
    """Return what is wrong with the file of a shipped model, its contract or its card; None if nothing is."""
    from tfaffect import contract as contracts

    missing = [
        path.name
        for path in (file, file.with_name(contracts.MEMBER), file.with_name(contracts.CARD))
        if not path.is_file()
    ]
    if missing:
        return f"{', '.join(missing)} not there. Install tfaffect again, or restore {file.parent} in a checkout."
    try:
        contracts.check_weights(file, contracts.read(file))
    except UsageError as error:
        return str(error)
    return None


def _complete(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:.1f} MB, its sha256 is right"


if __name__ == "__main__":
    cli.run(main)
