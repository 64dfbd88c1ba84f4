"""Decide if one optimizer can be called the winner of a comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.statistics.intervals import MIN_SEEDS, difference_limits
from study.statistics.pairwise import CandidateTests, compare_candidate, least_spread
from study.statistics.resolution import observed_step
from study.statistics.score_arrays import Direction, as_finite_scores, check_level, sign
from study.statistics.superiority import probability_of_superiority


@dataclass(frozen=True, kw_only=True)
class CandidateDifference:
    """The candidate against one other optimizer, over shared seeds; differences are positive in its favor.

    Attributes:
        other: Index of the other optimizer.
        mean: Mean difference; for `minimize` other minus candidate, so that positive favors the candidate.
        low_holm: Lower end of the interval that holds together with those of all pairs; exactly 0 means "above 0".
        high_holm: Upper end of that interval; exactly 0 means "below 0".
        p_holm: Two-sided p-value of the paired t test, corrected for all pairs of optimizers, or that of the
            candidate against all others if it is smaller. NaN where no difference was tested.
        p_superior: Fraction of the seeds under which the candidate beats the other, ties counted half.
    """

    other: int
    mean: float
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
        winner: Whether the candidate is significantly better than every other.
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


def decide(
    scores: ArrayLike,
    *,
    candidate: int,
    direction: Direction,
    least_spreads: ArrayLike | None = None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    level: float = 0.95,
) -> Verdict:
    """Decide whether the candidate is better than every other optimizer.

    The candidate is compared with each other by paired t tests over shared seeds, corrected as in
    `pairwise.compare_candidate`: the verdict is valid for any choice of the candidate. Pass scores rounded to the
    metric's resolution; equal ones tie.

    Args:
        scores: Confirmation scores on the test split, shape (n_optimizers, n_seeds), column r under seed r for all.
        candidate: Index of the optimizer with the best validation score.
        direction: `maximize` or `minimize`.
        least_spreads: A floor under the standard deviation of each optimizer's scores, shape (n_optimizers,), from
            `pairwise.least_spread`; None takes the smallest difference seen between any two scores as their step.
            Default: None.
        bounds: The least and the greatest value that the metric can take; intervals are clipped to what a difference
            can be. Default: none.
        level: Confidence level of the verdict. Default: 0.95.

    Returns:
        The verdict. With fewer than three seeds or a single optimizer there are no intervals and never a winner.

    Raises:
        ValueError: If a score is NaN or infinite, or the candidate or another argument is not allowed.
    """
    values = sign(direction) * as_finite_scores(scores, n_dimensions=2)
    n_optimizers, n_seeds = values.shape
    check_level(level)
    if not 0 <= candidate < n_optimizers:
        raise ValueError(
            f"candidate={candidate}: expected an index from 0 to {n_optimizers - 1}. "
            "Pass the row of the optimizer with the best validation score."
        )
    if least_spreads is None:
        least_spreads = np.full(n_optimizers, least_spread(observed_step(values.ravel())))
    tests = compare_candidate(values, candidate, least_spreads=least_spreads, level=level)
    others = [int(other) for other in tests.others]
    claimed = [bool(each) for each in tests.claimed]
    return Verdict(
        candidate=candidate,
        differences=_differences(values, tests, candidate=candidate, bounds=bounds),
        winner=bool(tests.is_best),
        tied=tuple(other for other, found in zip(others, claimed, strict=True) if not found),
        better=tuple(
            other for other, found, mean in zip(others, claimed, tests.mean, strict=True) if found and mean < 0
        ),
        level=level,
        n_seeds=n_seeds,
    )


def is_testable(verdict: Verdict) -> bool:
    """Return True where a verdict rests on tests: at least two optimizers and three shared seeds."""
    return bool(verdict.differences) and verdict.n_seeds >= MIN_SEEDS


def _differences(
    values: NDArray[np.float64], tests: CandidateTests, *, candidate: int, bounds: tuple[float, float]
) -> tuple[CandidateDifference, ...]:
    low, high = difference_limits(tests.low, tests.high, widest=bounds[1] - bounds[0])
    return tuple(
        CandidateDifference(
            other=int(other),
            mean=float(tests.mean[row]),
            low_holm=float(low[row]),
            high_holm=float(high[row]),
            p_holm=float(tests.p[row]),
            p_superior=probability_of_superiority(
                values[candidate], values[other], direction="maximize", paired=True
            ).estimate,
        )
        for row, other in enumerate(tests.others)
    )
