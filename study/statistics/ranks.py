"""Ranks of optimizers across workloads, with Friedman's test and Nemenyi's critical difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from study.statistics.score_arrays import Direction, as_scores, check_level, sign


@dataclass(frozen=True, kw_only=True)
class Friedman:
    """Friedman's test that all optimizers rank alike.

    Attributes:
        statistic: Chi-squared statistic, corrected for ties; NaN where the test is not defined.
        p: p-value by the chi-squared approximation, rough below about ten workloads; NaN where not defined.
    """

    statistic: float
    p: float


def average_ranks(scores: ArrayLike, *, direction: Direction) -> NDArray[np.float64]:
    """Return each optimizer's rank averaged over workloads; 1 is the best, and ties share their mean rank.

    Args:
        scores: Shape (n_workloads, n_optimizers); metrics of different workloads are never compared. Infinite
            scores are allowed.
        direction: `maximize` or `minimize`, for all workloads.

    Returns:
        Average ranks, shape (n_optimizers,), with the mean (n_optimizers + 1) / 2.

    Raises:
        ValueError: If scores are missing or NaN, or the direction is unknown.

    Source:
        J. Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.2.
    """
    values = sign(direction) * as_scores(scores, n_dimensions=2)
    return np.asarray(np.mean(stats.rankdata(-values, axis=1), axis=0))


def friedman_test(scores: ArrayLike) -> Friedman:
    """Test whether the optimizers rank alike over the workloads.

    Blocks are workloads, never seeds. Defined from three optimizers and two workloads on; with few workloads it
    can tell little.

    Args:
        scores: Shape (n_workloads, n_optimizers); the direction makes no difference.

    Returns:
        The test; p is 1 where every workload ties all optimizers.

    Raises:
        ValueError: If scores are missing or NaN.

    Source:
        M. Friedman (1937); `scipy.stats.friedmanchisquare`.
    """
    values = as_scores(scores, n_dimensions=2)
    n_workloads, n_optimizers = values.shape
    if n_optimizers < 3 or n_workloads < 2:
        return Friedman(statistic=math.nan, p=math.nan)
    if np.all(values == values[:, :1]):
        return Friedman(statistic=0.0, p=1.0)
    found = stats.friedmanchisquare(*values.T)
    return Friedman(statistic=float(found.statistic), p=float(found.pvalue))


def nemenyi_critical_difference(n_optimizers: int, n_workloads: int, *, level: float = 0.95) -> float:
    """Return the least significant difference of two average ranks: q sqrt(k (k + 1) / (6 N)).

    q is the quantile of the studentized range of k normal variables divided by the square root of 2.

    Args:
        n_optimizers: k, at least 2.
        n_workloads: N, at least 1.
        level: Confidence level for all pairs together.

    Returns:
        The critical difference, in ranks.

    Raises:
        ValueError: If a number is too small or the level is not in (0, 1).

    Source:
        J. Demsar (2006), section 3.2.2 and table 5.
    """
    if n_optimizers < 2 or n_workloads < 1:
        raise ValueError(
            f"n_optimizers={n_optimizers}, n_workloads={n_workloads}: expected at least 2 optimizers and 1 workload. "
            "Compare more."
        )
    return _quantile(n_optimizers, level) * math.sqrt(n_optimizers * (n_optimizers + 1) / (6 * n_workloads))


def workloads_needed(rank_difference: float, n_optimizers: int, *, level: float = 0.95) -> int:
    """Return the smallest number of workloads at which a difference of average ranks is significant.

    Nemenyi's critical difference solved for the number of workloads: q^2 k (k + 1) / (6 d^2), rounded up. It says
    how many workloads are needed if the difference stays as it is, not how many find it with some probability.

    Args:
        rank_difference: d, above 0 and at most k - 1.
        n_optimizers: k, at least 2.
        level: Confidence level for all pairs together. Default: 0.95.

    Raises:
        ValueError: If a number is not allowed.

    Source:
        J. Demsar (2006), section 3.2.2.
    """
    if n_optimizers < 2 or not 0 < rank_difference <= n_optimizers - 1:
        raise ValueError(
            f"rank_difference={rank_difference}, n_optimizers={n_optimizers}: expected at least 2 optimizers, and a "
            "difference above 0 and at most one less than their number. Pass a difference of average ranks."
        )
    exact = _quantile(n_optimizers, level) ** 2 * n_optimizers * (n_optimizers + 1) / (6 * rank_difference**2)
    return max(1, math.ceil(exact))


def _quantile(n_optimizers: int, level: float) -> float:
    return float(stats.studentized_range.ppf(check_level(level), n_optimizers, np.inf)) / math.sqrt(2)
