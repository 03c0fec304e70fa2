"""The model card: what a contract says, for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from tfaffect import cli
from tfaffect.contract import CARD, MIRRORED
from tfaffect.export.markdown import DASH, facts, percent, spell, table
from tfaffect.files import atomic
from tfaffect.labels import HEADS

if TYPE_CHECKING:
    from tfaffect.contract import Contract

NAMES = {"expression": "The classes", "valence": "Valence", "arousal": "Arousal"}

NETWORKS = {
    "efficientnet_b1": "EfficientNet-B1",
    "small": "a residual network of 1.1 million weights",
    "micro": "a residual network of 0.19 million weights",
}
"""The networks that a contract can name, in words."""

PEOPLE = {
    "affectnet": "faces from web searches in six languages",
    "afew_va": "actors in clips of films",
    "emotic": "people in scenes; the labels are of the whole person, not of the face",
    "expw": "faces from web searches for emotions",
    "fer_plus": "grey faces of 48 pixels from web searches, each labelled by ten people",
    "raf_db": "faces from the web, each labelled by about 40 people",
    "recola": "pairs of French speakers in video calls",
    "savee": "four men who act emotions while they speak",
    "semaine": "people who talk with a character that somebody else plays",
    "sewa": "people of six cultures who watch adverts and talk by video chat",
    "synthetic": "drawn faces; no person is shown",
}
"""Who is in a corpus, as its builder knows it."""

MEASURED = {
    "milliseconds": "milliseconds, this file",
    "network_milliseconds": "milliseconds, Keras",
    "faces": "validation faces it was compared on",
    "differences": "largest difference from Keras",
    "losses": "loss against Keras",
}
"""What `artefact.Measured` found, in words."""

LIMITS = """\
- **Facial expression is not felt emotion.** The labels are what others read into a face, or what an actor was told to
  show; they are not what the person felt.
- **Not for decisions on people**: not for hiring, education, policing, border control, insurance, credit, medicine, or
  lie detection, and not for watching people who did not agree to it. The law may forbid some of these where you are.
- **For research and for demonstrations** on faces whose owners agreed, where a wrong answer harms nobody.
- **The people in the corpora are no fair sample of people.** Age, sex, ethnicity, culture, cameras, light and poses are
  those of the corpora below. No figure here says how well the model does for one group of people; measure that on
  people like yours before you rely on it.
- **A class is the label that most people chose**, not the only one that fits. Acted and posed faces are plainer than
  those of every day.
- Faces that are turned away, covered, cut off, blurred or small are harder, and the face detector in front of the model
  misses some. `python -m export.verify THIS --records R --faces DIR` measures what is left on labelled photos of yours.
"""

NOTE = """\
In brackets: 95 % intervals of a bootstrap over groups (subjects, clips or photos), because the faces of one group are
not independent. UAR is the mean recall and macro F1 the mean F1, both over the classes that occur. ECE is the expected
calibration error (15 bins), CCC Lin's concordance. `python -m export.verify THIS --records R` measures them again."""


def compose(contract: Contract) -> str:
    """Return the card as Markdown. It says nothing that is not in the contract: what is missing there is a dash."""
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
    """Write the card into a folder, in the place of an earlier one, and return its path."""
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
    return "- **This model never saw a person**: all of its training faces are drawn. It shows that the chain works."


def _describe_input(contract: Contract) -> str:
    rules = {name: words for name, words in contract.input.items() if name != "name"}
    rows = [[name, str(words)] for name, words in rules.items()]
    rows += [
        ["crop_margin", f"{contract.crop_margin:g}"],
        ["height, width", f"{contract.input_size}, {contract.input_size}"],
    ]
    words = "Find the face, cut it out, scale it, and give the pixels as they are. Other crops give other answers."
    return f"## Input\n\n{words}\n\n{table(['', ''], rows)}"


def _describe_data(contract: Contract) -> str:
    rows = [[name, version, PEOPLE.get(name, DASH)] for name, version in contract.corpora.items()]
    corpora = table(["corpus", "version", "who is in it"], rows) if rows else "The contract names no corpus."
    return f"## Training data and licence\n\n{corpora}\n\n{contract.licence}"


def _describe_figures(contract: Contract) -> Iterator[str]:
    if contract.scores is None:
        yield "None: these weights were not scored, or not since they were calibrated."
        return
    from tfaffect.export.claims import SCORED

    protocol = {name: words for name, words in contract.scores.get("protocol", {}).items() if words != ""}
    yield table(["protocol", ""], [[name, str(words)] for name, words in protocol.items()])
    scored = {head: contract.scores.get(head) for head in HEADS}
    rows = [
        [title, spell(title, scored[head].get(name)), f"{scored[head]['n']:,}"]
        for title, (head, name) in SCORED.items()
        if scored[head]
    ]
    yield table(["figure", "value", "faces"], rows)
    for head in (head for head in HEADS if not scored[head]):
        yield f"{NAMES[head]}: {DASH}; {_why_not(contract, head)}."
    if classes := (scored["expression"] or {}).get("classes"):
        rows = [
            [name, *(percent(row[figure]) for figure in ("precision", "recall", "f1")), f"{row['support']:,}"]
            for name, row in classes.items()
        ]
        yield table(["class", "precision", "recall", "F1", "faces"], rows)
    yield NOTE


def _why_not(contract: Contract, head: str) -> str:
    return "these records have too few labels of it" if head in contract.trained else "it was never trained"


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
            f"Expected calibration error: {percent(ece['before'])} before; {percent(ece['after'])} after, each half of "
            "the faces under the temperature that the other half gave."
        )
    else:
        yield "The classes have no temperature: they were not learned, or the faces have no labels of them."
    for name, width in found["half_width"].items():
        if width is None:
            yield f"{NAMES[name]}: no interval; {_why_not(contract, name)}."
        else:
            coverage = f"{100 * found['coverage']:g} % of faces like these (split conformal prediction)"
            yield f"{NAMES[name]}: the prediction ± {width:.3f} holds the truth for {coverage}."
    if rows := found.get("abstain"):
        yield "Where no class is given below a top probability, so many faces get one, and it is right so often:"
        shares = [[f"{row['threshold']:g}", percent(row["share"]), percent(row["accuracy"])] for row in rows]
        yield table(["top probability", "faces with a class", "accuracy on these"], shares)


def _describe_artefact(contract: Contract) -> Iterator[str]:
    if contract.artefact:
        known = {MEASURED.get(name, name): value for name, value in contract.artefact.items()}
        words = (
            "As the exporter measured it before it was written; times are of one face, on the machine that exported."
        )
        yield f"## This file\n\n{words}\n\n{table(['', ''], facts(known))}"


def _describe_use(contract: Contract) -> Iterator[str]:
    from tfaffect.export.snippets import snippets

    blocks = [f"{title}:\n\n```{kind}\n{code}```" for title, (kind, code) in snippets(contract).items()]
    if blocks:
        where = "`face.png` is a face that was cut out as above; `pixels` are of one that was scaled as above too."
        yield "## How to use it\n\n" + "\n\n".join([*([where] if contract.artefact else []), *blocks])


def main(artefact: tyro.conf.Positional[Path]) -> None:
    """Write the model card of a run or an export anew, beside it.

    Args:
        artefact: Run folder, .keras, SavedModel, .tflite or .onnx with its model.json.
    """
    from tfaffect.contract import read

    contract = read(artefact)
    folder = artefact if artefact.is_dir() else artefact.parent
    if contract.scores is None and (folder / "model.keras").is_file():
        from tfaffect.export.claims import scores_of_run

        contract = replace(contract, scores=scores_of_run(folder, contract))
    print(write(contract, folder))


if __name__ == "__main__":
    cli.run(main)
