"""Decide if one optimizer can be called the winner of a comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.statistics.holm import holm_intervals, holm_two_sided, t_ratio
from study.statistics.intervals import paired_difference
from study.statistics.score_arrays import Direction, as_finite_scores, check_level, sign
from study.statistics.superiority import probability_of_superiority


@dataclass(frozen=True, kw_only=True)
class CandidateDifference:
    """The candidate against one other optimizer, over shared seeds; differences are positive in its favor.

    Attributes:
        other: Index of the other optimizer.
        mean: Mean difference; for `minimize` other minus candidate, so that positive favors the candidate.
        low: Lower end of the paired t interval of this comparison alone.
        high: Upper end of the paired t interval of this comparison alone.
        p: Two-sided p-value of the paired t test of this comparison alone.
        low_holm: Lower end of the interval that holds together with all the others; exactly 0 means "above 0".
        high_holm: Upper end of the interval that holds together with all the others; exactly 0 means "below 0".
        p_holm: p-value corrected for all comparisons of the candidate.
        p_superior: Fraction of the seeds under which the candidate beats the other, ties counted half.
    """

    other: int
    mean: float
    low: float
    high: float
    p: float
    low_holm: float
    high_holm: float
    p_holm: float
    p_superior: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of the confirmations for the candidate.

    Attributes:
        candidate: Index of the candidate, chosen beforehand on validation.
        differences: The candidate against each other optimizer, in their order.
        winner: Whether every corrected difference excludes zero in the candidate's favor.
        tied: Indices of the optimizers without a significant difference from the candidate.
        better: Indices of the optimizers that did better than the candidate, correction included.
        level: Confidence level.
        n_seeds: Number of shared seeds.
    """

    candidate: int
    differences: tuple[CandidateDifference, ...]
    winner: bool
    tied: tuple[int, ...]
    better: tuple[int, ...]
    level: float
    n_seeds: int


def decide(scores: ArrayLike, *, candidate: int, direction: Direction, level: float = 0.95) -> Verdict:
    """Decide whether the candidate is better than every other optimizer.

    The candidate is compared with each other by a paired t test over shared seeds, corrected by Holm's procedure
    in both directions. It must have been chosen without these scores: on the search's validation scores.

    Args:
        scores: Confirmation scores on the test split, shape (n_optimizers, n_seeds), column r under seed r for all.
        candidate: Index of the optimizer with the best validation score.
        direction: `maximize` or `minimize`.
        level: Confidence level of the verdict.

    Returns:
        The verdict. With fewer than two seeds or a single optimizer there are no intervals and never a winner.

    Raises:
        ValueError: If a score is NaN or infinite, or the candidate or another argument is not allowed.
    """
    values = sign(direction) * as_finite_scores(scores, n_dimensions=2)
    n_optimizers, n_seeds = values.shape
    alpha = 1.0 - check_level(level)
    if not 0 <= candidate < n_optimizers:
        raise ValueError(
            f"candidate={candidate}: expected an index from 0 to {n_optimizers - 1}. "
            "Pass the row of the optimizer with the best validation score."
        )
    differences = _compare(values, candidate=candidate, level=level)
    told_apart = [difference for difference in differences if difference.p_holm <= alpha]  # NaN is not
    better = tuple(difference.other for difference in told_apart if difference.mean < 0)
    return Verdict(
        candidate=candidate,
        differences=differences,
        winner=bool(differences) and len(told_apart) == len(differences) and not better,
        tied=tuple(difference.other for difference in differences if difference not in told_apart),
        better=better,
        level=level,
        n_seeds=n_seeds,
    )


def _compare(values: NDArray[np.float64], *, candidate: int, level: float) -> tuple[CandidateDifference, ...]:
    others = [index for index in range(len(values)) if index != candidate]
    n_seeds = values.shape[1]
    plain = [paired_difference(values[candidate], values[other], level=level) for other in others]
    if n_seeds < 2:
        low = high = p_holm = np.full(len(others), math.nan)
    else:
        means, errors = [each.mean for each in plain], [each.standard_error for each in plain]
        p_holm = holm_two_sided(t_ratio(means, errors), n_seeds=n_seeds)
        low, high = holm_intervals(means, errors, n_seeds=n_seeds, level=level)
    return tuple(
        CandidateDifference(
            other=other,
            mean=each.mean,
            low=each.low,
            high=each.high,
            p=each.p,
            low_holm=float(low[row]),
            high_holm=float(high[row]),
            p_holm=float(p_holm[row]),
            p_superior=probability_of_superiority(
                values[candidate], values[other], direction="maximize", paired=True
            ).estimate,
        )
        for row, (other, each) in enumerate(zip(others, plain, strict=True))
    )
