"""List the corpora, or build the records of one."""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from functools import partial
from inspect import isabstract
from pathlib import Path
from typing import Annotated, Any

import tyro

import tfrecords_builders
from tfaffect import cli
from tfaffect.errors import UsageError
from tfaffect.files import processors
from tfrecords_builders.base import Corpus

VALUES = 10
"""Values of an attribute that are shown on screen. The build report has more."""

Flag = tyro.conf.FlagCreatePairsOff[bool]


def corpora() -> dict[str, type[Corpus]]:
    """Return every corpus class by the name of its module."""
    found = {}
    for module in pkgutil.iter_modules(tfrecords_builders.__path__):
        if module.name not in ("__main__", "builder", "prepare"):  # these import TensorFlow Datasets
            for kind in vars(importlib.import_module(f"tfrecords_builders.{module.name}")).values():
                if isinstance(kind, type) and issubclass(kind, Corpus) and not isabstract(kind):
                    found[kind().name] = kind
    return found


def find_corpus(name: str) -> type[Corpus]:
    """Return the corpus class of a name. Raises UsageError with the known names."""
    known = corpora()
    if name not in known:
        guess = cli.did_you_mean(name, known)
        raise UsageError(f"There is no corpus {name!r}.{guess} Corpora: {', '.join(sorted(known))}.")
    return known[name]


def list_corpora() -> None:
    """List the corpora: licence, how to obtain them, and the expected files. NAME --help shows a corpus's options."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    for name, corpus in sorted(corpora().items()):
        console.print(f"\n[bold]{name}[/bold]  {escape(corpus.labels)}  {corpus.homepage}".rstrip())
        console.print(f"Licence: {escape(corpus.licence)}")
        console.print(escape(corpus.instructions.strip()))
    console.print("\nDIR is the folder that --raw names. `...` stands for any folders in between, or for more files.")
    console.print(f"Build records: {cli.typed('build')} NAME --raw DIR --records FOLDER")
    console.print(f"Options: {cli.typed('build')} NAME --help")


def command(kind: type[Corpus]) -> Callable[..., None]:
    """Return the command that builds the records of a corpus. Its options include those of the corpus."""

    def prepare_corpus(
        corpus: Any,
        raw: Annotated[Path | None, cli.option("DIR")] = None,
        records: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("records"),
        keep_twins: Flag = False,
        max_skipped: float = kind.max_skipped,
        overwrite: Flag = False,
        face_detector: cli.FaceDetector = None,
        workers: Annotated[int, cli.option("N", "one for each core")] = 0,
        beam_runner: Annotated[str, cli.option("RUNNER")] = "",
        beam_options: Annotated[tuple[str, ...], cli.option("NAME=VALUE...")] = (),
    ) -> None:
        """Build the TFRecords of a corpus from its raw files.

        Args:
            corpus: Options of this corpus.
            raw: Folder with the unpacked corpus.
            records: Folder for the records; they are written to <corpus>/<version>/ in it.
            keep_twins: Keep faces whose picture or group is in a later split as well.
            max_skipped: Largest share of annotations that may be unreadable or unmatched; with more, the build fails.
            overwrite: Replace records that exist.
            face_detector: Weights of the face detector YuNet.
            workers: Number of processes that decode and crop.
            beam_runner: Build with Apache Beam on this runner, for example DirectRunner (docs/clusters.md).
            beam_options: Options of the Beam pipeline.
        """
        if kind.needs_raw and not (raw and raw.is_dir()):
            missing = f"There is no folder {raw}." if raw else "Name the folder of the raw corpus with --raw DIR."
            raise UsageError(f"{missing}\n\n{kind.instructions.strip()}")
        _build(
            corpus,
            raw or Path(),
            records,
            keep_twins=keep_twins,
            max_skipped=max_skipped,
            overwrite=overwrite,
            face_detector=face_detector,
            workers=workers or processors.count(),
            beam=(beam_runner, beam_options) if beam_runner else None,
        )

    options = tyro.conf.OmitArgPrefixes[kind]  # type: ignore[valid-type]  # known only at run time
    prepare_corpus.__annotations__["corpus"] = options
    return prepare_corpus if is_dataclass(kind) else partial(prepare_corpus, kind())


def _build(corpus: Corpus, raw: Path, records: Path, **options: Any) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    from tfrecords_builders.prepare import prepare  # here, because it imports TensorFlow

    console = Console(file=sys.stdout, highlight=False)  # fixed here, because `builder.write` redirects sys.stdout
    console.print(f"{corpus.name}: reading annotations")
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("writing records", total=None)
        options["progress"] = lambda done, total: bar.update(task, completed=done, total=total)
        report = prepare(corpus, raw, records, **options)
    console.print(_tables(report))
    for warning in report["warnings"]:
        console.print(f"warning: {escape(warning)}")
    for key, counts in report["published"].items():
        if counts["published"] != counts["read"]:
            console.print(f"warning: {key}: {counts['read']:,} read, but {counts['published']:,} published")
    console.print(f"Records: {records / corpus.name / corpus.version}")


def _tables(report: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    from tfaffect.labels import AFFECT, CLASSES

    kept = Table(title=f"{report['corpus']} {report['version']}: records written", title_justify="left")
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
        kept.add_row(f"tag {escape(tag)}", *counts)
    people = Table(title="Attributes of people: values and faces", title_justify="left", show_header=False)
    for name, values in report["attributes"].items():
        listed = [f"{value} {count:,}" for value, count in values.items()]
        more = [f"and {len(listed) - VALUES:,} more"] * (len(listed) > VALUES)
        people.add_row(name, escape(", ".join([*listed[:VALUES], *more])))
    rest = Table(title="Annotations without a record, and notes", title_justify="left")
    rest.add_column("count", justify="right")
    rest.add_column("")
    for reason, count in report["skipped"].items():
        kind = "left out" if reason in report["decisions"] else "skipped"
        rest.add_row(f"{count:,}", f"{kind}: {escape(reason)}")
    for reason, count in report["notes"].items():
        rest.add_row(f"{count:,}", f"note: {escape(reason)}")
    return Group(*(table for table in (kept, people, rest) if table.row_count))


def main(words: Sequence[str] | None = None) -> None:
    """Build the records of a raw corpus, or list the corpora when none is named.

    `words` replaces the command line.
    """
    name, *rest = (sys.argv[1:] if words is None else words) or [""]
    command_name = cli.typed("build") if words is not None else "python -m tfrecords_builders"
    if not name or name.startswith("-"):
        return cli.run(list_corpora, [name] if name else [], command_name)
    try:
        kind = find_corpus(name)
    except UsageError as error:
        cli.fail(str(error))
    cli.run(command(kind), rest, f"{command_name} {name}")


if __name__ == "__main__":
    main()
