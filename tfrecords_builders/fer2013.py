"""FER2013: the 35,887 faces of the Kaggle challenge, each with one class.

Goodfellow et al.: Challenges in Representation Learning, ICONIP 2013. `emotion` has the codes of the challenge's page.
FER+ labelled the same faces again, by ten people each, and its authors call that better ground truth. So `fer_plus` is
the better corpus wherever its table of votes can be had. Both have the same faces: train on one of them.

The two can only be joined by the order of the rows. Copies with class folders, for example msambare/fer2013, have lost
that order, and their pixels went through JPEG. So no votes can be joined with them; corpus `folder` reads them.
"""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from tfaffect.labels import Expression
from tfrecords_builders.base import Corpus, Face, Note, RawFolderError, Skip, class_counts
from tfrecords_builders.fer_plus import SPLIT_OF_USAGE, Pixels, grey_picture
from tfrecords_builders.raw_files import find
from tfrecords_builders.tables import number, rows

TABLES = ("fer2013.csv", "icml_face_data.csv", "train.csv")
VOTES = "fer2013new.csv"
CODES = tuple(map(Expression, (6, 5, 4, 1, 2, 3, 0)))  # anger, disgust, fear, happiness, sadness, surprise, neutral
COUNTS = (
    ("train", (3_995, 436, 4_097, 7_215, 4_830, 3_171, 4_965)),
    ("validation", (467, 56, 496, 895, 653, 415, 607)),
    ("test", (491, 55, 528, 879, 594, 416, 626)),
)
"""The published number of faces of each class, in the order of CODES."""


class Fer2013(Corpus):
    """The corpus, from fer2013.csv or another table of its faces."""

    labels = "7 classes, one label a face"
    homepage = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
    citation = "Goodfellow et al., ICONIP 2013, arXiv:1307.0414"
    licence = "terms of the Kaggle challenge of 2013"
    instructions = """
corpus fer_plus is better where its votes can be had: the same faces, labelled
again by ten people each. Build and train on one of the two.
Faces: https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge/data
    DIR/.../fer2013.csv     emotion,pixels,Usage (or icml_face_data.csv)
or  DIR/.../train.csv       emotion,pixels: the training faces; splits are drawn
Votes cannot be joined with copies that have class folders: the order of the
faces is lost there, and JPEG changed their pixels. Corpus folder reads them.
"""
    crop_margin = 0.0  # as FER+, whose faces they are
    expressions = dict(enumerate(CODES))
    published = {
        key: count
        for split, counts in COUNTS
        for key, count in {split: sum(counts), **class_counts(split, CODES, counts)}.items()
    }

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield the face of every row with a class and 48 x 48 grey values. Equal pixels are one group."""
        if (table := find(root, *TABLES)) is None:
            raise RawFolderError(self, root, f"None of {', '.join(TABLES)} was found.")
        advice = "that table is here" if find(root, VOTES) else "if you can get them"
        yield Note(f"one label a face; corpus fer_plus has the votes of ten people for the same faces, {advice}")
        has_usage = False
        for place, row in enumerate(rows(table, ("emotion", "pixels"))):
            usage, code = row.get("Usage", ""), number(row.get("emotion"))
            has_usage |= bool(usage)
            if has_usage and usage not in SPLIT_OF_USAGE:
                yield Skip("Usage is none of Training, PublicTest and PrivateTest")
            elif code is None or code not in self.expressions:
                yield Skip("emotion is not a code from 0 to 6")
            elif (grey := grey_picture(row.get("pixels", ""))) is None:
                yield Skip("pixels are not 48 x 48 grey values")
            else:
                yield Face(
                    key=f"{place:05d}",
                    group=blake2b(grey, digest_size=12).hexdigest(),
                    image=Pixels(grey),
                    split=SPLIT_OF_USAGE.get(usage),
                    expression=int(code),
                )
        if not has_usage:
            yield Note("no Usage: splits are drawn, and the official ones are lost")
