"""A cross-entropy of class indices with label smoothing, which Keras 3.15 has for rows of 0 and 1 alone."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from study.training.keras_internals import with_mask


class SmoothedSparseCategoricalCrossentropy(keras.losses.SparseCategoricalCrossentropy):  # type: ignore[misc]
    """Cross-entropy of class indices, with label smoothing.

    The target of the right class is 1 - s + s/n, that of each other class s/n, with n classes (Szegedy et al.,
    "Rethinking the Inception architecture for computer vision", CVPR 2016, section 7). Without smoothing it computes
    what `keras.losses.SparseCategoricalCrossentropy` computes, and otherwise what
    `keras.losses.CategoricalCrossentropy` computes for rows of 0 and 1.

    Attributes:
        label_smoothing: The smoothing s. Any number that can be subtracted from 1 and multiplied by an array will do.

    Args:
        from_logits: The outputs are logits, otherwise probabilities. Default False.
        ignore_class: Index of a class whose examples do not count. None (the default): all examples count.
        reduction: The reduction over a batch, as for every loss of Keras. Default `sum_over_batch_size`.
        axis: Axis of the classes: the last one, -1. Default -1.
        name: Name of the loss. Default `sparse_categorical_crossentropy`.
        dtype: Type of the computation. None (the default): Keras's own.
        label_smoothing: The smoothing s, at least 0 and below 1. Default 0.

    Raises:
        ValueError: `label_smoothing` or `axis` is out of its range.
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        label_smoothing: float = 0.0,
    ) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"label_smoothing={label_smoothing}: expected a number of at least 0 and below 1. Set 0 for none."
            )
        if axis != -1:
            raise ValueError(f"axis={axis}: expected -1, since classes are on the last axis here. Move the axis.")
        super().__init__(
            from_logits=from_logits, ignore_class=ignore_class, reduction=reduction, name=name, dtype=dtype
        )
        self.label_smoothing = float(label_smoothing)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example.

        Args:
            y_true: Class indices, shape (n, ...) or (n, ..., 1).
            y_pred: Outputs, shape (n, ..., n_classes).

        Returns:
            The losses, shape (n, ...); 0 where the class is ignored.
        """
        if not self.label_smoothing:
            return super().call(y_true, y_pred)
        classes = ops.squeeze(y_true, axis=-1) if len(y_true.shape) == len(y_pred.shape) else y_true
        if self.ignore_class is None:
            return self._smoothed(classes, y_pred)
        counts = ops.not_equal(classes, ops.cast(self.ignore_class, classes.dtype))
        # An output that does not count may be anything, also infinite. Equal outputs have finite losses and gradients.
        outputs = ops.where(ops.expand_dims(counts, -1), y_pred, ops.ones_like(y_pred))
        losses = self._smoothed(ops.where(counts, classes, ops.zeros_like(classes)), outputs)
        return with_mask(ops.where(counts, losses, ops.zeros_like(losses)), counts)

    def _smoothed(self, classes: Any, y_pred: Any) -> Any:
        n_classes = y_pred.shape[-1]
        targets = ops.one_hot(ops.cast(classes, "int32"), n_classes, dtype=y_pred.dtype)
        smoothed = targets * (1.0 - self.label_smoothing) + self.label_smoothing / n_classes
        return ops.categorical_crossentropy(smoothed, y_pred, from_logits=self.from_logits)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras rebuilds the loss."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
