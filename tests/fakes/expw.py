"""ExpW as it unpacks: one list for all faces, one folder of photos."""

import cv2
import numpy as np

README_ROW = "angry_actor_104.jpg 0 28 113 226 141 22.9362 0"
"""The example of the corpus's own readme: top 28, left 113, right 226, bottom 141."""

ROWS = [
    README_ROW,
    "happy two people_7.JPG 0 10 10 60 60 80.5 3",
    "sad_child_1.jpg 0 20 20 70 80 61 4",
    "sad_child_1.jpg 0 20 20 70 80 61 4",
    "happy two people_7.JPG 1 -5 80 160 75 12.25 6",
    "surprised_man_3.jpg 0 5 5 95 95 59.9 5",
    "disgust_woman_9.png 0 0 0 50 50 70 1",
    "afraid_African_214.jpg 0 30 30 30 90 15 2",
    "afraid_girl_2.jpg 0 30 30 90 90 65 2",
]
"""A row twice, two faces of a photo rows apart, a name with blanks, a box that leaves its photo, a box of no area."""


def picture(path, seed, height=160, width=240):
    """Write a photo that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8), dtype=np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(grey, (width, height)))


def write_list(root, rows=ROWS, end="\n"):
    """Write label.lst."""
    (root / "data" / "label").mkdir(parents=True, exist_ok=True)
    text = "".join(row + end for row in rows)
    (root / "data" / "label" / "label.lst").write_bytes(text.encode("utf-8", "surrogateescape"))


def write_archive(root, rows=ROWS, folder="data/image/origin"):
    """Write list and photos, and a photo that nobody labelled."""
    write_list(root, rows)
    for seed, name in enumerate(sorted({row.rsplit(" ", 7)[0] for row in rows} | {"unlabelled_1.jpg"})):
        picture(root / folder / name, seed)


def write_nested(root):
    """Write the photos unpacked into a folder of their own name, below one more folder."""
    write_archive(root / "ExpW", folder="data/image/origin/origin")


LAYOUTS = {"archive": write_archive, "nested": write_nested}
