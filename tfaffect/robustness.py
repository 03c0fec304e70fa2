"""The command `tfaffect robustness`: score a model on corrupted faces (shifted, blurred, covered, dark, small ...)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tfaffect import cli
from tfaffect.files import atomic

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from tfaffect.records.prepared import Prepared
    from tfaffect.runtimes.runtime import Runtime

UNCORRUPTED = "none"
SEED = 0


def measure(network: Runtime, corpora: list[Prepared], split: str = "validation", only: str = "") -> pd.DataFrame:
    """Return a row per corruption and severity, `none` first: accuracy, uar, macro_f1, ccc_valence, ccc_arousal.

    Each face has its own random seed, the same for every model. A figure is NaN when its head was never trained or no
    record has its label. `only` keeps the records with this tag. Raises UsageError for an unknown split or tag.
    """
    import pandas as pd

    from tfaffect.records.corruptions import CORRUPTIONS

    uncorrupted = _score(network, corpora, split, only, lambda picture, severity, rng: picture, 0.0)
    rows = [{"corruption": UNCORRUPTED, "severity": 0.0, **uncorrupted}]
    for name, kind in CORRUPTIONS.items():
        for severity in kind.severities:
            figures = _score(network, corpora, split, only, kind.apply, severity)
            rows.append({"corruption": name, "severity": float(severity), **figures})
    return pd.DataFrame(rows)


def _score(
    network: Runtime, corpora: list[Prepared], split: str, only: str, apply: Callable, severity: float
) -> dict[str, float]:
    import pandas as pd

    from tfaffect.runtimes.predictions import tabulate, with_tag
    from tfaffect.scoring import scores

    size = network.contract.input_size
    tables = [tabulate(_corrupted(network, apply, severity), corpus, split, size) for corpus in corpora]
    figures = scores.score(with_tag(pd.concat(tables, ignore_index=True), only), resamples=0)
    wanted = {name: ("expression", name) for name in ("accuracy", "uar", "macro_f1")}
    wanted |= {f"ccc_{name}": (name, "ccc") for name in ("valence", "arousal")}
    return {
        name: figures[head][key]["value"] if figures[head] else float("nan") for name, (head, key) in wanted.items()
    }


def _corrupted(network: Runtime, apply: Callable, severity: float) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return the network with a corruption before it. The random seed of a face is its index in the corpus."""
    import numpy as np

    seen = 0

    def run(pictures: np.ndarray) -> dict[str, np.ndarray]:
        nonlocal seen
        rngs = [np.random.default_rng((SEED, seen + index)) for index in range(len(pictures))]
        seen += len(pictures)
        corrupted = [apply(picture, severity, rng) for picture, rng in zip(pictures, rngs, strict=True)]
        return network(np.stack(corrupted))._asdict()

    return run


def main(
    model: cli.Model,
    records: Annotated[Path, cli.option("DIR")],
    out: Annotated[Path, cli.option("DIR")],
    corpora: cli.Corpora = (),
    split: cli.Split = "validation",
    only: cli.Tag = "",
    people: Annotated[float | None, cli.option("ACCURACY")] = None,
) -> None:
    """Score a model on corrupted faces: robustness.csv and robustness.png in OUT.

    Args:
        model: Run folder, .keras, SavedModel, .tflite or .onnx with its model.json, or a name of `tfaffect models`.
        records: Folder of the prepared corpora.
        out: Folder for the table and the plot.
        corpora: Prepared corpora to score on.
        split: Split to score.
        only: Keep only records with this tag, for example strict.
        people: Accuracy of people against the labels, from 0 to 1. The plot shows it as a line.
    """
    from tfaffect.records.prepared import open_corpus, with_split
    from tfaffect.runtimes.opening import open_model
    from tfaffect.scoring.corrupted import draw, summarise

    network = open_model(model)
    prepared = [open_corpus(records, name) for name in corpora or network.contract.corpora]
    table = measure(network, with_split(prepared, split), split, only)
    print(summarise(table))
    out.mkdir(parents=True, exist_ok=True)
    with atomic.write_file(out / "robustness.csv") as partial:
        table.to_csv(partial, index=False, float_format="%.6g")
    with atomic.write_file(out / "robustness.png") as partial:
        draw(table, people).savefig(partial, dpi=150, bbox_inches="tight")
    print(f"\nTable and plot: {out / 'robustness.csv'}, {out / 'robustness.png'}")


if __name__ == "__main__":
    cli.run(main)
