"""The HTML report of a search: what was searched, the results, and how certain they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from matplotlib import rc_context

from tfaffect.files import atomic
from tfaffect.scoring.figures import save_all
from tfaffect.scoring.page import compose_page, compose_paragraph, compose_pictures
from tfaffect.tuning import html_tables, verdict
from tfaffect.tuning.alt_texts import describe_all
from tfaffect.tuning.figures import draw_all
from tfaffect.tuning.findings import Findings, read
from tfaffect.tuning.statistics import Importance, importance

CAPTIONS = {
    "course": "The score of each trial, and the best so far.",
    "curves": "The validation metric after every epoch of each trial.",
    "slices": "The score against each knob, while the others vary too. Black bars: medians of three or more trials.",
    "parallel": "Every trial is a line through its values to its score. Darker lines have a better rank.",
    "importance": "How much worse a random forest predicts unseen trials when one knob is shuffled. This holds for the "
    "searched ranges, and for the trials that the search chose.",
    "combinations": "The four combinations with the same seeds.",
}
RUNGS = "Vertical lines: the epochs at which Hyperband promoted trials."
FAILURES = {"curves": "A cross: failed.", "parallel": "Dashed: failed."}
NOTES = """A score is measured on the validation split, with the model that a trial saved: that of the epoch with the
best selection metric, or of the last epoch, as its config says. The search chose by this score, so the best scores are
somewhat too high. Publish figures of the test split, which a search never reads. Differences between percentages are in
points. A dash: does not apply, or does not exist yet."""


def write(folder: Path) -> Path:
    """Write the report of the search in `folder`, finished or not, to `folder`/report, and return its page.

    It contains report.html, which is self-contained, and its figures as PNG files. An earlier report is replaced.

    Raises:
      UsageError: `folder` is not the folder of a search.
    """
    folder = Path(folder)
    findings = read(folder)
    importances = knob_importance(findings)
    # A dollar sign starts a formula in matplotlib, but here it belongs to a name.
    with rc_context({"text.parse_math": False}), atomic.write_folder(folder / "report") as new:
        drawn = importances if importances and importances.r2 >= verdict.MIN_R2 else None
        pictures, alts = save_all(draw_all(findings, drawn), new), describe_all(findings, drawn)
        compose_some = partial(compose_pictures, pictures, _captions(findings), alts=alts)
        (new / "report.html").write_text(compose(findings, importances, compose_some, folder), encoding="utf-8")
    return folder / "report" / "report.html"


def knob_importance(findings: Findings) -> Importance | None:
    """The importance of the knobs; None with too few finished configs, or if all scores are equal.

    A config counts once, with the mean over its seeds. For Hyperband the number of epochs is one more variable:
    otherwise a knob would be credited with the effect of longer training.
    """
    configs = findings.runs.groupby("config")
    scores = configs["score"].mean()
    if findings.compares_techniques or len(scores) < verdict.MIN_CONFIGS or scores.nunique() < 2:
        return None
    names = [knob.name for knob in findings.knobs]
    budget = ["epochs"] if findings.settings["strategy"] == "hyperband" else []
    return importance(configs[names + budget].first(), scores)


def compose(findings: Findings, importances: Importance | None, compose_some: Callable[..., str], folder: Path) -> str:
    """One self-contained HTML page; `compose_some` returns those of the named figures that exist, as HTML."""
    if findings.compares_techniques:
        results = [
            "<h2>The four combinations</h2>",
            html_tables.compose_combinations(findings),
            compose_some("combinations"),
            "<h2>Paired tests</h2>",
            html_tables.compose_effects(findings),
            compose_paragraph(verdict.explain_tests(findings.done)),
        ]
    else:
        results = [
            html_tables.compose_tiles(findings),
            compose_paragraph(" ".join(verdict.conclude(findings))),
            html_tables.compose_best(findings, folder),
            compose_some("course", "curves"),
            "<h2>The knobs</h2>",
            compose_some("slices"),
            compose_some("parallel"),
            compose_paragraph(verdict.explain_importance(findings.runs["config"].nunique(), importances)),
            compose_some("importance"),
        ]
    trials = ["<h2>All trials</h2>", html_tables.compose_trials(findings), html_tables.compose_failures(findings)]
    notes = "<h2>Notes</h2>" + compose_paragraph(NOTES, small=True)
    title = f"Search for {findings.metric.title}, {findings.settings['strategy']}"
    return compose_page(title, [html_tables.compose_facts(findings), *results, *trials, notes])


def _captions(findings: Findings) -> dict[str, str]:
    captions = dict(CAPTIONS)
    if findings.settings["strategy"] == "hyperband":
        captions["curves"] += f" {RUNGS}"
    if (findings.trials["status"] == "failed").any():
        captions |= {name: f"{captions[name]} {words}" for name, words in FAILURES.items()}
    return captions
