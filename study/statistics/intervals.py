"""Confidence intervals for means and for paired differences: Student's t, and no other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.statistics.resolution import observed_step
from study.statistics.score_arrays import as_finite_scores, check_level
from study.statistics.student_t import probability_above, value_above

Floats = NDArray[np.float64]
# Two scores give no interval: with one degree of freedom it is 13 deviations wide on either side.
MIN_SEEDS = 3


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its confidence interval; the ends are NaN where the data allow none.

    Attributes:
        estimate: The estimate.
        low: Lower end.
        high: Upper end.
        level: Confidence level.
        n: How many runs it rests on.
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The mean of paired differences with its t interval and test.

    Attributes:
        mean: Mean of a - b.
        low: Lower end of the t interval; NaN with fewer than three pairs.
        high: Upper end of the t interval; NaN with fewer than three pairs.
        p: Two-sided p-value of the paired t test of no difference; NaN with fewer than three pairs.
        standard_error: Standard error of the mean, at least that of one step of the metric; NaN as the ends.
        level: Confidence level.
        n: Number of pairs.
    """

    mean: float
    low: float
    high: float
    p: float
    standard_error: float
    level: float
    n: int


def mean_interval(
    scores: ArrayLike,
    *,
    level: float = 0.95,
    step: float | None = None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Return the mean with Student's t interval, clipped to the values that the metric can take.

    The spread is at least step / sqrt(12), the standard deviation of an error of rounding. So equal scores do not make
    an interval of no width.

    Args:
        scores: One score a run, shape (n_seeds,).
        level: Confidence level. Default: 0.95.
        step: The smallest difference that two scores can have, such as 1/360; None takes the smallest one seen.
        bounds: The least and the greatest value that the metric can take. Default: none.

    Returns:
        The interval; its ends are NaN with fewer than three runs.

    Raises:
        ValueError: If scores are missing or not finite, or the level is not in (0, 1).
    """
    values = as_finite_scores(scores)
    width = float(observed_step(values)) if step is None else step
    low, high = mean_limits(values, level=level, step=width, bounds=bounds)
    return Interval(estimate=float(np.mean(values)), low=float(low), high=float(high), level=level, n=int(values.size))


def mean_limits(
    scores: ArrayLike, *, step: ArrayLike, level: float = 0.95, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[Floats, Floats]:
    """Return the ends of `mean_interval` for many samples at once.

    Args:
        scores: Scores, shape (..., n_seeds).
        step: The smallest difference that two scores can have, shape (...) or a number.
        level: Confidence level. Default: 0.95.
        bounds: The least and the greatest value that the metric can take. Default: none.

    Returns:
        The lower and the upper ends, each of shape (...).
    """
    values = np.asarray(scores, dtype=np.float64)
    mean = values.mean(axis=-1)
    half = _half_width(values, least_spread=np.asarray(step) / math.sqrt(12), level=level)
    return np.maximum(mean - half, bounds[0]), np.minimum(mean + half, bounds[1])


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    level: float = 0.95,
    step: float | None = None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> PairedDifference:
    """Return the mean of a - b over shared seeds with the paired t interval and its two-sided p-value.

    The spread of the differences is at least one step of the metric. Where the difference is the same in every pair
    there would be nothing to estimate a spread from, and p would be 0 by rounding alone.

    Args:
        a: Scores of the one, shape (n_seeds,).
        b: Scores of the other under the same seeds, shape (n_seeds,).
        level: Confidence level. Default: 0.95.
        step: The smallest difference that two scores can have, such as 1/360; None takes the smallest one seen.
        bounds: The least and the greatest value that the metric can take; the interval is clipped to what their
            difference can be. Default: none.

    Returns:
        The difference.

    Raises:
        ValueError: If the shapes differ, scores are missing or not finite, or the level is not in (0, 1).
    """
    first, second = as_finite_scores(a), as_finite_scores(b)
    if first.shape != second.shape:
        raise ValueError(
            f"a of shape {first.shape} and b of shape {second.shape}: expected one score each for every shared seed. "
            "Keep the seeds that both have."
        )
    both = np.concatenate([first, second])
    least = float(observed_step(both)) if step is None else step
    n, mean = first.size, float(np.mean(first - second))
    if abs(mean) <= 8 * np.finfo(np.float64).eps * float(np.max(np.abs(both))):
        mean = 0.0
    half = float(_half_width(first - second, least_spread=np.asarray(least), level=level))
    error = half / float(value_above((1 - level) / 2, n - 1)) if n >= MIN_SEEDS else math.nan
    # Without any spread and without a step, a and b are equal throughout.
    p = 1.0 if mean == 0 and n >= MIN_SEEDS else 2.0 * float(probability_above(abs(mean) / error, n - 1))
    low, high = difference_limits(mean - half, mean + half, widest=bounds[1] - bounds[0])
    return PairedDifference(
        mean=mean,
        low=float(low),
        high=float(high),
        p=p,
        standard_error=error,
        level=level,
        n=n,
    )


def difference_limits(low: ArrayLike, high: ArrayLike, *, widest: float) -> tuple[Floats, Floats]:
    """Return the ends of intervals of differences, clipped to what two values of a metric can differ by.

    Args:
        low: Lower ends, of any shape; NaN stays.
        high: Upper ends, of the same shape.
        widest: The largest difference that the metric allows: 1 for a share. Infinite: the ends stay.

    Returns:
        The lower and the upper ends.

    Example:
        >>> tuple(float(end) for end in difference_limits(-1.29, 0.4, widest=1.0))
        (-1.0, 0.4)
    """
    return np.maximum(np.asarray(low, dtype=np.float64), -widest), np.minimum(np.asarray(high, dtype=float), widest)


def _half_width(values: Floats, *, least_spread: Floats, level: float) -> Floats:
    """Return half the width of the t interval of the mean over the last axis; NaN with fewer than three values."""
    check_level(level)
    n = values.shape[-1]
    if n < MIN_SEEDS:
        return np.full(values.shape[:-1], np.nan)
    spread = np.maximum(values.std(axis=-1, ddof=1), least_spread)
    return np.asarray(value_above((1 - level) / 2, n - 1) * spread / math.sqrt(n))
