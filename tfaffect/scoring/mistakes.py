"""The most confident mistakes of a model, which may be errors of the model or of the labels."""

from typing import Any

import pandas as pd

from tfaffect.labels import CLASSES
from tfaffect.scoring.scores import PREDICTED, TOLERANCE, TRUE


def most_confident(predictions: pd.DataFrame, number: int = 10) -> list[dict[str, Any]]:
    """Return the `number` wrong predictions with the highest probability, the highest first.

    Each has the corpus and key of the record, the true class with its share of the label, and the predicted class with
    its probability. The list is empty if no record has a class, or if the model was not trained on classes.
    """
    labelled = predictions[predictions[[*TRUE]].sum(axis=1) > TOLERANCE].dropna(subset=[*PREDICTED])
    truth, answers = labelled[[*TRUE]].to_numpy(float), labelled[[*PREDICTED]].to_numpy(float)
    wrong = labelled.assign(
        truth=[CLASSES[place] for place in truth.argmax(axis=1)],
        share=truth.max(axis=1, initial=0),
        predicted=[CLASSES[place] for place in answers.argmax(axis=1)],
        probability=answers.max(axis=1, initial=0),
    ).query("truth != predicted")
    first = wrong.sort_values("probability", ascending=False, kind="stable").head(number)
    return first[["corpus", "key", "truth", "share", "predicted", "probability"]].to_dict("records")
