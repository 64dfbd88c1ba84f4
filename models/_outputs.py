"""Metrics of the outputs of a regression, independent of the targets' values: the mean and the spread."""

from __future__ import annotations

from typing import Any

import keras


class _OutputMoments(keras.metrics.Metric):  # type: ignore[misc]
    """Sums over outputs and targets; flattened, and without weights of examples."""

    def __init__(self, name: str, **arguments: Any) -> None:
        super().__init__(name=name, **arguments)
        self._sums = [
            self.add_weight(name=part, initializer="zeros")
            for part in ("n", "outputs", "squares", "targets", "products")
        ]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Add a batch."""
        target = keras.ops.reshape(keras.ops.cast(y_true, self.dtype), (-1,))
        output = keras.ops.reshape(keras.ops.cast(y_pred, self.dtype), (-1,))
        terms = (keras.ops.ones_like(output), output, output * output, target, output * target)
        for total, term in zip(self._sums, terms, strict=True):
            total.assign(total + keras.ops.sum(term))


class OutputMean(_OutputMoments):
    """The mean of the outputs. For a line over x with mean 0, it is the intercept."""

    def result(self) -> Any:
        """Return the mean."""
        n, outputs, *_ = self._sums
        return outputs / n


class OutputSpread(_OutputMoments):
    """The standard deviation of the outputs, negative where they fall while the targets rise.

    For a line over x, it is the slope times the standard deviation of x.
    """

    def result(self) -> Any:
        """Return the deviation with its sign."""
        n, outputs, squares, targets, products = self._sums
        variance = squares / n - (outputs / n) ** 2
        together = products / n - (outputs / n) * (targets / n)
        return keras.ops.sign(together) * keras.ops.sqrt(keras.ops.maximum(variance, 0.0))
