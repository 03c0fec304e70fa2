"""ExpW: 91,793 faces from web searches for emotions, labelled by people.

Zhang, Luo, Loy, Tang: From Facial Expression Recognition to Interpersonal Relation Prediction, IJCV 2018. Decisions
that a researcher must know:

- A box is top, left, right, bottom, in this order.
- Every labelled face is kept, at any confidence of its box. Many public loaders keep only the first face of a photo, or
  only faces with a confidence of at least 60 (33,375 rows).
- There is no official split, and papers differ. The groups are photos, because the people are not known.
- A file name is the search that found the photo, so it reveals the label. It may be a key, but never an input.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfaffect.labels import Expression
from tfrecords_builders.base import OUTSIDE_RAW, Corpus, Face, Skip, class_counts
from tfrecords_builders.raw_files import innermost, path_below
from tfrecords_builders.tables import number


@dataclass(frozen=True)
class ExpW(Corpus):
    """The corpus, from label.lst and the folder of its photos."""

    min_confidence: float = 0.0
    """Smallest confidence of a face's box; 0 keeps every face."""

    labels = "7 classes (no contempt)"
    homepage = "http://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html"
    citation = "Zhang et al.: From Facial Expression Recognition to Interpersonal Relation Prediction, IJCV 2018"
    licence = "non-commercial research only (CUHK MMLab)"
    instructions = """
Download data/ from the homepage and unpack the parts of the archive of photos: 7z x origin.7z.001
    DIR/.../data/label/label.lst
    DIR/.../data/image/origin/angry_actor_104.jpg ...
"""
    expressions = {
        "0": Expression.ANGER,
        "1": Expression.DISGUST,
        "2": Expression.FEAR,
        "3": Expression.HAPPINESS,
        "4": Expression.SADNESS,
        "5": Expression.SURPRISE,
        "6": Expression.NEUTRAL,
    }
    published = {"all": 91_793} | class_counts(
        "all", expressions.values(), (3_671, 3_995, 1_088, 30_537, 10_559, 7_060, 34_883)
    )

    def faces(self, root: Path) -> Iterator[Face | Skip]:
        """Yield the face of every row of the list, photo by photo."""
        listing, folder = self.require(root, "label.lst", depth=5), innermost(self.require(root, "origin", depth=5))
        known = set()
        # A name is bytes in any encoding. Surrogates keep these bytes, so that the file is found.
        lines = map(str.strip, listing.read_text("utf-8-sig", errors="surrogateescape").split("\n"))
        entries = [(line.rsplit(" ", 7), place) for place, line in enumerate(lines, start=1) if line]
        for row, place in sorted(entries, key=lambda entry: (entry[0][0], entry[1])):
            if tuple(row) in known:
                yield Skip("row listed before", intended=True)
            else:
                known.add(tuple(row))
                yield self._face(folder, row, place)

    def _face(self, folder: Path, row: list[str], place: int) -> Face | Skip:
        """The face of a row: name, face, top, left, right, bottom, confidence, class. A name may have blanks."""
        numbers = [value for cell in row[2:7] if (value := number(cell)) is not None]
        if len(row) != 8 or len(numbers) != 5:
            return Skip("row is not a name, a face, a box, a confidence and a class")
        name, face, code = row[0], row[1], row[7]
        top, left, right, bottom, confidence = numbers
        image = path_below(folder, name)
        if image is None:
            return OUTSIDE_RAW
        if code not in self.expressions:
            return Skip("class is not in 0 to 6")
        if self.min_confidence and confidence < self.min_confidence:
            return Skip("box below --min-confidence", intended=True)
        name = name.encode("utf-8", "backslashreplace").decode()
        return Face(
            key=f"{name}/{face}/{place:05d}",
            group=name,
            image=image,
            box=(left, top, right, bottom),
            expression=code,
        )
