"""The probability that a run of A beats a run of B."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from study.statistics.intervals import Interval
from study.statistics.score_arrays import Direction, as_scores, check_level, sign


def probability_of_superiority(
    a: ArrayLike, b: ArrayLike, *, direction: Direction, paired: bool, level: float = 0.95
) -> Interval:
    """Estimate P(A beats B) + P(tie) / 2, with an interval.

    Paired, it is the fraction of the seeds under which A beats B, with the interval of Clopper and Pearson: it covers
    at least its level whatever n, and is wide (5 of 5 wins reach down to 0.48). Unpaired, it is the Mann-Whitney
    statistic U / (n_a n_b), with Newcombe's interval, which solves for the probabilities theta that
    |theta - estimate| <= z sqrt(V(theta)) does not exclude, V the variance of U / (n_a n_b) for exponential scores:

        V = theta (1 - theta) / (n_a n_b) * [1 + m (1 - theta) / (2 - theta) + m theta / (1 + theta)],
        m = (n_a + n_b) / 2 - 1

    so that it has a width also where A always wins.

    Args:
        a: Scores of A, shape (n_a,); paired, shape (n_seeds,). Infinite ones can be compared.
        b: Scores of B, shape (n_b,); paired, shape (n_seeds,), under the same seeds.
        direction: Whether larger scores win (`maximize`) or smaller ones (`minimize`).
        paired: Whether a[i] is compared with b[i] alone, or with all of b.
        level: Confidence level.

    Returns:
        The probability and its interval, within [0, 1]; `n` is the number of pairs, or of scores of both.

    Raises:
        ValueError: If scores are missing or NaN, paired scores differ in shape, or an argument is not allowed.

    Source:
        R. G. Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney statistic,
        part 2, method 5.
    """
    tail = (1.0 - check_level(level)) / 2
    first, second = sign(direction) * as_scores(a), sign(direction) * as_scores(b)
    if paired and first.shape != second.shape:
        raise ValueError(
            f"a of shape {first.shape} and b of shape {second.shape}: expected one score each for every shared seed. "
            "Keep the seeds that both have, or pass paired=False."
        )
    rival = second if paired else second[:, None]
    estimate = float(np.mean((first > rival) + 0.5 * (first == rival)))
    if paired:
        n, wins = first.size, first.size * estimate
        low = float(special.betaincinv(wins, n - wins + 1, tail)) if wins > 0 else 0.0
        high = float(special.betainccinv(wins + 1, n - wins, tail)) if wins < n else 1.0
        return Interval(estimate=estimate, low=low, high=high, level=level, n=n)
    low, high = _newcombe(estimate, first.size, second.size, z=-float(special.ndtri(tail)))
    return Interval(estimate=estimate, low=low, high=high, level=level, n=first.size + second.size)


def _newcombe(estimate: float, n_a: int, n_b: int, *, z: float) -> tuple[float, float]:
    from scipy import optimize  # takes longer to import than all that a run uses of SciPy

    m = (n_a + n_b) / 2 - 1

    def excess(theta: float) -> float:
        ratio = 1 + m * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return abs(theta - estimate) - z * math.sqrt(theta * (1 - theta) / (n_a * n_b) * ratio)

    # At an estimate of 0 or 1 the equation is met there too: start just inside, to find the other end.
    low = 0.0 if estimate == 0 else float(optimize.brentq(excess, 0.0, min(estimate, 1 - 1e-12)))
    high = 1.0 if estimate == 1 else float(optimize.brentq(excess, max(estimate, 1e-12), 1.0))
    return low, high
