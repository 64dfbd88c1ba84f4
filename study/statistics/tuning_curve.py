"""Tuning curves: the best of n independent random trials, for every n up to the number of trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from study.statistics.cdf_band import order_statistic_bounds, quantile_ranks
from study.statistics.score_arrays import Direction, oriented, sign

Floats = NDArray[np.float64]

# The probabilities compared with a quantile are sums of logarithms; this is far above their rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class TuningCurve:
    """The best score of n random trials, with a band that covers the true curve at all n at once.

    Attributes:
        n: Numbers of trials 1 ... N, shape (n_trials,).
        value: The expected (or a quantile of the) best score of n trials, shape (n_trials,).
        low: Lower end of the simultaneous band, shape (n_trials,); infinite where nothing bounds it.
        high: Upper end of the simultaneous band, shape (n_trials,); infinite where nothing bounds it.
        level: Confidence level of the whole band.
    """

    n: NDArray[np.int64]
    value: Floats
    low: Floats
    high: Floats
    level: float


def expected_tuning_curve(
    scores: ArrayLike,
    *,
    direction: Direction,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    level: float = 0.95,
) -> TuningCurve:
    """Estimate the expected best score of n of N independent random trials.

    The value is the mean of the best over all subsets of n trials, which is unbiased,

        E[max of n] = sum_i [C(i, n) - C(i - 1, n)] / C(N, n) * y_(i),   y ascending.

    The band carries a simultaneous band L <= F <= U of the scores' distribution over to
    E[max of n] = integral of y dF(y)^n, which falls as F grows. It is valid for independent trials of one
    distribution only: not for Halton points, TPE or a pruner. As it has to hold for every distribution within
    `bounds`, it covers well above its level (simulated: 99 % and more at N = 5, 10 and 50); the band of
    `quantile_tuning_curve` covers 95 to 96 % and is the one to draw.

    Args:
        scores: One score a trial, shape (n_trials,), in any order; a diverged trial has the worst value attainable.
        direction: `maximize` or `minimize`.
        bounds: The least and the greatest value that the metric can take. Without both the band of an expectation
            is infinite on at least one side, whatever the data.
        level: Confidence level of the band.

    Returns:
        The curve and its band, for n = 1 ... N.

    Raises:
        ValueError: If scores are missing, NaN, infinitely good or outside `bounds`, or an argument is not allowed.

    Source:
        J. Dodge et al. (2019), Show your work (the biased form (i/N)^n - ((i-1)/N)^n); N. Lourie, K. Cho and H. He
        (2024), Show your work with confidence (the unbiased form and bands).
    """
    ascending, worst, best = _prepare(scores, direction=direction, bounds=bounds)
    lower_cdf, upper_cdf = order_statistic_bounds(ascending.size, level=level)
    knots = np.concatenate([[worst], ascending, [best]])
    low = _expected_best(knots, np.concatenate([upper_cdf, [1.0, 1.0]]))
    high = _expected_best(knots, np.concatenate([[0.0], lower_cdf, [1.0]]))
    return _turned_back(_mean_best(ascending), low, high, direction=direction, level=level)


def quantile_tuning_curve(
    scores: ArrayLike,
    *,
    direction: Direction,
    quantile: float = 0.5,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    level: float = 0.95,
) -> TuningCurve:
    """Estimate a quantile (the median) of the best score of n of N independent random trials.

    The value is that quantile of the best over all subsets of n trials: the least good score y_(i) with
    C(i, n) / C(N, n) >= quantile. The band encloses the quantiles quantile^(1/n) of the scores' distribution F, all
    at once, since the best of n has the distribution F^n. Needs no bounds: diverged trials of an unbounded
    metric may be infinitely bad. For large n the band reaches the bound, as N trials cannot exclude a rare better one.

    Args:
        scores: One score a trial, shape (n_trials,), in any order; a diverged trial has the worst value attainable.
        direction: `maximize` or `minimize`.
        quantile: Which quantile, counted from the worst: 0.1 is what nine searches of ten do at least as well as.
        bounds: The least and the greatest value that the metric can take; the band ends there.
        level: Confidence level of the band.

    Returns:
        The curve and its band, for n = 1 ... N.

    Raises:
        ValueError: If scores are missing, NaN, infinitely good or outside `bounds`, or an argument is not allowed.

    Source:
        N. Lourie, K. Cho and H. He (2024), Show your work with confidence.
    """
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"quantile={quantile}: expected a number strictly between 0 and 1. Pass 0.5 for the median.")
    ascending, worst, best = _prepare(scores, direction=direction, bounds=bounds)
    probabilities = quantile ** (1.0 / np.arange(1, ascending.size + 1))
    low_rank, high_rank = quantile_ranks(ascending.size, probabilities, level=level)
    knots = np.concatenate([[worst], ascending, [best]])
    value = _quantile_best(ascending, quantile)
    return _turned_back(value, knots[low_rank], knots[high_rank], direction=direction, level=level)


def _prepare(scores: ArrayLike, *, direction: Direction, bounds: tuple[float, float]) -> tuple[Floats, float, float]:
    """Return ascending scores, the worst and the best value attainable, all turned so that larger is better."""
    turned = np.sort(oriented(scores, direction=direction))
    worst, best = sorted(sign(direction) * float(bound) for bound in bounds)
    if not bounds[0] < bounds[1]:
        raise ValueError(f"bounds={bounds}: expected (low, high) with low < high. Accuracy is within (0, 1).")
    if turned[0] < worst or turned[-1] > best:
        raise ValueError(
            f"scores reach from {np.min(scores)} to {np.max(scores)}: expected values within bounds={bounds}. "
            "Pass the bounds that the metric has by definition."
        )
    return turned, worst, best


def _turned_back(value: Floats, low: Floats, high: Floats, *, direction: Direction, level: float) -> TuningCurve:
    if sign(direction) < 0:
        value, low, high = -value, -high, -low
    return TuningCurve(n=np.arange(1, value.size + 1), value=value, low=low, high=high, level=level)


def _mean_best(ascending: Floats) -> Floats:
    """Return the mean over all subsets of n of their largest score, for n = 1 ... N, shape (n_trials,).

    The weight of y_(i) is w(n, i) = C(i - 1, n - 1) / C(N, n). From w(n, N) = n / N it follows downwards by
    w(n, i) = w(n, i + 1) * (i - n + 1) / i: products of positive numbers, so that nothing overflows or cancels.
    """
    n_trials = ascending.size
    n = np.arange(1, n_trials + 1)
    n_infinite = int(np.sum(np.isneginf(ascending)))
    curve = np.zeros(n_trials)
    weight = n / n_trials
    for i in range(n_trials, n_infinite, -1):
        curve[:i] += weight[:i] * ascending[i - 1]
        weight[: i - 1] *= (i - n[: i - 1]) / max(i - 1, 1)
    curve[:n_infinite] = -np.inf  # a subset of n holds nothing else for n up to their number
    return curve


def _quantile_best(ascending: Floats, quantile: float) -> Floats:
    """Return the quantile over all subsets of n of their largest score, for n = 1 ... N, shape (n_trials,)."""
    n_trials = ascending.size
    n = np.arange(1, n_trials + 1)
    low, high = n.copy(), np.full(n_trials, n_trials)  # the rank sought is within [low, high]
    while np.any(low < high):
        middle = (low + high) // 2
        # log of C(i, n) / C(N, n), the fraction of the subsets whose largest has rank i at most
        log_fraction = (
            special.gammaln(middle + 1)
            - special.gammaln(middle - n + 1)
            - special.gammaln(n_trials + 1)
            + special.gammaln(n_trials - n + 1)
        )
        enough = log_fraction >= np.log(quantile) - _ROUNDING
        high = np.where(enough, middle, high)
        low = np.where(enough, low, np.minimum(middle + 1, high))
    return np.asarray(ascending[low - 1])


def _expected_best(knots: Floats, cdf: Floats) -> Floats:
    """Return the mean of the best of n draws from a step function F, for n = 1 ... N, shape (n_trials,).

    Args:
        knots: The worst value, the ascending scores and the best value, shape (n_trials + 2,).
        cdf: F at each knot, ending in 1, shape (n_trials + 2,).
    """
    n_trials = knots.size - 2
    if np.isposinf(knots[-1]) and cdf[-2] < 1.0:
        return np.full(n_trials, np.inf)
    if np.any(cdf[np.isneginf(knots)] > 0.0):
        return np.full(n_trials, -np.inf)
    values = np.where(np.isinf(knots), 0.0, knots)  # what is infinite here has no mass
    gaps = np.diff(values)
    power = np.ones_like(gaps)
    curve = np.empty(n_trials)
    for index in range(n_trials):
        power *= cdf[:-1]
        curve[index] = values[-1] - gaps @ power  # sum of values times steps of F^n, summed by parts
    return curve
