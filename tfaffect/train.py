"""Train on prepared corpora, or on drawn faces when no corpus is named."""

import shlex
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import tyro

from tfaffect import cli
from tfaffect import config as configs
from tfaffect.config import DRAWN_FACES, Config, load, load_run
from tfaffect.errors import UsageError, counted

Flags = Annotated[configs.Flags, tyro.conf.OmitArgPrefixes]


def main(
    settings: Flags,
    run: Annotated[Path | None, cli.option("RUN", "runs/<date>-<corpora>")] = None,
    resume: Annotated[Path | None, cli.option("RUN")] = None,
    base: Annotated[Path | None, tyro.conf.arg(name="config", metavar="FILE", help_behavior_hint="")] = None,
) -> None:
    """Train a network on prepared corpora, or on drawn faces.

    Writes a run folder with config.json, model.keras, history.csv, tensorboard/ and report/.

    Args:
        settings: All settings of the run.
        run: Run folder to write.
        resume: Continue the stopped run in this folder, with its own config; only --strategy may change.
        base: config.json of a run or a search, or a recipe in TOML; it replaces the defaults. Other flags override it.
    """
    if resume and run:
        raise UsageError(f"--resume continues in its own folder. Leave --run out. Received: --run {run}.")
    if resume and base:
        raise UsageError(
            f"--resume continues with the run's own config. Leave --config out. Received: --config {base}."
        )
    config = settings.checked()
    if base:
        config = configs.Flags.with_defaults(load(base))
        if not config.corpora:
            raise UsageError(f"{base} names no corpus, for example because its weights were imported. Add --corpora.")
    if resume:
        config = saved_config(config, resume)
    from tfaffect.scoring import report  # without the extra it fails here, before a training is promised

    if not (resume or config.corpora):
        config = draw_faces()

    from tfaffect import calibrate
    from tfaffect.records.prepared import open_corpus
    from tfaffect.training import devices, training

    folder = resume or run or Path("runs", f"{datetime.now():%Y%m%d-%H%M%S}-{'-'.join(config.corpora)}")
    try:
        with cli.sigterm_as_ctrl_c():
            if not (resume and only_report_missing(resume)):
                training.train(config, folder, resume=resume is not None)
            if not devices.first_process():
                return
            calibrated, scores = calibrate.calibrate_and_evaluate(folder)
    except KeyboardInterrupt:
        saved = (folder / "checkpoint").exists() or only_report_missing(folder)
        again = cli.typed(f"train --resume {shlex.quote(str(folder))}")
        cli.fail(f"Interrupted. {f'Go on where it was: {again}' if saved else 'Nothing was saved yet.'}", status=130)
    print(f"{report.summarise(scores)}\n\n{calibrate.summarise(calibrated)}")
    if config.corpora == DRAWN_FACES.corpora:
        print("\nThis network knows drawn faces only. It does not read photos.")
    print(f"\nReport:  {folder / 'report' / 'report.html'}\nNext:    {cli.typed(f'export tflite {folder} OUT')}")
    if all(open_corpus(config.records, name).size("test") for name in config.corpora):
        print(f"         {cli.typed(f'evaluate {folder} --split test')}")


def saved_config(given: Config, run: Path) -> Config:
    """Return the config of a run to resume. Raises UsageError when flags other than --strategy would change it."""
    saved = load_run(run)
    if replace(given, strategy=Config.strategy) != Config():
        raise UsageError(
            f"--resume continues with {run / 'config.json'} as it is. Leave the other flags out, except --strategy."
        )
    return saved if given.strategy == Config.strategy else replace(saved, strategy=given.strategy)


def only_report_missing(run: Path) -> bool:
    """Return whether a run finished its last epoch but was stopped before its report was complete."""
    trained = (run / "model.keras").is_file() and not (run / "checkpoint").exists()
    return trained and not (run / "report" / "report.json").exists()


def draw_faces() -> Config:
    """Build the corpus of drawn faces if it is missing, and return its config with the flags applied."""
    config = configs.Flags.with_defaults(DRAWN_FACES)
    network = "EfficientNet-B1" if config.architecture == "efficientnet_b1" else f"the network {config.architecture}"
    usual = config == replace(DRAWN_FACES, records=config.records, seed=config.seed)
    print(
        f"No corpus was named: {network} learns drawn faces of {config.image_size} pixels for "
        f"{counted(config.epochs, 'epoch')}{', about 4 minutes on two cores' * usual}. This shows that everything "
        f"works; the network does not read photos.\n`{cli.typed('build')}` lists the corpora of real faces."
    )
    if not (config.records / "synthetic").exists():
        arguments = ["synthetic", "--records", str(config.records.absolute())]
        print("$", cli.typed(f"build {' '.join(arguments)}"), flush=True)
        command = [sys.executable, "-m", "tfrecords_builders", *arguments]
        with subprocess.Popen(command, cwd=Path(__file__).parents[1]) as builder:  # the folder of both packages
            import tfaffect.training.training  # noqa: F401 - while the faces are drawn, because it takes seconds
        if builder.returncode:
            sys.exit(builder.returncode)
    return config


if __name__ == "__main__":
    cli.run(main)
