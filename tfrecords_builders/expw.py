"""ExpW: 91,793 faces from web searches for emotions, labelled by hand.

Zhang, Luo, Loy, Tang: From Facial Expression Recognition to Interpersonal Relation Prediction, IJCV 2018. Decisions
that a researcher must know:

- A box is top, left, right, bottom, in this order.
- Every labelled face is kept, whatever the confidence of its box: many public loaders keep the first face of a photo
  only, or those with a confidence of at least 60 (33,375 rows).
- There is no official split, and papers differ. The groups are photos; nobody knows who is shown.
- A file name is the search that found it and so tells of the label: it may be a key, never an input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfaffect.labels import Expression
from tfrecords_builders.base import LEADS_OUT, Corpus, Face, RawFolderError, Skip, find, inside, unnested
from tfrecords_builders.tables import number


@dataclass(frozen=True)
class ExpW(Corpus):
    """The corpus, from label.lst and the folder of its photos."""

    min_confidence: float = 0.0
    """Least confidence of a face's box; 0 keeps every face."""

    labels = "7 classes (no contempt)"
    homepage = "http://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html"
    citation = "Zhang et al.: From Facial Expression Recognition to Interpersonal Relation Prediction, IJCV 2018"
    licence = "non-commercial research only (CUHK MMLab)"
    instructions = """
Download data/ from the homepage and unpack the parts of the archive: 7z x origin.7z.001
    DIR/.../data/label/label.lst
    DIR/.../data/image/origin/angry_actor_104.jpg ...
"""
    published = {
        "all": 91_793,
        "all/anger": 3_671,
        "all/disgust": 3_995,
        "all/fear": 1_088,
        "all/happiness": 30_537,
        "all/sadness": 10_559,
        "all/surprise": 7_060,
        "all/neutral": 34_883,
    }
    expressions = {
        "0": Expression.ANGER,
        "1": Expression.DISGUST,
        "2": Expression.FEAR,
        "3": Expression.HAPPINESS,
        "4": Expression.SADNESS,
        "5": Expression.SURPRISE,
        "6": Expression.NEUTRAL,
    }

    def faces(self, root: Path) -> Iterator[Face | Skip]:
        """Yield the face of every row of the list, photo by photo."""
        listing, folder = find(root, "label.lst", depth=5), find(root, "origin", depth=5)
        if listing is None or folder is None:
            missing = (
                "label.lst" if listing is None else "The folder origin (unpacked from origin.7z.001 and its parts)"
            )
            raise RawFolderError(self, root, f"{missing} was not found.")
        folder = unnested(folder)
        known = set()
        # A name is bytes, in any encoding: surrogates lead back to the very file.
        lines = map(str.strip, listing.read_text("utf-8-sig", errors="surrogateescape").split("\n"))
        entries = [(line.rsplit(" ", 7), place) for place, line in enumerate(lines, start=1) if line]
        for row, place in sorted(entries, key=lambda entry: (entry[0][0], entry[1])):
            if tuple(row) in known:
                yield Skip("row repeats another")
            else:
                known.add(tuple(row))
                yield self._face(folder, row, place)

    def _face(self, folder: Path, row: list[str], place: int) -> Face | Skip:
        """The face of a row: name, face, top, left, right, bottom, confidence, class; a name may have blanks."""
        if len(row) != 8 or None in map(number, row[2:7]):
            return Skip("row is not a name, a face, a box, a confidence and a class")
        name, face, *_, code = row
        top, left, right, bottom, confidence = map(number, row[2:7])
        image = inside(folder, name)
        if image is None:
            return LEADS_OUT
        if code not in self.expressions:
            return Skip("class is none of 0 to 6")
        if self.min_confidence and confidence < self.min_confidence:
            return Skip("box below min_confidence", intended=True)
        name = name.encode("utf-8", "backslashreplace").decode()
        return Face(
            key=f"{name}/{face}/{place:05d}",
            group=name,
            image=image,
            box=(left, top, right, bottom),
            expression=code,
        )
