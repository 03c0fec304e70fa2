"""The mistakes that a model was surest of: where to look first, at the labels as much as at the model."""

import pandas as pd

from tfaffect.labels import CLASSES
from tfaffect.scoring.scores import PREDICTED, TOLERANCE, TRUE


def most_confident(predictions: pd.DataFrame, number: int = 10) -> list[dict]:
    """Return the `number` wrong predictions with the highest probability, the surest first.

    Each has corpus and key of the record, its true class and that class's share of the label, and the class that was
    predicted with its probability. Empty where no record has a class, or the model never learned any.
    """
    labelled = predictions[predictions[[*TRUE]].sum(axis=1) > TOLERANCE].dropna(subset=[*PREDICTED])
    truth, answers = labelled[[*TRUE]].to_numpy(float), labelled[[*PREDICTED]].to_numpy(float)
    wrong = labelled.assign(
        truth=[CLASSES[place] for place in truth.argmax(axis=1)],
        share=truth.max(axis=1, initial=0),
        predicted=[CLASSES[place] for place in answers.argmax(axis=1)],
        probability=answers.max(axis=1, initial=0),
    ).query("truth != predicted")
    surest = wrong.sort_values("probability", ascending=False, kind="stable").head(number)
    return surest[["corpus", "key", "truth", "share", "predicted", "probability"]].to_dict("records")
