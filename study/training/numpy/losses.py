"""Losses and their gradients in NumPy, averaged as in Keras: over outputs, then over examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from study.config.instantiate import Section
from study.config.losses import keras_loss
from study.core.errors import StudyError
from study.training.numpy.network import Array, sigmoid, softmax

# Keras clips probabilities to this distance from 0 and 1 before it takes their logarithm (keras.config.epsilon).
_EPSILON = 1e-7
# Arguments of Keras's losses that have no effect at these values.
_IDLE: Mapping[str, tuple[Any, ...]] = {
    "label_smoothing": (0, 0.0, None),
    "axis": (-1, None),
    "ignore_class": (None,),
    "reduction": ("sum_over_batch_size",),
    "dtype": (None, "float32"),
}


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss and its gradient.

    Attributes:
        values: Returns the loss of each example, shape (n,), for targets and outputs, (n, n_outputs).
        gradient: Returns the gradient of the mean over examples with respect to the outputs, shape (n, n_outputs).
        indices: True if targets are class indices, one for each example. Default False.
    """

    values: Callable[[Array, Array], Array]
    gradient: Callable[[Array, Array], Array]
    indices: bool = False

    def targets(self, y: Array, *, n_outputs: int, dtype: Any) -> Array:
        """Return targets in the shape of the outputs, (n, n_outputs): class indices as rows with a single 1.

        Args:
            y: The data set's own targets, shape (n, ...).
            n_outputs: Width of the output.
            dtype: Type of the returned array.
        """
        if self.indices:
            return np.eye(n_outputs, dtype=dtype)[y.reshape(-1).astype(np.intp)]
        return y.reshape(len(y), -1).astype(dtype)


def read_loss(section: Section) -> Loss:
    """Return the loss that a section names.

    Args:
        section: `_target_`, a class of keras.losses, and its arguments.

    Raises:
        StudyError: The loss, or one of its arguments, is not written out here.
    """
    target = str(section["_target_"])
    name = keras_loss(section)
    if name not in _LOSSES:
        raise StudyError(
            f"trainer=numpy dataset.task.loss._target_={target}: expected one whose gradient is written out in NumPy: "
            f"{', '.join(f'keras.losses.{known}' for known in _LOSSES)}. Choose one of them, or trainer=fit."
        )
    for key, value in section.items():
        is_smoothing = key == "label_smoothing" and name in _SMOOTHED
        if key in _IDLE and value not in _IDLE[key] and not is_smoothing:
            raise StudyError(
                f"trainer=numpy dataset.task.loss.{key}={value}: expected {_IDLE[key][0]}, since no other value is "
                "written out in NumPy. Leave it out, or choose trainer=fit."
            )
    plain = _LOSSES[name](bool(section.get("from_logits", False)))
    return _smoothed(plain, float(section.get("label_smoothing") or 0.0)) if name in _SMOOTHED else plain


def _smoothed(loss: Loss, smoothing: float) -> Loss:
    """Return a loss of n classes whose targets y become (1 - s) y + s / n."""
    if not smoothing:
        return loss

    def smooth(y: Array) -> Array:
        smoothed: Array = y * y.dtype.type(1 - smoothing) + y.dtype.type(smoothing / y.shape[-1])
        return smoothed

    return replace(
        loss,
        values=lambda y, a: loss.values(smooth(y), a),
        gradient=lambda y, a: loss.gradient(smooth(y), a),
    )


def _squared(_from_logits: bool) -> Loss:
    """Return (a - y)^2; its gradient is 2 (a - y) / (n n_outputs)."""
    return Loss(
        values=lambda y, a: ((a - y) ** 2).mean(axis=-1),
        gradient=lambda y, a: (a - y) * a.dtype.type(2 / a.size),
    )


def _binary(from_logits: bool) -> Loss:
    """Return -y log p - (1 - y) log(1 - p).

    With p the sigmoid of the output z it is max(z, 0) - z y + log(1 + exp(-|z|)), its gradient p - y.
    """
    if from_logits:
        return Loss(
            values=lambda y, z: (np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))).mean(axis=-1),
            gradient=lambda y, z: (sigmoid(z) - y) / z.dtype.type(z.size),
        )

    def values(y: Array, a: Array) -> Array:
        p = np.clip(a, _EPSILON, 1 - _EPSILON)
        mean: Array = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=-1)
        return mean

    def gradient(y: Array, a: Array) -> Array:
        p = np.clip(a, _EPSILON, 1 - _EPSILON)
        slope: Array = _where_kept(a, (p - y) / (p * (1 - p))) / a.dtype.type(a.size)
        return slope

    return Loss(values=values, gradient=gradient)


def _categorical(from_logits: bool, *, indices: bool = False) -> Loss:
    """Return -sum(y log p) over the classes.

    With p the softmax of the output its gradient is p sum(y) - y; of outputs that are probabilities Keras makes
    p = a / sum(a), so that with g = -y / p it is (g - sum(g p)) / sum(a).
    """
    if from_logits:

        def log_values(y: Array, z: Array) -> Array:
            shifted = z - z.max(axis=-1, keepdims=True)
            log_sum = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
            total: Array = (y * (log_sum - shifted)).sum(axis=-1)
            return total

        return Loss(
            values=log_values,
            gradient=lambda y, z: (softmax(z) * y.sum(axis=-1, keepdims=True) - y) / z.dtype.type(len(z)),
            indices=indices,
        )

    def values(y: Array, a: Array) -> Array:
        p = np.clip(a / a.sum(axis=-1, keepdims=True), _EPSILON, 1 - _EPSILON)
        total: Array = -(y * np.log(p)).sum(axis=-1)
        return total

    def gradient(y: Array, a: Array) -> Array:
        total = a.sum(axis=-1, keepdims=True)
        share = a / total
        g = _where_kept(share, -y / np.clip(share, _EPSILON, 1 - _EPSILON))
        whole: Array = (g - (g * share).sum(axis=-1, keepdims=True)) / (total * a.dtype.type(len(a)))
        return whole

    return Loss(values=values, gradient=gradient, indices=indices)


def _where_kept(p: Array, gradient: Array) -> Array:
    """Return the gradient of clipped probabilities: 0 where clipping has changed them."""
    return np.where((p >= _EPSILON) & (p <= 1 - _EPSILON), gradient, 0)


# Each takes `from_logits`.
_LOSSES: Mapping[str, Callable[[bool], Loss]] = {
    "BinaryCrossentropy": _binary,
    "CategoricalCrossentropy": _categorical,
    "SparseCategoricalCrossentropy": lambda from_logits: _categorical(from_logits, indices=True),
    "MeanSquaredError": _squared,
}
# Losses whose targets are smoothed as rows of classes.
_SMOOTHED = ("CategoricalCrossentropy", "SparseCategoricalCrossentropy")
