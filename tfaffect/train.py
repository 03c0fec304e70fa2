"""Train on prepared corpora, or on drawn faces when none is named."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import tyro

from tfaffect import cli
from tfaffect.config import DRAWN_FACES, Config, load
from tfaffect.errors import UsageError

Flags = Annotated[Config, tyro.conf.OmitArgPrefixes]


def main(
    config: Flags,
    run: Path | None = None,
    resume: Path | None = None,
    base: Annotated[Path | None, tyro.conf.arg(name="config", metavar="FILE")] = None,
) -> None:
    """Train on prepared corpora: a run folder with config.json, model.keras, history.csv, tensorboard/ and report/.

    Args:
        config: The knobs of the run.
        run: Run folder; runs/<date>-<corpora> when not named.
        resume: Run folder of a run that was stopped; it goes on where it was, with its own config (but --strategy).
        base: A config.json, of a run or the best of a search, in place of the defaults; flags beside it win.
    """
    if resume and run:
        raise UsageError(f"--resume goes on in its own folder. Leave --run out. Received: --run {run}.")
    if resume and base:
        raise UsageError(f"--resume goes on with the run's own config. Leave --config out. Received: --config {base}.")
    if base:
        config = with_flags(load(base))
        if not config.corpora:
            raise UsageError(f"{base} names no corpus, as of imported weights. Name one with --corpora.")
    if resume:
        config = saved_config(config, resume)
    elif not config.corpora:
        config = draw_faces()
    from tfaffect import calibrate, evaluate
    from tfaffect.records.prepared import open_corpus
    from tfaffect.scoring import report
    from tfaffect.training import devices, training

    folder = resume or run or Path("runs", f"{datetime.now():%Y%m%d-%H%M%S}-{'-'.join(config.corpora)}")
    try:
        if not (resume and only_the_report_lacks(resume)):
            training.train(config, folder, resume=resume is not None)
    except KeyboardInterrupt:
        saved = (folder / "checkpoint").exists()
        how = f"Go on where it was: python train.py --resume {folder}" if saved else "Nothing was saved yet."
        cli.fail(f"Interrupted. {how}", status=130)
    if not devices.first_process():
        return
    calibrated = calibrate.calibrate(folder)
    print(f"{report.summarise(evaluate.evaluate(folder))}\n\n{calibrate.summarise(calibrated)}")
    print(f"\nReport:  {folder / 'report' / 'report.html'}\nNext:    python -m export.tflite {folder} OUT")
    if all(open_corpus(config.records, name).size("test") for name in config.corpora):
        print(f"         python -m tfaffect.evaluate {folder} --split test")


def saved_config(given: Config, run: Path) -> Config:
    """Return the config of a run that goes on. Raises UsageError when flags would change it on the way."""
    if replace(given, strategy=Config.strategy) != Config():
        raise UsageError(
            f"--resume goes on with {run / 'config.json'} as it is. Leave the other flags out, but for --strategy."
        )
    saved = load(run / "config.json")
    return saved if given.strategy == Config.strategy else replace(saved, strategy=given.strategy)


def only_the_report_lacks(run: Path) -> bool:
    """Say whether a run was stopped after its last epoch and before its report was whole."""
    trained = (run / "model.keras").is_file() and not (run / "checkpoint").exists()
    return trained and not (run / "report" / "report.json").exists()


def with_flags(defaults: Config) -> Config:
    """Return a config with the flags given in the place of its own values."""
    config, _ = tyro.cli(Flags, default=defaults, return_unknown_args=True)  # unknown here: --run and --config
    return config


def draw_faces() -> Config:
    """Say that no corpus was named, draw one where there is none, and return the config with the flags given."""
    print(
        "No corpus was named, so this trains on drawn faces, from scratch and small: minutes on two cores.\n"
        "`python -m tfrecords_builders` lists the corpora of real faces."
    )
    config = with_flags(DRAWN_FACES)
    if not (config.records / "synthetic").exists():
        build = ["-m", "tfrecords_builders", "synthetic", "--records", str(config.records.absolute())]
        print("$ python", *build)
        built = subprocess.run([sys.executable, *build], cwd=Path(__file__).parent)
        if built.returncode:
            sys.exit(built.returncode)
    return config


if __name__ == "__main__":
    cli.run(main)
