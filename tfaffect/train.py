"""Train on prepared corpora, or on drawn faces when no corpus is named."""

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
    """Train a network on prepared corpora, or on drawn faces.

    Writes a run folder with config.json, model.keras, history.csv, tensorboard/ and report/.

    Args:
        config: Settings of the run.
        run: Run folder. Default: runs/<date>-<corpora>.
        resume: Continue the stopped run in this folder, with its own config; only --strategy may change.
        base: config.json of a run or a search, or a recipe in TOML; it replaces the defaults. Other flags override it.
    """
    if resume and run:
        raise UsageError(f"--resume continues in its own folder. Leave --run out. Received: --run {run}.")
    if resume and base:
        raise UsageError(
            f"--resume continues with the run's own config. Leave --config out. Received: --config {base}."
        )
    if base:
        config = with_flags(load(base))
        if not config.corpora:
            raise UsageError(f"{base} names no corpus, for example because its weights were imported. Add --corpora.")
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
        if not (resume and only_report_missing(resume)):
            training.train(config, folder, resume=resume is not None)
    except KeyboardInterrupt:
        saved = (folder / "checkpoint").exists()
        hint = f"Go on where it was: {cli.typed(f'train --resume {folder}')}" if saved else "Nothing was saved yet."
        cli.fail(f"Interrupted. {hint}", status=130)
    if not devices.first_process():
        return
    calibrated = calibrate.calibrate(folder)
    print(f"{report.summarise(evaluate.evaluate(folder))}\n\n{calibrate.summarise(calibrated)}")
    print(f"\nReport:  {folder / 'report' / 'report.html'}\nNext:    {cli.typed(f'export tflite {folder} OUT')}")
    if all(open_corpus(config.records, name).size("test") for name in config.corpora):
        print(f"         {cli.typed(f'evaluate {folder} --split test')}")


def saved_config(given: Config, run: Path) -> Config:
    """Return the config of a run to resume. Raises UsageError when flags other than --strategy would change it."""
    if replace(given, strategy=Config.strategy) != Config():
        raise UsageError(
            f"--resume continues with {run / 'config.json'} as it is. Leave the other flags out, except --strategy."
        )
    saved = load(run / "config.json")
    return saved if given.strategy == Config.strategy else replace(saved, strategy=given.strategy)


def only_report_missing(run: Path) -> bool:
    """Return whether a run finished its last epoch but was stopped before its report was complete."""
    trained = (run / "model.keras").is_file() and not (run / "checkpoint").exists()
    return trained and not (run / "report" / "report.json").exists()


def with_flags(defaults: Config) -> Config:
    """Return the config of the command line, with these defaults for the flags that are not given."""
    config, _ = tyro.cli(Flags, default=defaults, return_unknown_args=True)  # unknown here: --run and --config
    return config


def draw_faces() -> Config:
    """Build the corpus of drawn faces if it is missing, and return its config with the flags applied."""
    print(
        "No corpus was named, so this trains a small network on drawn faces, from scratch: minutes on two cores.\n"
        f"`{cli.typed('build')}` lists the corpora of real faces."
    )
    config = with_flags(DRAWN_FACES)
    if not (config.records / "synthetic").exists():
        arguments = ["synthetic", "--records", str(config.records.absolute())]
        print("$", cli.typed(f"build {' '.join(arguments)}"), flush=True)
        command = [sys.executable, "-m", "tfrecords_builders", *arguments]
        built = subprocess.run(command, cwd=Path(__file__).parents[1])  # the folder that holds both packages
        if built.returncode:
            sys.exit(built.returncode)
    return config


if __name__ == "__main__":
    cli.run(main)
