"""The search for a better config than the recipe's: many runs, each of them one that train.py could make."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from tfaffect import cli
from tfaffect.config import Config
from tfaffect.errors import UsageError
from tfaffect.files import atomic
from tfaffect.training import interruption
from tfaffect.tuning.settings import COMBINATIONS, FILE, Objective, Settings, Strategy, check_same, load

if TYPE_CHECKING:
    import keras

# TensorFlow, Keras and keras-tuner are imported where they are used: --help answers within half a second.

PATIENCE_SECONDS = 600
"""How long a worker waits for its chief to begin the search."""


def search(
    settings: Settings,
    out: Path,
    backbone: Callable[[int], keras.Model] | None = None,
    isolate: bool = True,
    command: str = "",
) -> dict | None:
    """Search as the settings say, or go on with it, and return the row of trials.csv of the best trial.

    `out` receives search.json, trials/, trials.csv, best/config.json, report/ and tuner/; each is whole at every
    moment. None where every trial failed, and for a worker, which trains what its chief hands out (see `main`).
    `backbone` makes another network for an image size; with `isolate` False trials run in this process and not in their
    own. Raises UsageError for a folder of another search, one that another process writes, and what cannot be searched;
    KeyboardInterrupt after Ctrl-C: the trial under way is saved then.
    """
    from tfaffect.tuning.session import Session
    from tfaffect.tuning.strategies import is_chief, is_worker

    if is_worker():
        settings = _of_the_chief(settings, out)
        return Session(settings, out, backbone, isolate).work()
    try:
        with atomic.locked(out / FILE):
            settings = _begin(settings, out, command)
            with nullcontext(lambda: False) if is_chief() else interruption.stop_signals() as stop_requested:
                return Session(settings, out, backbone, isolate, stop_requested).run()
    except BlockingIOError:
        raise UsageError(f"Another process searches in {out}. Wait for it, or name another folder.") from None


def _begin(settings: Settings, out: Path, command: str) -> Settings:
    """Return the settings of the search in `out`, written there when it is new."""
    from tfaffect.training import training
    from tfaffect.tuning.session import describe

    atomic.remove_unfinished(out / FILE)
    if (out / FILE).exists():
        saved = load(out)
        check_same(settings, saved, out)
        return saved
    if any(path.name != f".{FILE}.lock" for path in out.iterdir()):
        raise UsageError(f"{out} is not empty, and holds no search. Name another folder with --out.")
    config = replace(settings.config, records=settings.config.records.absolute())
    settings = replace(settings, config=config)
    describe(settings)  # what cannot be searched is said before ImageNet's weights are looked for
    settings = replace(settings, config=training.decide(config))
    if settings.strategy == "combinations" and settings.config.weights == "none":
        print(
            "The network begins from random weights, and layers that are frozen or slowed down stay near them: plain "
            "training will win. Name the weights that a real run would begin with by --weights.",
            file=sys.stderr,
        )
    settings.save(out, describe(settings), command)
    return settings


def _of_the_chief(settings: Settings, out: Path) -> Settings:
    """Wait for the chief to write its settings, and return them."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (out / FILE).exists():
        if time.monotonic() > deadline:
            raise UsageError(f"No chief began a search in {out} within {PATIENCE_SECONDS} s. Do both see that folder?")
        time.sleep(1)
    saved = load(out)
    check_same(settings, saved, out)
    return saved


@dataclass(frozen=True)
class Flags(Config):
    """The knobs of every trial, but for those that are searched."""

    # --strategy is the search's; a trial's devices go by the word that says what it is.
    strategy: Annotated[
        Literal["auto", "single", "mirrored", "data_parallel"], tyro.conf.arg(name="device-strategy")
    ] = "auto"
    """Devices that train one trial together; --strategy of train.py."""


def main(
    config: Annotated[Flags, tyro.conf.OmitArgPrefixes],
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None,
    strategy: Strategy = "random",
    trials: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: 20)")] = None,
    objective: Objective = "selection",
    knobs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...", help_behavior_hint="")] = (),
    seeds: Annotated[int, tyro.conf.arg(metavar="N")] = 3,
    resume: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None,
) -> None:
    """Search for a better config than the given one: trials that train.py could make, a table, a report.

    python -m tfaffect.search --corpora fer_plus --records DIR --out DIR --strategy bayesian --trials 20 --epochs 12

    The first trial is the config as given, without flags the recipe: a search begins with what it wants to beat. Scores
    are those of validation splits; test splits are never opened. Killed or interrupted, it goes on with the same
    command. Then: python train.py --config DIR/best/config.json

    Several processes or machines share a search when they see the same folders: start the same command once with
    KERASTUNER_TUNER_ID=chief, which trains nothing, and once for each worker with a name of its own in
    KERASTUNER_TUNER_ID, all with the chief's address in KERASTUNER_ORACLE_IP and a free port in KERASTUNER_ORACLE_PORT.
    A worker that was stopped is started again under its name; the chief waits for it.

    Args:
        config: The knobs that every trial starts from.
        out: Folder of the search.
        strategy: random; bayesian, which proposes what a Gaussian process expects most of; hyperband, which gives many
            configs few epochs and the best of them more, up to --epochs; combinations of gradual unfreezing and
            discriminative rates, on and off, each with several seeds.
        trials: Configs to try; combinations takes 4 times --seeds.
        objective: What to maximise, on validation: the selection metric, or one figure.
        knobs: Search these alone, by their names in config.json; all that can matter when none is named.
        seeds: Seeds of each combination.
        resume: Folder of a search that was stopped, in place of all other flags.
    """
    folder, settings = _asked_for(config, out, strategy, trials, objective, knobs, seeds, resume)
    command = shlex.join(["python", "-m", "tfaffect.search", *sys.argv[1:]])
    try:
        found = search(settings, folder, command=command)
    except KeyboardInterrupt:
        cli.fail(f"Interrupted. Go on where it was: python -m tfaffect.search --resume {folder}", status=130)
    if found is None and "KERASTUNER_ORACLE_IP" in os.environ and "chief" not in os.environ["KERASTUNER_TUNER_ID"]:
        print("The chief has no more trials.")
    elif found is None:
        cli.fail(f"Every trial failed. The reasons: {folder / 'trials.csv'}, {folder / 'tuner' / 'logs'}", status=1)
    else:
        print(f"\nBest:    trial {found['trial']}, {settings.objective} {found['score']:.4f}")
        print(f"Report:  {folder / 'report' / 'report.html'}")
        print(f"Next:    python train.py --config {folder / 'best' / 'config.json'}")


def _asked_for(
    given: Flags,
    out: Path | None,
    strategy: Strategy,
    trials: int | None,
    objective: Objective,
    knobs: tuple[str, ...],
    seeds: int,
    resume: Path | None,
) -> tuple[Path, Settings]:
    """Return the folder and the settings that flags ask for. Raises UsageError where they contradict each other."""
    config = Config(**{field.name: getattr(given, field.name) for field in fields(Config)})
    rest = (config, out, strategy, trials, objective, knobs, seeds)
    if resume:
        if rest != (Config(), None, "random", None, "selection", (), 3):
            raise UsageError(f"--resume goes on with {resume / FILE} as it is. Leave the other flags out.")
        return resume, load(resume)
    if out is None:
        raise UsageError("Name the folder of the search with --out, or one to go on with by --resume.")
    if strategy == "combinations":
        needed = len(COMBINATIONS) * seeds
        if trials not in (None, needed) or knobs:
            raise UsageError(
                f"--strategy combinations runs {len(COMBINATIONS)} trials for each of --seeds and searches no knob. "
                f"Received: trials={trials}, seeds={seeds}, knobs={knobs}."
            )
        return out, Settings(config, strategy, objective, needed, seeds)
    if seeds != 3:
        raise UsageError(f"--seeds is for --strategy combinations. Received: --strategy {strategy} --seeds {seeds}.")
    return out, Settings(config, strategy, objective, 20 if trials is None else trials, seeds, knobs)


if __name__ == "__main__":
    cli.run(main)
