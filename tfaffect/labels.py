"""The label vocabulary of all records, models and exports."""

from enum import IntEnum


class Expression(IntEnum):
    """The eight expression classes of AffectNet and FER+. Every class vector in this project has this order."""

    NEUTRAL = 0
    HAPPINESS = 1
    SADNESS = 2
    SURPRISE = 3
    FEAR = 4
    DISGUST = 5
    ANGER = 6
    CONTEMPT = 7


CLASSES = tuple(expression.name.lower() for expression in Expression)
"""The class names in lower case, in that order."""

SYNONYMS = {
    "neutral": (),
    "happiness": ("happy", "joy"),
    "sadness": ("sad",),
    "surprise": ("surprised",),
    "fear": ("fearful", "afraid"),
    "disgust": ("disgusted",),
    "anger": ("angry",),
    "contempt": ("contemptuous",),
}
"""Class -> other words for it, in lower case, that tables and folders have. Each word means one class only."""

CLASS_OF_WORD = {word: name for name, others in SYNONYMS.items() for word in (name, *others)}
"""Word in lower case -> class."""

AFFECT = ("valence", "arousal")
"""The continuous dimensions of Russell's circumplex, each in [-1, 1]."""

HEADS = ("expression", *AFFECT)
"""What the network predicts. A record may have labels for all of them, for some, or for none."""

SPLITS = ("train", "validation", "test")
"""The splits. A picture that is in several of them stays in the last one only."""
