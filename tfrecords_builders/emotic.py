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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfaffect.labels import Expression
from tfrecords_builders import emotic_arrays, emotic_mat
from tfrecords_builders.base import Corpus, Face, Note, RawFolderError, Skip, in_range, unique
from tfrecords_builders.emotic_person import Person
from tfrecords_builders.raw_files import find

NO_CLASS = Skip("categories without a class, and neither valence nor arousal", intended=True)
NO_LABEL = Skip("neither a category nor valence or arousal")

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
or, as Kaggle has it, with bodies of 128 pixels, in which fewer faces are found,
    DIR/.../annots_arrs/                   annot_arrs_train.csv annot_arrs_val.csv annot_arrs_test.csv
    DIR/.../img_arrs/                      *.npy
"""
    expressions = {expression: expression for expression in Expression}
    affect_range = (1.0, 10.0)
    max_skipped = 0.6  # many people are seen from behind, or too small for a face to be found

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield every person with a body box and a class, valence or arousal. The face is detected."""
        annotations, tables = emotic_mat.find_annotations(root), emotic_arrays.find_tables(root)
        if annotations is not None:
            pictures = emotic_mat.find_pictures(root, annotations)
            if pictures is None:
                raise RawFolderError(self, root, f"{annotations} was found, but no picture folder like mscoco/.")
            people, repeated = (
                emotic_mat.people(annotations, pictures),
                "person in a picture that the split lists twice",
            )
        elif tables:
            arrays = find(root, emotic_arrays.ARRAYS)
            if arrays is None:
                raise RawFolderError(self, root, f"{tables[0]} was found, but no folder {emotic_arrays.ARRAYS}/.")
            people, repeated = emotic_arrays.people(tables, arrays, CATEGORIES), "row listed before"
        else:
            raise RawFolderError(self, root, "Neither Annotations.mat nor CVPR17_Annotations.mat was found.")
        items = (item for person in people for item in self._face(person))
        yield from unique(items, Skip(repeated, intended=True))

    def _face(self, person: Person | Skip) -> Iterator[Face | Skip | Note]:
        """The face of a person, to be detected in the body, and notes about the labels."""
        if isinstance(person, Skip):
            yield person
            return
        categories = person.categories
        affect, notes = _checked(categories, person.affect)
        expression = expression_of(categories, self.mapping)
        if expression is None and affect == [None, None]:
            yield NO_CLASS if categories and CATEGORIES.issuperset(categories) else NO_LABEL
            return
        if expression is None and len({CLASS_OF_CATEGORY.get(name) for name in categories} - {None}) > 1:
            notes.append(Note("categories of several classes: no class"))
        yield from notes
        yield Face(
            key=person.key,
            group=person.group,
            image=person.image,
            split=person.split,
            box=person.box,
            detect=True,
            expression=expression,
            valence=affect[0],
            arousal=affect[1],
            sex=person.sex,
            age=person.age,
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


def _checked(names: list[str], values: list[float | None]) -> tuple[list[float | None], list[Note]]:
    """Valence and arousal inside their range, and notes about them and the categories."""
    affect, notes = in_range(values, Emotic.affect_range)
    defects = {
        "person without categories": not names,
        "category that is not one of the 26": not CATEGORIES.issuperset(names),
        "valence or arousal missing": None in values,
    }
    return affect, [Note(defect) for defect, found in defects.items() if found] + notes
