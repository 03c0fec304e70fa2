"""Train on prepared corpora, or on drawn faces when none is named."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import tyro

from tfaffect import cli
from tfaffect.config import DRAWN_FACES, Config

Flags = tyro.conf.OmitArgPrefixes[Config]


def main(config: Flags, run: Path | None = None) -> None:
    """Train on prepared corpora: a run folder with config.json, model.keras, history.csv and report/.

    Args:
        config: The knobs of the run.
        run: Run folder; runs/<date>-<corpora> when not named.
    """
    if not config.corpora:
        print(
            "No corpus was named, so this trains on drawn faces, from scratch and small: minutes on two cores.\n"
            "`python -m tfrecords_builders` lists the corpora of real faces."
        )
        config = tyro.cli(Annotated[Config, tyro.conf.OmitArgPrefixes], default=DRAWN_FACES, return_unknown_args=True)[
            0
        ]
        if not (config.records / "synthetic").exists():
            build = [sys.executable, "-m", "tfrecords_builders", "synthetic", "--records", str(config.records)]
            print("$", *build[1:])
            subprocess.run(build, check=True, cwd=Path(__file__).parent)
    from tfaffect import evaluate, report, training

    folder = run or Path("runs", f"{datetime.now():%Y%m%d-%H%M%S}-{'-'.join(config.corpora)}")
    training.train(config, folder)
    written = evaluate.evaluate(folder)
    print(report.summarise(written))
    print(
        f"\nReport:  {folder / 'report' / 'report.html'}\n"
        f"Next:    python -m tfaffect.evaluate {folder} --split test\n"
        f"         python -m export.tflite {folder} OUT"
    )


if __name__ == "__main__":
    cli.run(main)
