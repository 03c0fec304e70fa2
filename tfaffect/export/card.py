"""The command `tfaffect card`: the content of a contract as a model card for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfaffect import cli
from tfaffect.contract import CARD, MIRRORED, TURNED_GREY
from tfaffect.export.card_groups import describe_groups
from tfaffect.export.markdown import DASH, facts, format_figure, percent, table
from tfaffect.files import atomic
from tfaffect.labels import HEADS

if TYPE_CHECKING:
    from tfaffect.contract import Contract

NAMES = {"expression": "The classes", "valence": "Valence", "arousal": "Arousal"}

NETWORKS = {
    "efficientnet_b1": "EfficientNet-B1",
    "efficientnet_lite1": "EfficientNet-Lite1",
    "small": "a residual network of 1.1 million weights",
    "micro": "a residual network of 0.19 million weights",
}
"""Architecture in the contract -> its description."""

PEOPLE = {
    "affectnet": "faces from web searches in six languages",
    "afew_va": "actors in clips of films",
    "crema_d": "actors who speak with acted emotions, each clip labelled by about ten people who saw only the face",
    "emotic": "people in scenes; the labels are of the whole person, not of the face",
    "expw": "faces from web searches for emotions",
    "fer2013": "grey faces of 48 pixels from web searches, with one label each",
    "fer_plus": "grey faces of 48 pixels from web searches, each labelled by ten people",
    "folder": "people in a user's own pictures",
    "raf_db": "faces from the web, each labelled by about 40 people",
    "recola": "pairs of French speakers in video calls",
    "savee": "four men who act emotions while they speak",
    "semaine": "people who talk with a character played by another person",
    "sewa": "people of six cultures who watch adverts and talk by video chat",
    "videos": "people in a user's own videos",
    "synthetic": "drawn faces; no person is shown",
}
"""Corpus -> the people in it, as its builder describes them."""

MEASURED = {
    "milliseconds": "milliseconds, this file",
    "network_milliseconds": "milliseconds, Keras",
    "faces": "validation faces in the comparison",
    "differences": "largest difference from Keras",
    "losses": "loss against Keras",
}
"""Fields of `artefact.Measurements` -> their descriptions."""

LIMITS = """\
- **Facial expression is not felt emotion.** The labels are what other people saw in a face, or what an actor was told
  to show. They are not what the person felt.
- **Not for decisions about people**: not for hiring, education, policing, border control, insurance, credit, medicine,
  or lie detection, and not for observing people without their consent. The law may forbid some of these uses.
- **For research and for demonstrations** with people who gave their consent, where a wrong output harms nobody.
- **The people in the corpora do not represent all people.** Age, sex, ethnicity, culture, cameras, light and poses are
  those of the corpora below. No figure here shows the accuracy for one group of people. Measure it on people like yours
  before you rely on the model.
- **A class is the label that most raters chose.** Other labels may fit too. Acted and posed faces are clearer than
  faces in daily life.
- Faces that are turned away, covered, cut off, blurred or small are harder, and the face detector misses some faces.
  `tfaffect verify THIS --records R --faces DIR` measures the accuracy on your own labelled photos.
"""

NOTE = """\
In brackets: 95 % intervals of a bootstrap over groups (subjects, clips or photos), because the faces of one group are
not independent. UAR is the mean recall and macro F1 the mean F1, both over the classes that occur. ECE is the expected
calibration error (15 bins). CCC is Lin's concordance. `tfaffect verify THIS --records R` measures all figures again."""


def compose(contract: Contract) -> str:
    """Return the card as Markdown. It contains only facts from the contract; a missing fact becomes a dash."""
    parts = [
        _describe(contract),
        f"## Use and limits\n\n{LIMITS}{_limits_of_drawings(contract)}".rstrip(),
        _describe_input(contract),
        _describe_data(contract),
        "## Figures\n\n" + "\n\n".join(_describe_figures(contract)),
        "## Calibration\n\n" + "\n\n".join(_describe_calibration(contract)),
        *_describe_artefact(contract),
        *_describe_use(contract),
    ]
    return "\n\n".join(parts) + "\n"


def write(contract: Contract, folder: Path) -> Path:
    """Write the card into a folder, replace an earlier card, and return the path."""
    with atomic.write_file(Path(folder) / CARD) as partial:
        partial.write_text(compose(contract), encoding="utf-8")
    return Path(folder) / CARD


def _describe(contract: Contract) -> str:
    artefact = contract.artefact or {}
    kind = " ".join(str(artefact[name]) for name in ("format", "recipe") if artefact.get(name))
    heads = f"a head for the classes, one for {' and '.join(contract.affect)}"
    network = NETWORKS.get(contract.architecture, contract.architecture)
    rows = [
        ["network", f"{network}; {contract.embedding_size} affective features; {heads}"],
        ["input", f"`{contract.input['name']}`: {contract.preprocessing()}, one face; see below"],
        *([f"output `{name}`", _describe_output(contract, name)] for name in contract.outputs),
        *([["every output", MIRRORED]] if contract.mirror else []),
        ["classes, in order", ", ".join(f"{place} {name}" for place, name in enumerate(contract.classes))],
    ]
    title = "# tfaffect" + (f": {kind}" if kind else "")
    return f"{title}\n\nFacial affect of one face at a time.\n\n{table(['', ''], rows)}"


def _describe_output(contract: Contract, name: str) -> str:
    if name in HEADS and name not in contract.trained:
        return "**never trained: NaN for every face**"
    if name not in contract.affect:
        return contract.outputs[name]
    bounds = "not bounded" if contract.affect_range is None else "in [{:g}, {:g}]".format(*contract.affect_range)
    return f"{contract.outputs[name].removesuffix(', NaN when not trained')}; {bounds}"


def _limits_of_drawings(contract: Contract) -> str:
    if set(contract.corpora) != {"synthetic"}:
        return ""
    return (
        "- **This model never saw a person**: all its training faces are drawn. It only shows that the pipeline works."
    )


def _describe_input(contract: Contract) -> str:
    rules = {name: words for name, words in contract.input.items() if name != "name"}
    rows = [[name, str(words)] for name, words in rules.items()]
    rows += [
        ["crop_margin", f"{contract.crop_margin:g}"],
        ["height, width", f"{contract.input_size}, {contract.input_size}"],
    ]
    scale = "scale it"
    if contract.colour == "grey":
        scale = "scale it, turn it grey"
        rows.append(["turn grey", TURNED_GREY])
    words = f"Find the face, crop it, {scale}, and pass the pixels unchanged. Other crops give other outputs."
    return f"## Input\n\n{words}\n\n{table(['', ''], rows)}"


def _describe_data(contract: Contract) -> str:
    rows = [[name, version, PEOPLE.get(name, DASH)] for name, version in contract.corpora.items()]
    corpora = table(["corpus", "version", "people in it"], rows) if rows else "The contract names no corpus."
    terms = [f"- Licence of **{name}**: {licence}." for name, licence in contract.terms.items()]
    warnings = [f"- **{name}**: {' '.join(sentences)}" for name, sentences in contract.warnings.items()]
    remarks = "\n".join(terms + warnings)
    return "\n\n".join(filter(None, ["## Training data and licence", corpora, remarks, contract.licence]))


def _describe_figures(contract: Contract) -> Iterator[str]:
    if contract.scores is None:
        yield "None: these weights were not scored, or were calibrated after they were scored."
        return
    from tfaffect.export.claims import SCORED

    protocol = {name: words for name, words in contract.scores.get("protocol", {}).items() if words != ""}
    yield table(["protocol", ""], [[name, str(words)] for name, words in protocol.items()])
    scored = {head: scores for head in HEADS if (scores := contract.scores.get(head))}
    rows = [
        [title, format_figure(title, scored[head].get(name)), f"{scored[head]['n']:,}"]
        for title, (head, name) in SCORED.items()
        if head in scored
    ]
    yield table(["figure", "value", "faces"], rows)
    for head in (head for head in HEADS if head not in scored):
        yield f"{NAMES[head]}: {DASH}; {_why_not(contract, head)}."
    if classes := scored.get("expression", {}).get("classes"):
        rows = [
            [name, *(percent(row[figure]) for figure in ("precision", "recall", "f1")), f"{row['support']:,}"]
            for name, row in classes.items()
        ]
        yield table(["class", "precision", "recall", "F1", "faces"], rows)
    yield from describe_groups(contract.scores)
    yield NOTE


def _why_not(contract: Contract, head: str) -> str:
    return "these records have too few labels for it" if head in contract.trained else "it was never trained"


def _describe_calibration(contract: Contract) -> Iterator[str]:
    found = contract.calibration
    if found is None:
        yield f"Not calibrated: the temperature is {contract.temperature:g}, and there are no intervals."
        return
    corpora = ", ".join(f"{name} {version}" for name, version in found.get("corpora", {}).items())
    yield f"Fitted on {found['records']:,} faces: {corpora or DASH}, {found.get('split', DASH)}."
    if ece := found.get("ece"):
        yield (
            f"The logits of the classes are divided by the temperature {contract.temperature:.3f} inside the model. "
            f"Expected calibration error: {percent(ece['before'])} before; {percent(ece['after'])} after (2-fold "
            "cross-validation: each half of the faces with the temperature fitted on the other half)."
        )
    else:
        yield "The classes have no temperature: their head was not trained, or the faces have no class labels."
    for name, width in found["half_width"].items():
        if width is None:
            yield f"{NAMES[name]}: no interval; {_why_not(contract, name)}."
        else:
            coverage = f"{100 * found['coverage']:g} % of faces like these (split conformal prediction)"
            yield f"{NAMES[name]}: the prediction ± {width:.3f} contains the label for {coverage}."
    if rows := found.get("abstain"):
        yield "When only faces with at least this top probability get a class:"
        shares = [[f"{row['threshold']:g}", percent(row["share"]), percent(row["accuracy"])] for row in rows]
        yield table(["top probability", "faces with a class", "accuracy on these"], shares)


def _describe_artefact(contract: Contract) -> Iterator[str]:
    if contract.artefact:
        known = {MEASURED.get(name, name): value for name, value in contract.artefact.items()}
        words = "Measured by the exporter; times are for one face on the exporting machine."
        yield f"## This file\n\n{words}\n\n{table(['', ''], facts(known))}"


def _describe_use(contract: Contract) -> Iterator[str]:
    from tfaffect.export.snippets import snippets

    blocks = [f"{title}:\n\n```{kind}\n{code}```" for title, (kind, code) in snippets(contract).items()]
    if blocks:
        scaled = "scaled and turned grey" if contract.colour == "grey" else "scaled"
        where = f"`face.png` is a face crop as described above; `pixels` are a face crop that is also {scaled}."
        yield "## How to use it\n\n" + "\n\n".join([*([where] if contract.artefact else []), *blocks])


def main(artefact: cli.Model) -> None:
    """Write the model card (card.md) beside a run or an export.

    For a name of `tfaffect models` the card is printed instead: its file belongs to the installation.

    Args:
        artefact: Run folder, .keras, SavedModel, .tflite or .onnx with its model.json, or a name of `tfaffect models`.
    """
    from tfaffect.contract import read
    from tfaffect.runtimes import shipped

    given, artefact = artefact, shipped.find(artefact)
    contract = read(artefact)
    if artefact != given:
        print(compose(contract))
        return
    folder = artefact if artefact.is_dir() else artefact.parent
    if contract.scores is None and (folder / "model.keras").is_file():
        from tfaffect.export.claims import scores_of_run

        contract = replace(contract, scores=scores_of_run(folder, contract))
    print(write(contract, folder))


if __name__ == "__main__":
    cli.run(main)
