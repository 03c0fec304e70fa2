"""What the 256 features know: classes of FER+ from few labels, and how much of the person is left in them.

    tfaffect build fer_plus --raw DIR --records R
    tfaffect build synthetic --records R
    python benchmarks/features.py micro small b1 RUN --records R

The first table is of features that stay as they are: a logistic regression on them, and the five nearest neighbours by
the cosine, learn from 10, 100 and 1,000 training faces of each class (all faces of a class that has fewer), and are
right for so many of the validation faces, as mean and standard deviation over draws. `pixels` are 16 x 16 grey pixels.

The second table is of drawn people. Closer: how often another face of the same person with another expression is closer
than a face of another person with the same expression. 50 % means that person and expression count alike; 100 % that
only the person counts. Nearest: how often the nearest other face is of the same person, and shows the same expression.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import tyro
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))

from tfaffect.labels import CLASSES
from tfaffect.records import batches
from tfaffect.records.prepared import Prepared, open_corpus
from tfaffect.runtimes.opening import open_model
from tfaffect.scoring.report import align

PIXELS = "pixels"
SIDE = 16
CLASSIFIERS = {
    "linear": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)),
    "neighbours": KNeighborsClassifier(5, metric="cosine"),
}

Describe = Callable[[np.ndarray], np.ndarray]


def main(
    models: tyro.conf.Positional[tuple[str, ...]],
    records: Path,
    labels: tuple[int, ...] = (10, 100, 1000),
    draws: int = 5,
    people: int = 40,
) -> None:
    """Print both tables.

    Args:
        models: Names of `tfaffect models`, run folders or exported files.
        records: Folder of the prepared corpora fer_plus and synthetic.
        labels: Training faces of each class.
        draws: How often the training faces are drawn.
        people: Drawn people of the second table.
    """
    probed = [["features", *(f"{kind}, {count}" for kind in CLASSIFIERS for count in labels)]]
    leaked = [["features", "closer", "nearest: same person", "nearest: same expression"]]
    fer_plus, synthetic = (open_corpus(records, name) for name in ("fer_plus", "synthetic"))
    for name in (*models, PIXELS):
        size, describe = describer(name)
        train, validation = (read(fer_plus, split, size, describe, max(labels)) for split in ("train", "validation"))
        rows = [probe(train, validation, kind, count, draws) for kind in CLASSIFIERS for count in labels]
        probed.append([name, *(f"{100 * np.mean(found):.1f} ± {100 * np.std(found):.1f}" for found in rows)])
        features, classes, persons = read(synthetic, "train", size, describe)
        chosen = np.isin(persons, np.unique(persons)[:people])
        shares = leakage(features[chosen], classes[chosen], persons[chosen])
        leaked.append([name, *(f"{100 * share:.1f} %" for share in shares)])
    print(f"{align(probed)}\n\n{align(leaked)}")


def describer(name: str) -> tuple[int, Describe]:
    """Return the side of the faces that a model takes, and the function from such faces to features (n, 256)."""
    if name == PIXELS:
        return 48, lambda pictures: np.stack([_pixels(picture) for picture in pictures])
    network = open_model(name)
    return network.contract.input_size, lambda pictures: network(pictures).embedding


def _pixels(picture: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel().astype(np.float32) - 127.5


def read(
    corpus: Prepared, split: str, size: int, describe: Describe, most: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (n, 256), classes (n,) and groups (n,) of the faces of a split that have a class.

    The class is the first one with most votes. Of the training split at most `most` faces of each class are kept.
    """
    seen, found = np.zeros(len(CLASSES), int), []
    for pictures, labels in batches.evaluation_batches(corpus, split, size, 64):
        distributions = labels["expression"].numpy()
        classes, keep = distributions.argmax(axis=1), distributions.sum(axis=1) > 0
        if split == "train" and most:
            order = [np.sum(classes[:place][keep[:place]] == own) for place, own in enumerate(classes)]
            keep &= seen[classes] + order < most
        seen += np.bincount(classes[keep], minlength=len(CLASSES))
        if keep.any():
            found.append((describe(pictures.numpy()[keep]), classes[keep], labels["group"].numpy()[keep]))
    features, classes, groups = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return features, classes, groups


def probe(train: tuple, validation: tuple, kind: str, count: int, draws: int) -> list[float]:
    """Return the accuracies of a classifier on the validation faces, for draws of `count` training faces a class."""
    (features, classes, _), (faces, expected, _) = train, validation
    found = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        own = [rng.permutation(np.flatnonzero(classes == label))[:count] for label in range(len(CLASSES))]
        chosen = np.concatenate(own)
        classifier = clone(CLASSIFIERS[kind]).fit(features[chosen], classes[chosen])
        found.append(classifier.score(faces, expected))
    return found


def leakage(features: np.ndarray, classes: np.ndarray, persons: np.ndarray) -> tuple[float, float, float]:
    """Return the three shares of the second table, for features (n, 256) with their classes (n,) and persons (n,).

    A face takes part if there are both a face of the same person with another expression, and a face of another person
    with the same expression; one of each is drawn.
    """
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    similar = unit @ unit.T
    rng, closer = np.random.default_rng(0), []
    for place, (own_class, person) in enumerate(zip(classes, persons, strict=True)):
        of_person = np.flatnonzero((persons == person) & (classes != own_class))
        of_class = np.flatnonzero((persons != person) & (classes == own_class))
        if len(of_person) and len(of_class):
            closer.append(similar[place, rng.choice(of_person)] > similar[place, rng.choice(of_class)])
    np.fill_diagonal(similar, -np.inf)
    nearest = similar.argmax(axis=1)
    return (
        float(np.mean(closer)),
        float(np.mean(persons[nearest] == persons)),
        float(np.mean(classes[nearest] == classes)),
    )


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
