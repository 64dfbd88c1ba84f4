"""All pairs of optimizers over shared seeds: paired t tests and intervals that hold whichever candidate is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.statistics.holm import holm
from study.statistics.intervals import MIN_SEEDS
from study.statistics.score_arrays import check_level
from study.statistics.student_t import probability_above, value_above

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CandidateTests:
    """A candidate against each other optimizer, in their order; differences are candidate minus other.

    Attributes:
        others: Indices of the others, shape (..., n_optimizers - 1).
        mean: Mean differences, of the same shape.
        low: Lower ends of intervals that hold together; exactly 0 means "above 0".
        high: Upper ends; exactly 0 means "below 0".
        p: Adjusted two-sided p-values.
        claimed: Whether the difference is significant, its sign that of the mean.
        is_best: Whether the candidate is significantly better than every other, shape (...).
    """

    others: NDArray[np.int64]
    mean: Floats
    low: Floats
    high: Floats
    p: Floats
    claimed: NDArray[np.bool_]
    is_best: NDArray[np.bool_]


def compare_candidate(
    scores: ArrayLike, candidate: ArrayLike, *, least_spreads: ArrayLike, level: float = 0.95
) -> CandidateTests:
    """Compare candidates with all other optimizers; leading axes are independent comparisons.

    Two rules, both valid for any choice of the candidate, even by the scores that are tested:

    1. A difference is significant if Holm's procedure over *all* pairs of optimizers rejects equality. A correction
       for the candidate's own comparisons alone is not enough, since the choice on validation and the test use the
       same runs: with a correlation of 1 the candidate is the luckiest, and 11 % of ties were called different.
    2. The candidate is the best, and every difference significant, if each of its paired tests rejects at the full
       level. No correction is needed there: the claim has to win every test, and against the runner-up, by the
       two-sided test, luck wins with at most 1 - level, however many optimizers there are.

    The adjusted p-value is the smaller of the two rules'. The spread of a pair's differences is at least that of
    `least_spread`, since equal differences of rounded scores say nothing of the luck of other seeds. Intervals hold
    for all pairs together (Bonferroni); where a rule claims a difference that its interval does not, the end is 0.

    Args:
        scores: Larger is better, shape (..., n_optimizers, n_seeds), column r under seed r for all.
        candidate: Index of the candidate, shape (...).
        least_spreads: A floor under the standard deviation of each optimizer's own scores, shape
            (..., n_optimizers): see `least_spread`.
        level: Confidence level. Default: 0.95.

    Returns:
        The tests; with fewer than three seeds limits and p-values are NaN and nothing is claimed.

    Source:
        S. Holm (1979); K. Hung and W. Fithian (2019), Rank verification for exponential families, section 2 (the
        winner against the runner-up needs no correction).
    """
    values, chosen = np.asarray(scores, dtype=np.float64), np.asarray(candidate, dtype=np.int64)
    n_optimizers = values.shape[-2]
    others = np.arange(n_optimizers - 1) + (np.arange(n_optimizers - 1) >= chosen[..., None])
    mean, error, p, adjusted = _all_pairs(values, np.asarray(least_spreads, dtype=np.float64))

    def against(of_pairs: Floats) -> Floats:
        rows = np.take_along_axis(of_pairs, chosen[..., None, None], axis=-2)[..., 0, :]
        return np.take_along_axis(rows, others, axis=-1)

    mean, error, p, adjusted = against(mean), against(error), against(p), against(adjusted)
    alpha, n_seeds = 1.0 - check_level(level), values.shape[-1]
    if n_seeds >= MIN_SEEDS and n_optimizers > 1:
        leads = np.all(mean > 0, axis=-1, keepdims=True)
        adjusted = np.minimum(adjusted, np.where(leads, np.max(p, axis=-1, keepdims=True), 1.0))
        n_pairs = n_optimizers * (n_optimizers - 1) // 2
        half = value_above(alpha / (2 * n_pairs), n_seeds - 1) * error
    else:
        half = np.full_like(mean, np.nan)
    claimed = adjusted <= alpha  # NaN is not
    low, high = mean - half, mean + half
    return CandidateTests(
        others=others,
        mean=mean,
        low=np.where(claimed & (mean > 0), np.maximum(low, 0.0), low),
        high=np.where(claimed & (mean < 0), np.minimum(high, 0.0), high),
        p=adjusted,
        claimed=claimed,
        is_best=np.all(claimed & (mean > 0), axis=-1) & (n_optimizers > 1),
    )


def least_spread(step: ArrayLike, divergence: ArrayLike = 0.0) -> Floats:
    """Return the floor under the standard deviation of an optimizer's scores.

    The differences of two optimizers then have a spread of at least one step of the metric. (Simulated: a third of a
    step lets 5.5 % of ties through at six seeds, a whole step 5.1 %.)

    Args:
        step: The smallest difference that two of its scores can have, shape (...).
        divergence: The standard deviation that comes from divergence, of the same shape. Default: 0.
    """
    return np.asarray(np.maximum(np.asarray(step, dtype=np.float64) / np.sqrt(2.0), divergence))


def pair_tests(values: Floats, least: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean differences, their standard errors and two-sided p-values of all pairs, uncorrected.

    Args:
        values: Finite scores, shape (..., n_optimizers, n_seeds), at least three seeds.
        least: A floor under the standard deviation of each optimizer's own scores, shape (..., n_optimizers).

    Returns:
        Arrays of shape (..., n_pairs), pairs in the order of `numpy.triu_indices`, first minus second.
    """
    n_optimizers, n_seeds = values.shape[-2:]
    first, second = np.triu_indices(n_optimizers, 1)
    difference, mean = _differences(values)
    spread = np.maximum(difference.std(axis=-1, ddof=1), np.hypot(least[..., first], least[..., second]))
    error = spread / np.sqrt(n_seeds)
    t = np.where(mean == 0, 0.0, np.abs(mean) / np.where(error > 0, error, np.finfo(np.float64).tiny))
    return mean, error, np.minimum(1.0, 2.0 * probability_above(t, n_seeds - 1))


def _all_pairs(values: Floats, least: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return means, standard errors, p-values and Holm's p-values, each of shape (..., n_optimizers, n_optimizers)."""
    n_optimizers, n_seeds = values.shape[-2:]
    if n_seeds < MIN_SEEDS:
        _, mean = _differences(values)
        nan = np.full_like(mean, np.nan)
        return _matrix(mean, n_optimizers, sign=-1), *(_matrix(nan, n_optimizers),) * 3
    mean, error, p = pair_tests(values, least)
    return (
        _matrix(mean, n_optimizers, sign=-1),
        _matrix(error, n_optimizers),
        _matrix(p, n_optimizers),
        _matrix(holm(p), n_optimizers),
    )


def _differences(values: Floats) -> tuple[Floats, Floats]:
    """Return the differences of all pairs, shape (..., n_pairs, n_seeds), and their means; rounding errors are 0."""
    n_optimizers = values.shape[-2]
    first, second = np.triu_indices(n_optimizers, 1)
    difference = values[..., first, :] - values[..., second, :]
    mean = difference.mean(axis=-1)
    rounding = 8 * np.finfo(np.float64).eps * np.max(np.abs(values), axis=(-2, -1), initial=0.0)[..., None]
    return difference, np.where(np.abs(mean) <= rounding, 0.0, mean)


def _matrix(of_pairs: Floats, n_optimizers: int, *, sign: int = 1) -> Floats:
    first, second = np.triu_indices(n_optimizers, 1)
    out = np.zeros((*of_pairs.shape[:-1], n_optimizers, n_optimizers))
    out[..., first, second] = of_pairs
    out[..., second, first] = sign * of_pairs
    return out
