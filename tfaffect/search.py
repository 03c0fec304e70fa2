"""`tfaffect search`: many training runs, to find a better config than the given one."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tfaffect import cli
from tfaffect import config as configs
from tfaffect.config import Config
from tfaffect.config import load as load_config
from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.training import interruption
from tfaffect.tuning.settings import COMBINATIONS, FILE, Objective, Settings, Strategy, load, load_same

if TYPE_CHECKING:
    import keras

# TensorFlow, Keras and keras-tuner are imported where they are used: --help answers within half a second.

CHIEF_TIMEOUT_SECONDS = 600
"""How long a worker waits for its chief to start the search."""


def search(
    settings: Settings,
    out: Path,
    backbone: Callable[[int], keras.Model] | None = None,
    isolate: bool = True,
    command: str = "",
) -> dict[str, Any] | None:
    """Run or resume a search, and return the row of trials.csv of the best trial.

    `out` receives search.json, trials/, trials.csv, best/config.json, report/ and tuner/; all files are written
    atomically. Returns None if every trial failed, and in a worker, which trains the trials of its chief (see `main`).
    `backbone` makes another network for an image size. With `isolate` False trials run in this process. Raises
    UsageError for the folder of another search, a folder that another process writes, and settings that cannot be
    searched. Raises KeyboardInterrupt after Ctrl-C; the current trial is saved first.
    """
    from tfaffect.tuning.session import Session, is_chief_oracle, is_worker

    if is_worker():
        settings = _wait_for_settings(settings, out)
        with interruption.stop_signals() as stop_requested:
            Session(settings, out, backbone, isolate, stop_requested).search()
        return None
    try:
        with atomic.locked(out / FILE):
            settings = _load_or_create(settings, out, command)
            with nullcontext(lambda: False) if is_chief_oracle() else interruption.stop_signals() as stop_requested:
                return Session(settings, out, backbone, isolate, stop_requested).run()
    except BlockingIOError:
        raise UsageError(f"Another process searches in {out}. Wait for it, or name another folder.") from None


def _load_or_create(settings: Settings, out: Path, command: str) -> Settings:
    """Return the settings of the search in `out`; they are written there if it is new."""
    from tfaffect.training import training
    from tfaffect.tuning.session import describe

    atomic.remove_unfinished(out / FILE)
    if (out / FILE).exists():
        return load_same(settings, out)
    if any(path.name != f".{FILE}.lock" for path in out.iterdir()):
        raise UsageError(f"{out} is not empty, and holds no search. Name another folder with --out.")
    config = replace(settings.config, records=settings.config.records.absolute())
    settings = replace(settings, config=config)
    describe(settings)  # raises its errors before `resolve_auto` looks for ImageNet's weights
    settings = replace(settings, config=training.resolve_auto(config))
    if settings.strategy == "combinations" and settings.config.weights == "none":
        print(
            "The network starts from random weights, and layers that are frozen or slowed down stay close to them, so "
            "plain training will win. Name the weights of a real run with --weights.",
            file=sys.stderr,
        )
    settings.save(out, describe(settings)[1], command)
    return settings


def _wait_for_settings(settings: Settings, out: Path) -> Settings:
    """Wait until the chief has written its settings, and return them."""
    deadline = time.monotonic() + CHIEF_TIMEOUT_SECONDS
    while not (out / FILE).exists():
        if time.monotonic() > deadline:
            raise UsageError(
                f"No chief started a search in {out} within {CHIEF_TIMEOUT_SECONDS} s. Do both see that folder?"
            )
        time.sleep(1)
    return load_same(settings, out)


@dataclass(frozen=True)
class Flags(configs.Flags):
    """The config of every trial, except for the knobs that are searched."""

    # --strategy is the search's, so the strategy for devices has another flag.
    strategy: Annotated[configs.Strategy, tyro.conf.arg(name="device-strategy")] = "auto"
    """Devices that train one trial together; --strategy of `tfaffect train`."""


def main(
    config: Annotated[Flags, tyro.conf.OmitArgPrefixes],
    out: Annotated[Path | None, cli.option("DIR")] = None,
    strategy: Strategy = "random",
    trials: Annotated[int | None, cli.option("N", "20")] = None,
    objective: Objective = "selection",
    knobs: Annotated[tuple[str, ...], cli.option("NAME...", "all that have an effect")] = (),
    seeds: Annotated[int, tyro.conf.arg(metavar="N")] = 3,
    resume: Annotated[Path | None, cli.option("DIR")] = None,
    base: Annotated[Path | None, tyro.conf.arg(name="config", metavar="FILE", help_behavior_hint="")] = None,
) -> None:
    """Search for better hyperparameters: many training runs, a table and a report.

    tfaffect search --corpora fer_plus --records DIR --out DIR --strategy bayesian --trials 20 --epochs 12

    The first trial is the given config, by default the recipe: the other trials have to beat it. Scores are those of
    the validation splits; test splits are never read. After a kill or Ctrl-C the same command resumes the search. To
    use the result: tfaffect train --config DIR/best/config.json

    Several processes or machines can share a search if they see the same folders. Start the same command once with
    KERASTUNER_TUNER_ID=chief, which trains nothing, and once for each worker with a unique name in KERASTUNER_TUNER_ID.
    All need the chief's address in KERASTUNER_ORACLE_IP and a free port in KERASTUNER_ORACLE_PORT. Restart a worker
    that was stopped with the same name; the chief waits for it.

    Args:
        config: The config that every trial starts from.
        out: Folder of the search.
        strategy: random; bayesian: a Gaussian process proposes the next config; hyperband: many configs train for few
            epochs, and the best of them for more, up to --epochs; combinations: gradual unfreezing and discriminative
            rates, each on and off, with several seeds.
        trials: Number of configs to try; combinations runs 4 times --seeds.
        objective: The metric to maximise on the validation split: the selection metric, or a single one.
        knobs: Hyperparameters to search, by their names in config.json.
        seeds: Seeds of each combination.
        resume: Folder of a search to resume; leave all other flags out.
        base: config.json of a run or a search, or a recipe in TOML; it replaces the defaults. Other flags override it.
    """
    start = Flags.with_defaults(load_config(base)) if base and not resume else config.checked()
    if resume:
        given = (start, out, strategy, trials, objective, knobs, seeds, base)
        if given != (Config(), None, "random", None, "selection", (), 3, None):
            raise UsageError(f"--resume continues the search in {resume / FILE} unchanged. Leave the other flags out.")
        folder, settings = resume, load(resume)
    elif out is None:
        raise UsageError("Name the folder of the search with --out, or one to resume with --resume.")
    else:
        folder, settings = out, _make_settings(start, strategy, trials, objective, knobs, seeds)
    try:
        best = search(settings, folder, command=cli.typed_again("search"))
    except KeyboardInterrupt:
        cli.fail(f"Interrupted. To resume: {cli.typed(f'search --resume {shlex.quote(str(folder))}')}", status=130)
    _print_result(best, folder, settings.objective)


def _make_settings(
    config: Config, strategy: Strategy, trials: int | None, objective: Objective, knobs: tuple[str, ...], seeds: int
) -> Settings:
    """Return the settings for these flags. Raises UsageError if they contradict each other."""
    if strategy == "combinations":
        needed = len(COMBINATIONS) * seeds
        if trials not in (None, needed) or knobs:
            raise UsageError(
                f"--strategy combinations runs {len(COMBINATIONS)} trials for each of --seeds and searches no knob. "
                f"Received: trials={trials}, seeds={seeds}, knobs={knobs}."
            )
        return Settings(config, strategy, objective, needed, seeds)
    if seeds != 3:
        raise UsageError(f"--seeds is for --strategy combinations. Received: --strategy {strategy} --seeds {seeds}.")
    return Settings(config, strategy, objective, 20 if trials is None else trials, seeds, knobs)


def _print_result(best: dict[str, Any] | None, folder: Path, objective: str) -> None:
    from tfaffect.tuning.session import is_worker

    if best:
        print(f"\nBest:    trial {best['trial']}, {objective} {best['score']:.4f}")
        print(f"Report:  {folder / 'report' / 'report.html'}")
        print(f"Next:    {cli.typed('train')} --config {folder / 'best' / 'config.json'}")
    elif is_worker():
        print("The chief has no more trials.")
    else:
        cli.fail(f"Every trial failed. The reasons: {folder / 'trials.csv'}, {folder / 'tuner' / 'logs'}", status=1)


if __name__ == "__main__":
    cli.run(main)
