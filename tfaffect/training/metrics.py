"""Streaming metrics over the existing labels; each equals its value over the complete set, for any batch size."""

from typing import Any

import keras
from keras import ops

from tfaffect.training.replicas import replica, replicas


@keras.saving.register_keras_serializable("tfaffect.training.metrics")
class Accuracy(keras.metrics.Metric):
    """Fraction of the labelled faces whose most probable class is the one with most votes; NaN without any."""

    def __init__(self, classes: int = 8, name: str = "accuracy", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.confusion = self.add_weight(shape=(classes, classes), initializer="zeros", name="confusion")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add distributions (batch, classes), logits (batch, classes) and weights (batch,)."""
        true = ops.one_hot(ops.argmax(y_true, axis=-1), self.classes)
        predicted = ops.one_hot(ops.argmax(y_pred, axis=-1), self.classes)
        if sample_weight is not None:
            true = true * ops.cast(sample_weight, true.dtype)[:, None]
        self.confusion.assign_add(ops.matmul(ops.transpose(true), predicted))

    def result(self) -> Any:
        """Return the trace of the confusion matrix divided by its sum."""
        return ops.trace(self.confusion) / ops.sum(self.confusion)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable("tfaffect.training.metrics")
class UnweightedAverageRecall(Accuracy):
    """Mean recall over the classes with a labelled face (UAR, also called balanced accuracy); NaN without any."""

    def __init__(self, classes: int = 8, name: str = "uar", **kwargs) -> None:
        super().__init__(classes, name=name, **kwargs)

    def result(self) -> Any:
        """Return the mean of diagonal / row sum over the rows with a face."""
        faces = ops.sum(self.confusion, axis=1)
        recall = ops.diagonal(self.confusion) / ops.maximum(faces, 1e-12)
        return ops.sum(recall) / ops.sum(ops.cast(faces > 0, recall.dtype))


@keras.saving.register_keras_serializable("tfaffect.training.metrics")
class ConcordanceCorrelation(keras.metrics.Metric):
    """CCC (Lin 1989) over the complete set: 2 cov / (var + var + (mean - mean)^2), in [-1, 1].

    It merges the centred moments of the batches (Chan, Golub, LeVeque 1983), which keeps float32 exact to about 1e-6
    over millions of faces; plain sums of squares lose digits. tf.distribute sums the variables of all replicas, which
    is wrong for moments. So every replica writes to its own row, and the sum holds all rows.
    """

    def __init__(self, name: str = "ccc", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        rows = replicas()
        self.count = self.add_weight(shape=(rows,), initializer="zeros", name="count")
        self.means = self.add_weight(shape=(rows, 2), initializer="zeros", name="means")
        self.scatter = self.add_weight(shape=(rows, 2, 2), initializer="zeros", name="scatter")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add targets (batch,), predictions (batch,) and weights (batch,)."""
        pairs = ops.stack([ops.cast(y_true, self.dtype), ops.cast(y_pred, self.dtype)], axis=-1)
        weight = ops.ones_like(pairs[:, 0]) if sample_weight is None else ops.cast(sample_weight, self.dtype)
        count = ops.sum(weight)
        means = ops.sum(pairs * weight[:, None], axis=0) / ops.where(count > 0, count, 1.0)
        centred = (pairs - means) * ops.sqrt(weight)[:, None]
        row = ops.one_hot(replica(), self.count.shape[0], dtype=self.dtype)
        before = ops.sum(self.count * row)
        shift = means - ops.matmul(row, self.means)
        share = count / ops.where(before + count > 0, before + count, 1.0)
        scatter = ops.matmul(ops.transpose(centred), centred) + ops.outer(shift, shift) * before * share
        self.scatter.assign_add(row[:, None, None] * scatter)
        self.means.assign_add(ops.outer(row, shift * share))
        self.count.assign_add(row * count)

    def result(self) -> Any:
        """Return the CCC: 0 when targets and predictions are constant, NaN before the first face."""
        total = ops.sum(self.count)
        means = ops.matmul(self.count, self.means) / total
        shifts = (self.means - means) * ops.sqrt(self.count)[:, None]
        covariances = (ops.sum(self.scatter, axis=0) + ops.matmul(ops.transpose(shifts), shifts)) / total
        spread = ops.trace(covariances) + ops.square(means[0] - means[1])
        return 2 * covariances[0, 1] / ops.where(spread == 0, 1.0, spread)


@keras.saving.register_keras_serializable("tfaffect.training.metrics")
class RootMeanSquaredError(keras.metrics.Metric):
    """Root mean squared error over the complete set, in units of valence and arousal; NaN before the first face."""

    def __init__(self, name: str = "rmse", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.squares = self.add_weight(shape=(), initializer="zeros", name="squares")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add targets (batch,), predictions (batch,) and weights (batch,)."""
        squares = ops.square(ops.cast(y_pred, self.dtype) - ops.cast(y_true, self.dtype))
        weight = ops.ones_like(squares) if sample_weight is None else ops.cast(sample_weight, self.dtype)
        self.squares.assign_add(ops.sum(squares * weight))
        self.count.assign_add(ops.sum(weight))

    def result(self) -> Any:
        """Return the root of the mean squared error."""
        return ops.sqrt(self.squares / self.count)
