"""Differences over shared seeds with simultaneous intervals, for the verdicts on pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from study.gallery.analysis.run_scores import Seed, score_step
from study.gallery.analysis.verdicts import is_negative, is_positive
from study.report.objective_metric import ObjectiveMetric
from study.statistics.holm import holm_intervals
from study.statistics.intervals import MIN_SEEDS, difference_limits, mean_interval, paired_difference

Scores = Mapping[Seed, float]


@dataclass(frozen=True, kw_only=True)
class CorrectedDifference:
    """A mean difference with its interval.

    Attributes:
        mean: Mean difference over shared seeds, in the unit of the scores.
        low: Lower limit, corrected for the number of comparisons; exactly 0 means "above 0".
        high: Upper limit, corrected for the number of comparisons; exactly 0 means "below 0".
    """

    mean: float
    low: float
    high: float

    @property
    def is_significant(self) -> bool:
        """True if the interval excludes zero."""
        return is_positive(self) or is_negative(self)


def span_text(difference: CorrectedDifference, number: Callable[[float], str] = "{:.3g}".format) -> str:
    """Return an interval as text; an end of exactly 0, which Holm's procedure leaves open, as `above` or `below` it.

    Args:
        difference: The difference with its interval.
        number: Writes an end. Default: with three digits.
    """
    low, high = _not_rounded_to_0(difference.low, number), _not_rounded_to_0(difference.high, number)
    low = f"above {low}" if difference.low == 0 < difference.high else low
    high = f"below {high}" if difference.low < 0 == difference.high else high
    return f"{low} to {high}"


def _not_rounded_to_0(value: float, number: Callable[[float], str]) -> str:
    """Write a number, with more digits if it would read as 0 and so hide its sign."""
    text = number(value)
    return text if value == 0 or any(digit in text for digit in "123456789") else f"{value:.2g}"


def simultaneous(
    pairs: Sequence[tuple[Scores, Scores]],
    *,
    n_comparisons: int | None = None,
    metric: ObjectiveMetric | None = None,
    step: float | None = None,
    bounds: tuple[float, float] | None = None,
) -> list[CorrectedDifference | None]:
    """Return first minus second for each pair of scores by seed, with simultaneous 95 % intervals.

    Args:
        pairs: Pairs of scores by seed.
        n_comparisons: Number of comparisons for Bonferroni's correction. Give it if the pairs were chosen by their
            results, or if the intervals must limit how large a difference can be. None (the default): Holm's procedure
            over the pairs that can be compared.
        metric: The metric, for the step of its scores. None (the default): see `step`.
        step: Smallest possible difference between two scores. None (the default): the step of the metric, or the
            smallest difference found.
        bounds: The least and the greatest value of the scores: intervals end at what two of them can differ by. None
            (the default): those of the metric; without a metric, no bounds.

    Returns:
        A difference for each pair, in their order; None if fewer than three seeds are shared or a score is not finite.
    """
    places, means, errors, sizes = [], [], [], []
    for index, (a, b) in enumerate(pairs):
        shared = sorted(set(a) & set(b))
        first, second = (np.array([scores[seed] for seed in shared], dtype=np.float64) for scores in (a, b))
        if len(shared) < MIN_SEEDS or not np.all(np.isfinite([*first, *second])):
            continue
        least = score_step([*first, *second], metric) if metric and step is None else step
        difference = paired_difference(first, second, step=least)
        places.append(index)
        means.append(difference.mean)
        errors.append(difference.standard_error)
        sizes.append(len(shared))
    found: list[CorrectedDifference | None] = [None] * len(pairs)
    if places:
        lows, highs = holm_intervals(means, errors, n_seeds=min(sizes), n_comparisons=n_comparisons)
        limits = bounds or (metric.bounds if metric is not None else (-np.inf, np.inf))
        lows, highs = difference_limits(lows, highs, widest=limits[1] - limits[0])
        for index, mean, low, high in zip(places, means, lows, highs, strict=True):
            found[index] = CorrectedDifference(mean=mean, low=float(low), high=float(high))
    return found


def against_constant(
    scores: Sequence[float],
    constant: float,
    *,
    n_comparisons: int = 1,
    step: float | None = None,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> CorrectedDifference | None:
    """Return the mean of scores minus a constant, with its 95 % t interval.

    Args:
        scores: A score for each seed, shape `(n_seeds,)`.
        constant: A number without randomness, such as the error of a forecast that needs no training.
        n_comparisons: Number of simultaneous intervals, for Bonferroni's correction. Default 1.
        step: Smallest possible difference between two scores. None (the default): the smallest difference found.
        bounds: The least and the greatest value of the scores. Default `(-np.inf, np.inf)`, no bounds.

    Returns:
        The difference; None with fewer than three scores, or if a score is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) < MIN_SEEDS or not np.all(np.isfinite(values)):
        return None
    found = mean_interval(values, level=1.0 - 0.05 / n_comparisons, step=step, bounds=bounds)
    return CorrectedDifference(mean=found.estimate - constant, low=found.low - constant, high=found.high - constant)
