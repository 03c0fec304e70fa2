"""EMOTIC: people in scenes, with 26 categories of emotion, valence, arousal and dominance.

Kosti, Alvarez, Recasens, Lapedriza: Emotion Recognition in Context, CVPR 2017, and Context Based Emotion Recognition
using EMOTIC Dataset, TPAMI 2019. In train, each person has one annotator. In validation and test there are several, and
`combined_categories` (their union) and `combined_continuous` (their mean) are read. All boxes are of bodies, so faces
are detected. Many people show no face: far fewer records than annotations are normal. The release of 2019 has 34,320
persons (23,706 train, 3,334 validation, 7,280 test), that of 2017 has 23,788. If both are there, the later is read.

The categories are no facial expressions, and a person may have many. The rule `tfaffect` (the default) maps them:

    happiness  HAPPINESS, Affection, Pleasure, Excitement       fear      FEAR
    sadness    SADNESS, Suffering                               disgust   AVERSION
    surprise   SURPRISE                                         anger     ANGER, Annoyance
    neutral    Peace                                            contempt  Disapproval
    nothing    Anticipation, Confidence, Disconnection, Disquietment, Doubt/Confusion, Embarrassment, Engagement,
               Esteem, Fatigue, Pain, Sensitivity, Sympathy, Yearning

If all categories of a person map to one class, the person has that class. Otherwise only the categories in capitals
count, because they name a class and do not only suggest it: if these map to one class, the person has it. Otherwise
there is no class, and the person keeps valence and arousal. Categories are not counted as votes, because four synonyms
from one annotator would win against one plain word. The six have no priority either, because no annotator chose one.

Disapproval is contempt because the owners define it, and no other category, with that word ("reprehensible; contempt;
hostile"). Disquietment is no class: the owners define it from "anxious" over "upset" to "pressured", and only a part
of that is fear. Suffering is emotional pain and sadness; Pain is physical. Peace, "relaxed; no worry", is the category
that is nearest to neutral.

The rule `original` is that of the PyTorch project that this one continues. Among the first three categories, the first
in capitals above decides, and otherwise the first that has a class. Suffering has none, Disconnection is sadness, and
Yearning is anger. Only the rule is the same: that project read only pictures of one person, each with a class.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tfaffect.errors import UsageError
from tfaffect.labels import Expression
from tfrecords_builders.base import OUTSIDE_RAW, Box, Corpus, Face, Note, RawFolderError, Skip, in_range, unique
from tfrecords_builders.raw_files import find, path_below

SPLIT_OF_TABLE = {"train": "train", "val": "validation", "test": "test"}
FOLDER_OF_FILE = {"annotations.mat": "emotic", "cvpr17_annotations.mat": "cvpr_emotic"}  # the later release first
SOURCES = ("mscoco", "framesdb", "emodb_small", "ade20k")
PICTURE_FIELDS = {"filename", "folder", "person"}

NAMED = {
    "Happiness": Expression.HAPPINESS,
    "Sadness": Expression.SADNESS,
    "Surprise": Expression.SURPRISE,
    "Fear": Expression.FEAR,
    "Aversion": Expression.DISGUST,
    "Anger": Expression.ANGER,
}
SUGGESTED_BY_BOTH = {
    "Affection": Expression.HAPPINESS,
    "Pleasure": Expression.HAPPINESS,
    "Excitement": Expression.HAPPINESS,
    "Annoyance": Expression.ANGER,
    "Disapproval": Expression.CONTEMPT,
    "Peace": Expression.NEUTRAL,
}
CLASS_OF_CATEGORY = NAMED | SUGGESTED_BY_BOTH | {"Suffering": Expression.SADNESS}
ORIGINAL = NAMED | SUGGESTED_BY_BOTH | {"Disconnection": Expression.SADNESS, "Yearning": Expression.ANGER}
CATEGORIES = {
    *(CLASS_OF_CATEGORY | ORIGINAL),
    *("Anticipation", "Confidence", "Disquietment", "Doubt/Confusion", "Embarrassment", "Engagement", "Esteem"),
    *("Fatigue", "Pain", "Sensitivity", "Sympathy"),
}


@dataclass(frozen=True)
class Emotic(Corpus):
    """The corpus, from the annotation file and the pictures of either release."""

    mapping: Literal["tfaffect", "original"] = "tfaffect"
    """Rule that maps the 26 categories to a class: our own, or that of the original PyTorch project (see emotic.py)."""

    labels = "26 categories mapped to 8 classes, valence, arousal"
    homepage = "https://github.com/rkosti/emotic"
    citation = "Kosti et al., CVPR 2017, and Context Based Emotion Recognition using EMOTIC Dataset, TPAMI 2019"
    licence = "non-commercial research and education, on request"
    instructions = """
Request access with the form that is linked at https://github.com/rkosti/emotic. Unpack the pictures, and put the
annotation file of the same release below one folder, as
    DIR/.../Annotations/Annotations.mat    release of 2019 (PAMI)
    DIR/.../emotic/                        ade20k/images/ emodb_small/images/ framesdb/images/ mscoco/images/
or
    DIR/.../CVPR17_Annotations.mat         release of 2017 (CVPR)
    DIR/.../cvpr_emotic/                   ade20k/images/ emodb_small/images/ mscoco/images/
"""
    expressions = {expression: expression for expression in Expression}
    affect_range = (1.0, 10.0)
    max_skipped = 0.6  # many people are seen from behind, or too small for a face to be found

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield every person with a body box and a class, valence or arousal. The face is detected."""
        annotations = find(root, *FOLDER_OF_FILE)
        if annotations is None:
            raise RawFolderError(self, root, "Neither Annotations.mat nor CVPR17_Annotations.mat was found.")
        pictures = _pictures(root, annotations)
        if pictures is None:
            raise RawFolderError(self, root, f"{annotations} was found, but no picture folder like mscoco/.")
        tables = _tables(annotations).items()
        people = (found for split, items in tables for item in items for found in self._people(item, split, pictures))
        yield from unique(people, Skip("person in a picture that the split lists twice"))

    def _people(self, item: Any, split: str, pictures: Path) -> Iterator[Face | Skip | Note]:
        picture = _path(pictures, item)
        people = _items(item.person)
        if not people:
            yield Skip("picture without a person")
        for number, person in enumerate(people):
            box = _box(getattr(person, "body_bbox", ()))
            if picture is None or box is None:
                yield OUTSIDE_RAW if picture is None else Skip("body box is not four numbers, or has no area")
                continue
            categories, affect, notes = _annotation(person)
            expression = expression_of(categories, self.mapping)
            if expression is None and affect == [None, None]:
                yield Skip("neither a class nor valence or arousal")
                continue
            if expression is None and len({CLASS_OF_CATEGORY.get(name) for name in categories} - {None}) > 1:
                notes.append(Note("categories of several classes: no class"))
            yield from notes
            name = picture.relative_to(pictures).as_posix()
            yield Face(
                key=f"{split}/{name}/{number}",
                group=name,
                image=picture,
                split=split,
                box=box,
                detect=True,
                expression=expression,
                valence=affect[0],
                arousal=affect[1],
                sex=_text(getattr(person, "gender", "")),
                age=_text(getattr(person, "age", "")),
            )


def expression_of(categories: Sequence[str], mapping: str) -> Expression | None:
    """Return the class of a person with ordered `categories` by the rule `mapping`, or None."""
    if mapping == "original":
        first = categories[:3]
        return next((table[name] for table in (NAMED, ORIGINAL) for name in first if name in table), None)
    for table in (CLASS_OF_CATEGORY, NAMED):
        classes = {table[name] for name in categories if name in table}
        if len(classes) == 1:
            return classes.pop()
    return None


def _tables(annotations: Path) -> dict[str, list]:
    """Read the pictures of every split. Raises UsageError for a file that is unreadable or not EMOTIC's."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        tables = loadmat(annotations, squeeze_me=True, struct_as_record=False)
    except NotImplementedError as error:
        raise UsageError(
            f"{annotations} is in MATLAB's format 7.3, which SciPy does not read. Save it in format 7 with MATLAB: "
            f"s = load('{annotations.name}'); save('{annotations.name}', '-struct', 's', '-v7')"
        ) from error
    except (MatReadError, OSError, ValueError, TypeError, IndexError, zlib.error) as error:
        raise UsageError(f"{annotations} cannot be read as a MATLAB file: {error}. Download it again.") from error
    received = sorted(name for name in tables if not name.startswith("__"))
    if missing := sorted(set(SPLIT_OF_TABLE) - set(received)):
        raise UsageError(f"{annotations} lacks the variables {missing}. Received: {received}.")
    found = {split: _items(tables[name]) for name, split in SPLIT_OF_TABLE.items()}
    for split, items in found.items():
        fields = getattr(items[0], "_fieldnames", []) if items else PICTURE_FIELDS
        if missing := sorted(PICTURE_FIELDS - set(fields)):
            raise UsageError(f"{annotations}: the pictures of {split} lack the fields {missing}. Received: {fields}.")
    return found


def _pictures(root: Path, annotations: Path) -> Path | None:
    """The folder that holds mscoco/ or another source: in the release's folder near the annotations, or anywhere."""
    for place in (annotations.parent, annotations.parent.parent, root):
        if place.is_relative_to(root):
            own = find(place, FOLDER_OF_FILE[annotations.name.lower()])
            if source := find(own or place, *SOURCES):
                return source.parent
    return None


def _path(pictures: Path, item: Any) -> Path | None:
    folder, name = _text(item.folder), _text(item.filename)
    below = path_below(pictures, folder) if folder else pictures
    return below and path_below(below, name)


def _annotation(person: Any) -> tuple[list[str], list[float | None], list[Note]]:
    """Categories in their order, valence and arousal, and notes about them."""
    if "combined_categories" in person._fieldnames:
        categories, continuous = person.combined_categories, _items(getattr(person, "combined_continuous", ()))
    else:
        annotator = _items(getattr(person, "annotations_categories", ()))[:1]
        categories = getattr(annotator[0], "categories", ()) if annotator else ()
        continuous = _items(getattr(person, "annotations_continuous", ()))
    names = [_text(name) for name in _items(categories)]
    values = [_number(getattr(continuous[0], name, None)) if continuous else None for name in ("valence", "arousal")]
    affect, notes = in_range(values, Emotic.affect_range)
    defects = {
        "person without categories": not names,
        "category that is not one of the 26": not CATEGORIES.issuperset(names),
        "valence or arousal missing": None in values,
    }
    return names, affect, [Note(defect) for defect, found in defects.items() if found] + notes


def _items(value: Any) -> list[Any]:
    """A list of what SciPy returns for no, one or several structs or texts."""
    return np.atleast_1d(value).ravel().tolist()


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    try:
        number = float(np.squeeze(value))
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _box(value: Any) -> Box | None:
    """The box, which a score may follow; None when at most one pixel of it is in the picture."""
    try:
        corners = np.asarray(value, float).ravel()[:4]
    except (TypeError, ValueError):
        return None
    if corners.size < 4 or not np.isfinite(corners).all():
        return None
    sides = corners[2:] - np.maximum(corners[:2], 0)
    left, top, right, bottom = corners.tolist()
    return (left, top, right, bottom) if (sides > 0).all() and sides.prod() > 1 else None
