"""Confidence intervals for means and for paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from study.statistics.score_arrays import as_finite_scores, check_level

Floats = NDArray[np.float64]
BootstrapMethod = Literal["expanded", "percentile", "BCa"]


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
        low: Lower end of the t interval; NaN with fewer than two pairs.
        high: Upper end of the t interval; NaN with fewer than two pairs.
        p: Two-sided p-value of the paired t test of no difference; NaN with fewer than two pairs.
        standard_error: Standard error of the mean; 0 where the difference is the same in every pair.
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


def mean_interval(scores: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the mean with Student's t interval.

    Args:
        scores: One score a run, shape (n_seeds,).
        level: Confidence level.

    Returns:
        The interval; its ends are NaN with a single run, and equal the mean where all scores are equal.

    Raises:
        ValueError: If scores are missing or not finite, or the level is not in (0, 1).
    """
    values = as_finite_scores(scores)
    difference = _student(values, level=level, scale=float(np.max(np.abs(values))))
    return Interval(estimate=difference.mean, low=difference.low, high=difference.high, level=level, n=difference.n)


def paired_difference(a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> PairedDifference:
    """Return the mean of a - b over shared seeds with the paired t interval and its two-sided p-value.

    Where the difference is the same in every pair (up to rounding) there is nothing to estimate a spread from:
    p is then 0, or 1 if that difference is zero, and the interval is the mean itself.

    Args:
        a: Scores of the one, shape (n_seeds,).
        b: Scores of the other under the same seeds, shape (n_seeds,).
        level: Confidence level.

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
    return _student(first - second, level=level, scale=float(max(np.max(np.abs(first)), np.max(np.abs(second)))))


def bootstrap_interval(
    scores: ArrayLike,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    method: BootstrapMethod = "expanded",
    n_resamples: int = 9999,
) -> Interval:
    """Return the mean with a bootstrap interval.

    `expanded`, the default, is the percentile interval with its tails widened so that at any n it is as wide as the
    t interval would be for normal scores: a resample's spread is sqrt((n - 1) / n) of what it should be, and
    normal quantiles take the place of Student's. Simulated coverage of nominal 95 % intervals, at n = 5, 10, 50
    (standard error 0.7 to 1 %):

        scores       expanded      percentile    BCa           t
        normal       92, 95, 93 %  84, 91, 93 %  84, 91, 93 %  94, 96, 94 %
        Beta(20, 2)  89, 93, 94 %  81, 90, 93 %  82, 90, 93 %  91, 94, 94 %
        exponential  86, 92, 94 %  76, 87, 93 %  79, 88, 94 %  87, 90, 94 %

    Args:
        scores: One score a run, shape (n_seeds,).
        rng: Where the resamples are drawn from.
        level: Confidence level.
        method: `expanded`, `percentile` or `BCa` (bias-corrected and accelerated).
        n_resamples: How many resamples are drawn.

    Returns:
        The interval; its ends are NaN with a single run, and equal the mean where all scores are equal.

    Raises:
        ValueError: If scores are missing or not finite, or an argument is not allowed.

    Source:
        T. Hesterberg (2015), What teachers should know about the bootstrap, section on expanded percentile intervals.
    """
    values = as_finite_scores(scores)
    return _bootstrap([values], rng=rng, level=level, method=method, n_resamples=n_resamples)


def stratified_bootstrap_interval(
    strata: Sequence[ArrayLike],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    method: Literal["expanded", "percentile"] = "expanded",
    n_resamples: int = 9999,
) -> Interval:
    """Return the mean over strata with a bootstrap interval that resamples within each stratum.

    Strata are studies and runs within them are seeds: every study weighs the same, and the interval holds the luck
    of the seeds for *these* studies. For the luck of the studies themselves give their means to `mean_interval`.

    Args:
        strata: Per study one score a run; shapes (n_seeds,), which may differ, or an array (n_studies, n_seeds).
        rng: Where the resamples are drawn from.
        level: Confidence level.
        method: `expanded` (see `bootstrap_interval`; the degrees of freedom are Welch's) or `percentile`.
        n_resamples: How many resamples are drawn.

    Returns:
        The interval of the mean of the studies' means; its ends are NaN where a study has a single run.

    Raises:
        ValueError: If scores are missing or not finite, or an argument is not allowed.

    Source:
        R. Agarwal et al. (2021), Deep reinforcement learning at the edge of the statistical precipice, section 4.
    """
    if len(strata) == 0:
        raise ValueError("strata is empty: expected the scores of at least one study. Wait for a study to end.")
    if method not in ("expanded", "percentile"):
        raise ValueError(f"method={method!r}: expected expanded or percentile. BCa is for a single stratum.")
    samples = [as_finite_scores(stratum) for stratum in strata]
    return _bootstrap(samples, rng=rng, level=level, method=method, n_resamples=n_resamples)


def _student(values: Floats, *, level: float, scale: float) -> PairedDifference:
    check_level(level)
    n, mean = values.size, float(np.mean(values))
    if n < 2:
        nan = math.nan
        return PairedDifference(mean=mean, low=nan, high=nan, p=nan, standard_error=nan, level=level, n=n)
    # Equal differences of unequal scores still differ in their last bits, which must not be taken for a spread.
    rounding = 8 * np.finfo(np.float64).eps * scale
    spread = float(np.std(values, ddof=1))
    if spread <= rounding:
        mean = mean if abs(mean) > rounding else 0.0
        p = 0.0 if mean else 1.0
        return PairedDifference(mean=mean, low=mean, high=mean, p=p, standard_error=0.0, level=level, n=n)
    error = spread / math.sqrt(n)
    half_width = float(stats.t.isf((1 - level) / 2, n - 1)) * error
    p = 2.0 * float(stats.t.sf(abs(mean) / error, n - 1))
    return PairedDifference(
        mean=mean, low=mean - half_width, high=mean + half_width, p=p, standard_error=error, level=level, n=n
    )


def _bootstrap(
    samples: list[Floats], *, rng: np.random.Generator, level: float, method: BootstrapMethod, n_resamples: int
) -> Interval:
    check_level(level)
    if method not in ("expanded", "percentile", "BCa"):
        raise ValueError(f"method={method!r}: expected expanded, percentile or BCa. Use the default, expanded.")
    n, estimate = sum(sample.size for sample in samples), _mean_of_means(*samples)
    if min(sample.size for sample in samples) < 2:
        return Interval(estimate=estimate, low=math.nan, high=math.nan, level=level, n=n)
    if all(np.ptp(sample) == 0 for sample in samples):
        return Interval(estimate=estimate, low=estimate, high=estimate, level=level, n=n)
    found = stats.bootstrap(
        samples,
        _mean_of_means,
        vectorized=True,
        confidence_level=_expanded_level(samples, level) if method == "expanded" else level,
        n_resamples=n_resamples,
        method="BCa" if method == "BCa" else "percentile",
        rng=rng,
    ).confidence_interval
    return Interval(estimate=estimate, low=float(found.low), high=float(found.high), level=level, n=n)


def _mean_of_means(*samples: Floats, axis: int = -1) -> Any:
    return sum(np.mean(sample, axis=axis) for sample in samples) / len(samples)


def _expanded_level(samples: list[Floats], level: float) -> float:
    """Return the level of the percentile interval that is as wide as Student's at `level` for normal scores."""
    sizes = np.array([sample.size for sample in samples])
    variances = np.array([np.var(sample, ddof=1) for sample in samples]) / sizes
    resampled = variances * (sizes - 1) / sizes
    freedom = np.sum(variances) ** 2 / np.sum(variances**2 / (sizes - 1))
    quantile = stats.t.isf((1 - level) / 2, freedom) * math.sqrt(np.sum(variances) / np.sum(resampled))
    return float(1 - 2 * stats.norm.sf(quantile))
