"""The resolution of a metric: the grid on which single scores are rounded before they are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Trainers, devices and versions sum in another order. Losses that differ by less, relatively, count as reproduced.
TRAINER_TOLERANCE = 1e-3
# Float32 holds a share to about 6e-8, and a mean over batches adds a little.
_SHARE_NOISE = 1e-6
# Means of equal scores in another order differ in their last bits.
_MEAN_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """The steps in which a metric's single scores can differ.

    Attributes:
        absolute: The step of a share, such as 1/360 for the accuracy over 360 examples; None for a metric without.
        relative: The step of any other metric, as a share of the power of ten below the score: 0.001 keeps four
            significant digits. Default: 0.001, the tolerance between trainers.
        is_known: False for a share over an unknown number of examples: `absolute` then removes floating-point noise
            alone, and `steps` takes the smallest difference seen between two scores. Default: True.
    """

    absolute: float | None = None
    relative: float = TRAINER_TOLERANCE
    is_known: bool = True

    def rounded(self, scores: ArrayLike) -> Floats:
        """Return scores on the grid; infinite ones stay.

        Args:
            scores: Single scores, any shape.
        """
        values = np.asarray(scores, dtype=np.float64)
        unit = np.broadcast_to(self.absolute or self._unit(np.abs(values)), values.shape)
        out = values.copy()
        # Counting in steps and dividing by the steps in one gives the same float for the same count.
        np.divide(np.rint(values / unit), np.rint(1.0 / unit), out=out, where=np.isfinite(values) & (unit <= 1.0))
        return np.asarray(np.where(np.isfinite(values) & (unit > 1.0), np.rint(values / unit) * unit, out))

    def steps(self, scores: ArrayLike) -> Floats:
        """Return the step of each optimizer's scores, the largest over its scores.

        Args:
            scores: Scores on the grid, shape (..., n_optimizers, n_runs).

        Returns:
            Steps, shape (..., n_optimizers).
        """
        values = np.asarray(scores, dtype=np.float64)
        if not self.is_known:
            smallest = observed_step(values.reshape(*values.shape[:-2], -1))
            return np.broadcast_to(smallest[..., None], values.shape[:-1]).copy()
        if self.absolute is not None:
            return np.full(values.shape[:-1], self.absolute)
        finite = np.where(np.isfinite(values), np.abs(values), 0.0)
        largest = finite.max(axis=-1)
        return np.asarray(np.where(largest > 0, self._unit(largest), 0.0))

    def _unit(self, sizes: Floats) -> Floats:
        usable = np.where(np.isfinite(sizes) & (sizes > 1e-290), sizes, 1.0)
        # One digit too many is added and taken off again, so that 1000 is not taken for 999.99.
        return np.asarray(10.0 ** np.floor(np.log10(usable) + 1e-12) * self.relative)


def share_of(n_examples: int | None) -> Resolution:
    """Return the resolution of a share over n examples, such as an accuracy.

    Args:
        n_examples: The number of examples; None where it is not recorded.

    Raises:
        ValueError: If the number is less than 1.
    """
    if n_examples is None:
        return Resolution(absolute=_SHARE_NOISE, is_known=False)
    if n_examples < 1:
        raise ValueError(f"n_examples={n_examples}: expected at least 1, or None if it is unknown. Count the split.")
    return Resolution(absolute=1.0 / n_examples)


def observed_step(scores: ArrayLike) -> Floats:
    """Return the smallest difference between two different scores, 0 if all are equal.

    On a grid it is at least one step of the grid; between continuous scores it is small against their spread.
    Differences within rounding error of float64 count as none.

    Args:
        scores: Scores, shape (..., n_scores).

    Returns:
        The differences, shape (...).
    """
    values = np.sort(np.asarray(scores, dtype=np.float64), axis=-1)
    gaps = np.diff(values, axis=-1)
    noise = 1e-12 * np.max(np.abs(values), axis=-1, keepdims=True)
    smallest = np.min(np.where(gaps > noise, gaps, np.inf), axis=-1, initial=np.inf)
    return np.asarray(np.where(np.isfinite(smallest), smallest, 0.0))


def comparable_means(means: ArrayLike) -> Floats:
    """Return means rounded to 12 significant digits, so that means of equal scores in another order are equal."""
    values = np.asarray(means, dtype=np.float64)
    usable = np.isfinite(values) & (values != 0)
    digits = np.floor(np.log10(np.abs(np.where(usable, values, 1.0))))
    unit = 10.0 ** (digits - _MEAN_DIGITS + 1)
    return np.asarray(np.where(usable, np.rint(values / unit) * unit, values))


def is_share_of_examples(metric: str) -> bool:
    """Return True for a metric that counts correct examples, by its name in Keras: an accuracy.

    Other metrics between 0 and 1, such as the area under a curve, precision or recall, are not multiples of 1/n.

    Args:
        metric: Its name, with or without `val_` or `test_`.
    """
    return metric.endswith("accuracy") or metric in ("acc", "val_acc", "test_acc")


def step_of_mean(step: ArrayLike, n_averaged: int) -> Floats:
    """Return the step of a mean over n independent scores: rounding errors average out with the root of n."""
    return np.asarray(step, dtype=np.float64) / math.sqrt(n_averaged)
