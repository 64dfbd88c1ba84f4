"""Divergence among runs: the rate that they cannot exclude, and the spread that it gives their scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from study.statistics.score_arrays import check_level


def divergence_limit(n_diverged: int, n_runs: int, *, level: float = 0.95) -> float:
    """Return the exact one-sided upper limit of the probability that a run diverges.

    It is the largest rate under which so few divergences, or fewer, have a probability of at least 1 - level.

    Args:
        n_diverged: Number of runs that diverged.
        n_runs: Number of runs, at least 1.
        level: Confidence level. Default: 0.95.

    Returns:
        The limit, in (0, 1]; 1 where every run diverged.

    Raises:
        ValueError: If a number is not allowed.

    Source:
        C. Clopper and E. Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the
        binomial.
    """
    if not 0 <= n_diverged <= n_runs or n_runs < 1:
        raise ValueError(
            f"n_diverged={n_diverged}, n_runs={n_runs}: expected at least one run, and at most all of them diverged. "
            "Count the confirmations."
        )
    if n_diverged == n_runs:
        return 1.0
    return float(special.betaincinv(n_diverged + 1, n_runs - n_diverged, check_level(level)))


def divergence_spread(
    n_diverged: ArrayLike, n_runs: int, *, drop: ArrayLike, n_averaged: int = 1
) -> NDArray[np.float64]:
    """Return the standard deviation of a score, or of a mean of scores, that comes from divergence.

    A diverged run has the worst value. So where one of thirty runs diverges in each of three studies, the studies'
    means agree by chance, and their own spread says nothing of the luck. With the probability p estimated by the rule
    of succession, (n_diverged + 1) / (n_runs + 2), the spread is drop sqrt(p (1 - p) / n_averaged).

    Args:
        n_diverged: Number of runs that diverged, shape (...); 0 gives 0.
        n_runs: Number of runs of each optimizer.
        drop: Distance from a usual score to the worst one, shape (...) or a number.
        n_averaged: Runs that are averaged to one score. Default: 1.

    Returns:
        The standard deviation, shape (...).

    Source:
        P.-S. Laplace (1774), the rule of succession.
    """
    count = np.asarray(n_diverged, dtype=np.float64)
    p = (count + 1) / (n_runs + 2)
    return np.asarray(np.where(count > 0, np.asarray(drop) * np.sqrt(p * (1 - p) / n_averaged), 0.0))
