"""The report of a search for people: what was searched, what was found, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from tfaffect.files import atomic
from tfaffect.scoring.page import compose_page, compose_pictures
from tfaffect.tuning import tables, verdict
from tfaffect.tuning.figures import draw_all
from tfaffect.tuning.findings import Findings, read
from tfaffect.tuning.statistics import Importance, importance

CAPTIONS = {
    "course": "The score of each trial, and the best so far.",
    "curves": "The validation figure after every epoch; a line ends where its trial did.",
    "slices": "The score over each knob alone, while everything else varies too. Black bars: medians of three or more.",
    "parallel": "Every trial is a line through its values up to its score; the darker, the better its rank.",
    "importance": "How much worse a forest predicts unseen trials when one knob is shuffled. It speaks of the ranges "
    "searched, and of the trials where the search looked.",
    "combinations": "The four combinations over the same seeds.",
}
"""What stands below the pictures."""
RUNGS = "Upright lines: the epochs at which Hyperband chose who goes on."
FAILURES = {"curves": "A cross: failed.", "parallel": "Dashed: failed."}
NOTES = """A score is that of the model which a trial has kept (of the epoch with the best selection metric, or of the
last, as its config says), on the validation split. The search has chosen by it, so the best scores are somewhat too
high; figures to publish come from the test split, which a search never opens. Points are differences of percentages. A
dash stands for what does not apply, or does not exist yet."""


def write(folder: Path) -> Path:
    """Replace `folder`/report by the report of the search in `folder`, as far as it has come, and return its page.

    It holds report.html, which needs nothing beside it, and the same pictures as PNG files.

    Raises:
      UsageError: `folder` is not the folder of a search.
    """
    folder = Path(folder)
    findings = read(folder)
    weights = weigh(findings)
    figures = draw_all(findings, weights if weights and weights.r2 >= verdict.EXPLAINED else None)
    with atomic.write_folder(folder / "report") as new:
        for name, figure in figures.items():
            figure.savefig(new / f"{name}.png", dpi=150, bbox_inches="tight")
        pictures = {name: (new / f"{name}.png").read_bytes() for name in figures}
        (new / "report.html").write_text(compose(findings, weights, pictures, folder), encoding="utf-8")
    return folder / "report" / "report.html"


def weigh(findings: Findings) -> Importance | None:
    """The importance of the knobs, None with too few finished configs or with scores that are all equal.

    A config counts once, with the mean over its seeds. Under hyperband the epochs, which it dealt out, stand beside
    the knobs: without them a knob would be credited with the luck of longer trials.
    """
    configs = findings.runs.groupby("config")
    scores = configs["score"].mean()
    if findings.compares_techniques or len(scores) < verdict.FEWEST or scores.nunique() < 2:
        return None
    names = [knob.name for knob in findings.knobs]
    budget = ["epochs"] if findings.settings["strategy"] == "hyperband" else []
    return importance(configs[names + budget].first(), scores)


def compose(findings: Findings, weights: Importance | None, pictures: Mapping[str, bytes], folder: Path) -> str:
    """One self-contained HTML page, from the findings, the knobs' importance and the PNG pictures by name."""
    title = f"Search for {findings.measure.title}, {findings.settings['strategy']}"
    if findings.compares_techniques:
        results = _combinations(findings, pictures)
    else:
        results = _knobs(findings, weights, pictures, folder)
    ending = [
        "<h2>All trials</h2>",
        tables.compose_trials(findings),
        tables.compose_failures(findings),
        f"<h2>Notes</h2><p><small>{escape(NOTES)}</small></p>",
    ]
    return compose_page(title, [tables.compose_facts(findings), *results, *ending])


def _knobs(findings: Findings, weights: Importance | None, pictures: Mapping[str, bytes], folder: Path) -> list[str]:
    captions = _captions(findings)
    return [
        tables.compose_tiles(findings),
        _paragraph(" ".join(verdict.conclude(findings))),
        tables.compose_best(findings, folder),
        compose_pictures(pictures, captions, "course", "curves"),
        "<h2>The knobs</h2>",
        compose_pictures(pictures, captions, "slices"),
        compose_pictures(pictures, captions, "parallel"),
        _paragraph(verdict.weigh_importance(findings.runs["config"].nunique(), weights)),
        compose_pictures(pictures, captions, "importance"),
    ]


def _combinations(findings: Findings, pictures: Mapping[str, bytes]) -> list[str]:
    return [
        "<h2>The four combinations</h2>",
        tables.compose_combinations(findings),
        compose_pictures(pictures, CAPTIONS, "combinations"),
        "<h2>Paired tests</h2>",
        tables.compose_effects(findings),
        _paragraph(verdict.limits(findings.done)),
    ]


def _captions(findings: Findings) -> dict[str, str]:
    captions = dict(CAPTIONS)
    if findings.settings["strategy"] == "hyperband":
        captions["curves"] += f" {RUNGS}"
    if (findings.trials["status"] == "failed").any():
        captions |= {name: f"{captions[name]} {words}" for name, words in FAILURES.items()}
    return captions


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"
