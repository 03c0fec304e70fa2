"""The vocabulary that every record, model and export shares."""

from enum import IntEnum


class Expression(IntEnum):
    """The eight expression classes of AffectNet and FER+, in the order of every vector in this project."""

    NEUTRAL = 0
    HAPPINESS = 1
    SADNESS = 2
    SURPRISE = 3
    FEAR = 4
    DISGUST = 5
    ANGER = 6
    CONTEMPT = 7


CLASSES = tuple(expression.name.lower() for expression in Expression)
"""The class names, lower case, in vocabulary order."""

AFFECT = ("valence", "arousal")
"""The continuous dimensions, each in [-1, 1], in vocabulary order (Russell's circumplex)."""

HEADS = ("expression", *AFFECT)
"""What the network predicts, and what a record may or may not be labelled with."""

SPLITS = ("train", "validation", "test")
"""The splits, earliest first: where two hold the same picture, the later one keeps it."""
