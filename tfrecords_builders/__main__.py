"""List the corpora, or prepare one."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import tyro

import tfrecords_builders
from tfaffect import cli
from tfaffect.errors import UsageError
from tfrecords_builders.base import Corpus

Flag = tyro.conf.FlagCreatePairsOff[bool]

# What builds records needs TensorFlow Datasets and is imported when a corpus is named.


def corpora() -> dict[str, type[Corpus]]:
    """Return every corpus class by the name of its module."""
    found = {}
    for module in pkgutil.iter_modules(tfrecords_builders.__path__):
        if module.name not in ("__main__", "builder", "prepare"):  # these import TensorFlow Datasets
            for kind in vars(importlib.import_module(f"tfrecords_builders.{module.name}")).values():
                if isinstance(kind, type) and issubclass(kind, Corpus) and kind is not Corpus:
                    found[kind().name] = kind
    return found


def find_corpus(name: str) -> type[Corpus]:
    """Return the corpus class of a name. Raises UsageError with the names there are."""
    known = corpora()
    if name not in known:
        guess = get_close_matches(name, known, n=1)
        hint = f" Did you mean {guess[0]}?" if guess else ""
        raise UsageError(f"There is no corpus {name!r}.{hint} Corpora: {', '.join(sorted(known))}.")
    return known[name]


def list_corpora() -> None:
    """List the corpora with licence, how to obtain them, and the expected tree; NAME --help shows one's options."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    for name, corpus in sorted(corpora().items()):
        console.print(f"\n[bold]{name}[/bold]  {escape(corpus.labels)}  {corpus.homepage}")
        console.print(f"Licence: {escape(corpus.licence)}")
        console.print(escape(corpus.instructions.strip()))
    console.print(f"\nPrepare one: {cli.typed('build')} NAME --raw DIR --records DIR")
    console.print(f"Its options: {cli.typed('build')} NAME --help")


def command(kind: type[Corpus]) -> Callable[..., None]:
    """Return the command that prepares a corpus, with the corpus's own options among its own."""

    def prepare_corpus(
        corpus,
        raw: Path | None = None,
        records: Path = Path("records"),
        keep_twins: Flag = False,
        max_skipped: float = kind.max_skipped,
        overwrite: Flag = False,
        face_detector: Path | None = None,
        workers: int = 0,
        beam_runner: str = "",
        beam_options: tuple[str, ...] = (),
    ) -> None:
        """Turn a corpus from its raw layout into TFRecords.

        Args:
            corpus: What this corpus leaves to choose.
            raw: Folder into which the corpus was unpacked.
            records: Folder that receives records/<corpus>/<version>/.
            keep_twins: Keep pictures or groups that the official split repeats in a later split.
            max_skipped: Share of the annotations that may give no record before the build fails.
            overwrite: Replace records that exist.
            face_detector: Local copy of the face detector's weights; downloaded once when not named.
            workers: Processes that decode and crop; 0 for all cores.
            beam_runner: Build through Apache Beam on this runner, such as DirectRunner (docs/beam.md).
            beam_options: Options of the Beam pipeline, such as runner_v2 settings, each as NAME=VALUE.
        """
        if kind.needs_raw and raw is None:
            raise UsageError(f"Name the folder of the raw corpus with --raw DIR.\n\n{kind.instructions.strip()}")
        if kind.needs_raw and not raw.is_dir():
            raise UsageError(f"There is no folder {raw}.\n\n{kind.instructions.strip()}")
        _build(
            corpus,
            raw or Path(),
            records,
            keep_twins=keep_twins,
            max_skipped=max_skipped,
            overwrite=overwrite,
            face_detector=face_detector,
            workers=workers or os.cpu_count() or 1,
            beam=(beam_runner, beam_options) if beam_runner else None,
        )

    prepare_corpus.__annotations__["corpus"] = tyro.conf.OmitArgPrefixes[kind]
    return prepare_corpus if is_dataclass(kind) else partial(prepare_corpus, kind())


def _build(corpus: Corpus, raw: Path, records: Path, **how) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from tfrecords_builders.prepare import prepare

    console = Console(file=sys.stdout, highlight=False)  # this stream, also while TFDS is told to be quiet
    console.print(f"{corpus.name}: reading annotations")
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("writing records", total=None)
        how["progress"] = lambda done, total: bar.update(task, completed=done, total=total)
        report = prepare(corpus, raw, records, **how)
    console.print(_tables(report))
    for key, counts in report["published"].items():
        if counts["published"] != counts["read"]:
            console.print(f"warning: {key}: {counts['read']:,} read, {counts['published']:,} published")
    console.print(f"Records: {records / corpus.name / corpus.version}")


def _tables(report: dict):
    from rich.console import Group
    from rich.table import Table

    from tfaffect.labels import AFFECT, CLASSES

    kept = Table(title=f"{report['corpus']} {report['version']}: records kept", title_justify="left")
    for column in ("", *report["splits"]):
        kept.add_column(column, justify="right" if column else "left")
    splits = report["splits"].values()
    kept.add_row("annotated", *(f"{split['annotated']:,}" for split in splits))
    kept.add_row("records", *(f"{split['records']:,}" for split in splits), end_section=True)
    for name in CLASSES:
        kept.add_row(name, *(f"{split['expression'][name]:,.0f}" for split in splits))
    for name in AFFECT:
        kept.add_row(name, *(f"{split[name]:,}" for split in splits), end_section=name == AFFECT[-1])
    for tag in sorted({tag for split in splits for tag in split["annotated_tags"]}):
        counts = (f"{split['tags'].get(tag, 0):,} of {split['annotated_tags'].get(tag, 0):,}" for split in splits)
        kept.add_row(f"tag {tag}", *counts)
    rest = Table(title="Skipped, and defects survived", title_justify="left")
    rest.add_column("count", justify="right")
    rest.add_column("reason")
    for kind in ("skipped", "notes"):
        for reason, count in report[kind].items():
            rest.add_row(f"{count:,}", ("skipped: " if kind == "skipped" else "survived: ") + reason)
    return Group(kept, rest) if rest.row_count else kept


def main(words: Sequence[str] | None = None) -> None:
    """Turn a raw corpus into records; list the corpora when none is named.

    `words` take the place of the command line.
    """
    name, *rest = (sys.argv[1:] if words is None else words) or [""]
    called = cli.typed("build") if words is not None else "python -m tfrecords_builders"
    if not name or name.startswith("-"):
        return cli.run(list_corpora, [name] if name else [], called)
    try:
        kind = find_corpus(name)
    except UsageError as error:
        cli.fail(str(error))
    cli.run(command(kind), rest, f"{called} {name}")


if __name__ == "__main__":
    main()
