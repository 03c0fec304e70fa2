"""The command `tfaffect models`: list the models that come with the project."""

from __future__ import annotations

from tfaffect import cli

COLUMNS = ("model", "MB", "input", "accuracy", "macro F1", "trained", "default")


def main() -> None:
    """List the models that come with the project: size, figures, protocol, licence."""
    from rich.console import Console
    from rich.table import Table

    from tfaffect import contract as contracts
    from tfaffect.runtimes import shipped

    folders = shipped.folders()
    table = Table()
    protocols: dict[str, list[str]] = {}
    licences = []
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("model", "trained", "default") else "right")
    for folder in folders:
        contract = contracts.read(folder / "model.tflite")
        scores = contract.scores or {}  # every shipped model has scores
        table.add_row(
            folder.name,
            f"{(folder / 'model.tflite').stat().st_size / 1e6:.1f}",
            f"{contract.input_size} px",
            *(f"{100 * scores['expression'][name]['value']:.1f} %" for name in ("accuracy", "macro_f1")),
            f"{', '.join(contract.trained)}; features",
            "yes" if folder == folders[0] else "",
        )
        measured = ", ".join(scores["protocol"][name] for name in ("evaluated on", "split", "only"))
        protocols.setdefault(f"{measured}; {scores['records']:,} faces", []).append(folder.name)
        licences.append(contract.licence)
    console = Console(highlight=False, soft_wrap=True)
    for protocol, names in protocols.items():
        console.print(f"Accuracy and macro F1 on {protocol}: {', '.join(names)}")
    console.print(table)
    console.print("\n".join([*map(str, folders), *dict.fromkeys(licences)]))


if __name__ == "__main__":
    cli.run(main)
