"""A simultaneous, distribution-free confidence band for a cumulative distribution function."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from study.statistics.score_arrays import check_level


def order_statistic_bounds(n_trials: int, *, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return bounds that all the order statistics of a uniform sample keep at once.

    The i-th smallest of N uniform draws follows Beta(i, N + 1 - i). Each is bounded by the same two tail quantiles
    of its own distribution ("equal precision": the band is tight in the tails, where tuning curves live, unlike the
    band of Dvoretzky, Kiefer and Wolfowitz), and the tail probability is solved for so that the probability of all
    bounds holding together is `level`. That probability is computed exactly, so nothing is simulated.

    For any distribution F and sorted draws y the bounds give F(y_i) >= lower_i and F(y_i-) <= upper_i for all i
    with probability at least `level`, exactly `level` when F is continuous.

    Args:
        n_trials: The number N of independent draws.
        level: Probability of all bounds holding.

    Returns:
        The lower and the upper bounds, each of shape (n_trials,), ascending in [0, 1].

    Raises:
        ValueError: If `n_trials` is less than 1 or `level` is not in (0, 1).

    Source:
        E. Learned-Miller and J. DeStefano (2008), A probabilistic upper bound on differential entropy (the idea of
        bounding order statistics); S. Aldor-Noiman et al. (2013), The power to see (the equal-precision band).
    """
    alpha = 1.0 - check_level(level)
    if n_trials < 1:
        raise ValueError(f"n_trials={n_trials}: expected at least 1. Wait for a trial to end.")

    def excess(log_tail: float) -> float:
        return joint_probability(*_beta_bounds(n_trials, math.exp(log_tail))) - level

    # Bonferroni's tail is too small and a single bound's too large, each taken a little further out.
    bracket = math.log(alpha / (2 * n_trials)), 0.5 * math.log(alpha)
    tail = math.exp(optimize.brentq(excess, *bracket, xtol=1e-6))
    return _beta_bounds(n_trials, tail)


def quantile_ranks(
    n_trials: int, probabilities: NDArray[np.float64], *, level: float = 0.95
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ranks of order statistics that enclose several quantiles of any distribution at once.

    As `order_statistic_bounds`, but calibrated for the given quantiles alone: what the band of the whole
    distribution spends elsewhere goes into narrower ends here. Ranks are whole, so the level is met from above.

    Args:
        n_trials: The number N of independent draws.
        probabilities: Which quantiles, ascending in (0, 1), shape (n_quantiles,).
        level: Probability that all quantiles are enclosed.

    Returns:
        The ranks of the lower ends, 0 (below all draws) ... N, and those of the upper ends, 1 ... N + 1 (above all
        draws), each of shape (n_quantiles,).

    Raises:
        ValueError: If `n_trials` is less than 1 or `level` is not in (0, 1).
    """
    narrow, wide = 0.0, math.log((1.0 - check_level(level)) / (2 * max(n_trials, 1)))
    ranks = _enclosing_ranks(probabilities, *order_statistic_bounds(n_trials, level=level))
    for _ in range(14):  # to a thousandth of the tail probability, finer than ranks can tell
        middle = 0.5 * (narrow + wide)
        low, high = _enclosing_ranks(probabilities, *_beta_bounds(n_trials, math.exp(middle)))
        rank = np.arange(1, n_trials + 1)
        # U_(i) <= p wherever rank i is a lower end or below it, and U_(i) >= p wherever an upper end or above it
        upper = np.append(probabilities, 1.0)[np.searchsorted(low, rank)]
        lower = np.insert(probabilities, 0, 0.0)[np.searchsorted(high, rank, side="right")]
        if joint_probability(lower, upper) >= level:
            wide, ranks = middle, (low, high)
        else:
            narrow = middle
    return ranks


def joint_probability(lower: NDArray[np.float64], upper: NDArray[np.float64]) -> float:
    """Return the probability that every order statistic of N uniform draws lies within its bounds.

    The number of draws up to time t is a Poisson process of rate N conditioned on N events by time 1. Its
    distribution is carried from bound to bound: the i-th draw is not below lower_i when at most i - 1 came
    before it, and not above upper_i when at least i came by then. All terms are positive, so nothing cancels.

    Args:
        lower: Lower bounds, ascending, shape (n_trials,).
        upper: Upper bounds, ascending, shape (n_trials,), each above its lower bound.

    Returns:
        The probability.

    Source:
        A. Moscovich and B. Nadler (2017), Fast calculation of boundary crossing probabilities for Poisson processes.
    """
    n_trials = lower.size
    times = np.concatenate([lower, upper, [1.0]])
    is_lower = np.arange(times.size) < n_trials
    order = np.argsort(times, kind="stable")
    means = n_trials * np.diff(times[order], prepend=0.0)
    log_factorial = special.gammaln(np.arange(n_trials + 1) + 1.0)

    probability = np.zeros(n_trials + 1)
    probability[0] = 1.0
    low, high = 0, 0  # the counts still possible, both included
    for mean, raises_high in zip(means, is_lower[order], strict=True):
        if mean > 0.0:
            # Ten deviations and twenty events above its mean a Poisson distribution has less than 1e-20 left.
            n_terms = min(high - low, math.ceil(mean + 10 * math.sqrt(mean) + 20)) + 1
            arrivals = np.exp(np.arange(n_terms) * math.log(mean) - mean - log_factorial[:n_terms])
            possible = slice(low, high + 1)
            probability[possible] = np.convolve(probability[possible], arrivals)[: high + 1 - low]
        if raises_high:
            high += 1
        elif low < n_trials:
            probability[low] = 0.0
            low += 1
    return float(probability[n_trials] / stats.poisson.pmf(n_trials, n_trials))


def _enclosing_ranks(
    probabilities: NDArray[np.float64], lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.searchsorted(upper, probabilities), np.searchsorted(lower, probabilities) + 1


def _beta_bounds(n_trials: int, tail: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rank = np.arange(1, n_trials + 1)
    lower = special.betaincinv(rank, n_trials + 1 - rank, tail / 2)
    upper = 1.0 - lower[::-1]  # Beta(i, N + 1 - i) mirrors Beta(N + 1 - i, i)
    return lower, upper
