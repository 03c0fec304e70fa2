"""The models that come with the project: what each is, what it can do, and on which terms."""

from __future__ import annotations

from tfaffect import cli

COLUMNS = ("model", "MB", "input", "plurality", "macro F1", "learned", "default")


def main() -> None:
    """List the models that come with the project, with size, figures, protocol and terms."""
    from rich.console import Console
    from rich.table import Table

    from tfaffect import contract as contracts
    from tfaffect.runtimes import shipped

    folders = shipped.folders()
    found = {folder: contracts.read(folder / "model.tflite") for folder in folders}
    table = Table()
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("model", "learned", "default") else "right")
    for folder, contract in found.items():
        figures = contract.scores["expression"]
        table.add_row(
            folder.name,
            f"{(folder / 'model.tflite').stat().st_size / 1e6:.1f}",
            f"{contract.input_size} px",
            *(f"{100 * figures[name]['value']:.1f} %" for name in ("accuracy", "macro_f1")),
            f"{', '.join(contract.trained)}; features",
            "yes" if folder == folders[0] else "",
        )
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for folder, contract in found.items():
        protocol = contract.scores["protocol"]
        corpora = f"{protocol['evaluated on']}, {protocol['split']}, {protocol['only']}"
        console.print(f"{folder.name}: {corpora}; {contract.scores['records']:,} faces. {contract.licence}")
        console.print(f"  {folder}")


if __name__ == "__main__":
    cli.run(main)
