"""Holm's correction for several comparisons, and simultaneous intervals that agree with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.statistics.intervals import MIN_SEEDS
from study.statistics.score_arrays import check_level
from study.statistics.student_t import probability_above, probability_below, value_above

Floats = NDArray[np.float64]


def holm(p_values: ArrayLike) -> Floats:
    """Return Holm's step-down adjusted p-values.

    In ascending order, adjusted_(i) = max over j <= i of min(1, (m - j + 1) p_(j)). Rejecting where the adjusted
    value is at most alpha keeps the probability of any false rejection at alpha, however the tests depend on one
    another.

    Args:
        p_values: p-values, shape (..., n_comparisons), possibly none; leading axes are independent families.

    Returns:
        The adjusted p-values in the order given, of the same shape.

    Raises:
        ValueError: If a value is not within [0, 1].

    Source:
        S. Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim < 1 or not np.all((p >= 0) & (p <= 1)):
        raise ValueError(f"p_values={p_values!r}: expected an axis of numbers within [0, 1]. Leave out missing ones.")
    order = np.argsort(p, axis=-1, kind="stable")
    n_left = np.arange(p.shape[-1], 0, -1)
    stepped = np.maximum.accumulate(n_left * np.take_along_axis(p, order, axis=-1), axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=-1)
    return adjusted


def holm_two_sided(t_values: ArrayLike, *, n_seeds: int) -> Floats:
    """Return adjusted two-sided p-values that also control wrong directions.

    Each direction is corrected by `holm` at half the level, and what is smaller is doubled. Where all estimates
    lie on one side of zero this equals `holm` of the two-sided p-values; else it may be larger. The price buys that
    a rejection names the direction, and that the intervals of `holm_intervals` agree with it.

    Args:
        t_values: Estimates divided by their standard errors, shape (n_comparisons,); infinite where the standard
            error is 0.
        n_seeds: Number of pairs behind each, at least 3.

    Returns:
        Adjusted p-values, shape (n_comparisons,).
    """
    t = np.asarray(t_values, dtype=np.float64)
    above, below = holm(probability_above(t, n_seeds - 1)), holm(probability_below(t, n_seeds - 1))
    return np.asarray(np.minimum(1.0, 2.0 * np.minimum(above, below)))


def holm_intervals(
    means: ArrayLike,
    standard_errors: ArrayLike,
    *,
    n_seeds: int,
    level: float = 0.95,
    n_comparisons: int | None = None,
) -> tuple[Floats, Floats]:
    """Return simultaneous t intervals that exclude zero exactly where `holm_two_sided` rejects.

    All of them hold together with probability `level` at least. The lower limits follow from Holm's procedure at
    half of alpha against "not above zero", m comparisons of which r are rejected: a comparison not rejected has
    the limit mean - t(1 - alpha / (2 (m - r))) s; a rejected one has the limit 0, open, and if all are rejected
    the better of 0 and mean - t(1 - alpha / (2 m)) s. The upper limits mirror them. A limit of exactly 0 says
    "above (below) zero" and no more: that is what stepping down costs.

    Args:
        means: Mean differences, shape (n_comparisons,).
        standard_errors: Their standard errors, shape (n_comparisons,), 0 allowed.
        n_seeds: Number of pairs behind each, at least 3.
        level: Confidence level of all the intervals together. Default: 0.95.
        n_comparisons: The number of comparisons from which these were chosen by their results, such as all pairs of
            optimizers; each limit is then Bonferroni's for that many, and none steps down. Default: None, these.

    Returns:
        The lower and the upper limits, each of shape (n_comparisons,).

    Raises:
        ValueError: If the level is not in (0, 1), `n_seeds` is less than 2 or the shapes differ.

    Source:
        K. Strassburger and F. Bretz (2008), Compatible simultaneous lower confidence bounds for the Holm procedure
        and other Bonferroni-based closed tests; O. Guilbaud (2008).
    """
    half = (1.0 - check_level(level)) / 2
    mean = np.asarray(means, dtype=np.float64)
    error = np.asarray(standard_errors, dtype=np.float64)
    if n_seeds < MIN_SEEDS or mean.shape != error.shape or mean.ndim != 1:
        raise ValueError(
            f"means of shape {mean.shape}, standard_errors of shape {error.shape}, n_seeds={n_seeds}: expected two "
            "equal shapes of one axis and at least 3 seeds. Confirm the configurations on more seeds."
        )
    if n_comparisons is not None:
        width = value_above(half / n_comparisons, n_seeds - 1) * error
        return mean - width, mean + width
    low = _lower_limits(mean, error, freedom=n_seeds - 1, alpha=half)
    high = -_lower_limits(-mean, error, freedom=n_seeds - 1, alpha=half)
    return low, high + 0.0  # -0.0 becomes 0.0


def t_ratio(means: ArrayLike, standard_errors: ArrayLike) -> Floats:
    """Return means divided by standard errors: infinite for a mean without error, 0 for zero without error."""
    mean, error = np.asarray(means, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    exact = np.where(mean == 0, 0.0, np.copysign(np.inf, mean))
    np.divide(mean, error, out=exact, where=error > 0)
    return exact


def _lower_limits(mean: Floats, error: Floats, *, freedom: int, alpha: float) -> Floats:
    if mean.size == 0:
        return mean.copy()
    rejected = holm(probability_above(t_ratio(mean, error), freedom)) <= alpha
    n_left = mean.size - int(rejected.sum())
    if n_left == 0:
        return np.asarray(np.maximum(0.0, mean - value_above(alpha / mean.size, freedom) * error))
    return np.asarray(np.where(rejected, 0.0, mean - value_above(alpha / n_left, freedom) * error))
