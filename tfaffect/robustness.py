"""How well a model still reads faces that are cut askew, turned, blurred, covered or dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from tfaffect import cli
from tfaffect.files import atomic

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from tfaffect.records.prepared import Prepared
    from tfaffect.runtimes.runtime import Runtime

# TensorFlow, OpenCV and pandas are imported where they are used: --help answers within half a second.

UNCORRUPTED = "none"
SEED = 0


def measure(network: Runtime, corpora: list[Prepared], split: str = "validation", only: str = "") -> pd.DataFrame:
    """Return a row per corruption and severity, `none` first: accuracy, uar, macro_f1, ccc_valence, ccc_arousal.

    Every face is corrupted by its own draw, the same for each model. NaN where a head was never trained or no record
    has its label. `only` keeps the records with that tag. Raises UsageError for a split or a tag that is not there.
    """
    import pandas as pd

    from tfaffect.records.corruptions import CORRUPTIONS

    def identity(picture, severity, rng):
        return picture

    rows = [{"corruption": UNCORRUPTED, "severity": 0.0, **_score(network, corpora, split, only, identity, 0.0)}]
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

    tables = [
        tabulate(_corrupted(network, apply, severity), corpus, split, network.contract.input_size) for corpus in corpora
    ]
    figures = scores.score(with_tag(pd.concat(tables, ignore_index=True), only), resamples=0)
    wanted = {name: ("expression", name) for name in ("accuracy", "uar", "macro_f1")}
    wanted |= {f"ccc_{name}": (name, "ccc") for name in ("valence", "arousal")}
    return {
        name: figures[head][key]["value"] if figures[head] else float("nan") for name, (head, key) in wanted.items()
    }


def _corrupted(network: Runtime, apply: Callable, severity: float) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return the network behind a corruption; a face's draw follows from its place among the faces."""
    import numpy as np

    seen = 0

    def run(pictures: np.ndarray) -> dict[str, np.ndarray]:
        nonlocal seen
        places = range(seen, seen := seen + len(pictures))
        changed = [
            apply(own, severity, np.random.default_rng((SEED, at))) for own, at in zip(pictures, places, strict=True)
        ]
        return network(np.stack(changed))._asdict()

    return run


def main(
    model: tyro.conf.Positional[Path],
    records: Path,
    out: Path,
    corpora: tuple[str, ...] = (),
    split: str = "validation",
    only: Annotated[str, tyro.conf.arg(metavar="TAG")] = "",
    people: Annotated[float | None, tyro.conf.arg(metavar="ACCURACY")] = None,
) -> None:
    """Score a model on corrupted faces: a table on the terminal, robustness.csv and robustness.png in OUT.

    Args:
        model: Run folder, .keras, SavedModel, .tflite or .onnx with its model.json.
        records: Folder of the prepared corpora.
        out: Folder that receives the table and the picture.
        corpora: Prepared corpora; those that the model was trained on when none is named.
        split: train, validation or test.
        only: Keep the records with this tag, such as strict.
        people: How often people agree with the labels, from 0 to 1: a line in the picture.
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
    print(f"\nTable and picture: {out / 'robustness.csv'}, {out / 'robustness.png'}")


if __name__ == "__main__":
    cli.run(main)
