"""The width of the range of learning rates that get near the best score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.statistics.score_arrays import Direction, oriented, sign

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The upper envelope of scores over the learning rate and its width near the top.

    Attributes:
        width_decades: Width of the region within `tolerance` of the best, in decades of the learning rate.
        low: Least learning rate of that region.
        high: Greatest learning rate of that region.
        threshold: The score that bounds the region.
        envelope_learning_rates: Learning rate of the best trial of each window, ascending, shape (n_windows,).
        envelope_scores: Its score, shape (n_windows,).
        open_low: The region reaches the lowest window: the width is a lower bound, and smaller rates may do.
        open_high: The region reaches the highest window: the width is a lower bound, and larger rates may do.
    """

    width_decades: float
    low: float
    high: float
    threshold: float
    envelope_learning_rates: Floats
    envelope_scores: Floats
    open_low: bool
    open_high: bool


def learning_rate_sensitivity(
    learning_rates: ArrayLike,
    scores: ArrayLike,
    *,
    direction: Direction,
    tolerance: float = 0.01,
    trials_per_window: int | None = None,
) -> Sensitivity:
    """Estimate in how many decades of the learning rate the best attainable score is near the best of all.

    The other hyperparameters vary with the learning rate, so what is attainable at a rate is the upper envelope of
    the scatter. Trials are sorted by learning rate and cut into windows of equally many neighbors; the best trial
    of each window, at its own learning rate, is a corner of the envelope, which is linear in log10 of the rate
    between them. The width is the length over which the envelope lies within `tolerance` of its top; the region
    may have gaps, which do not count.

    Bias: a window's best of a few trials lies below what is attainable there, and a chord below a concave curve, so
    the width is too small on average. Simulated with a parabola whose width is 1.4 of 5 decades and one other
    hyperparameter that costs up to 5 points: 79 % of the true width at 25 trials, 91 % at 100, 94 % at 200, 99 % at
    1600; where it costs up to 20 points 69, 83, 89 and 98 %. It nears the truth as windows hold more and more
    trials, which is why their size grows. Noise in the scores narrows it further, as the top is partly luck: seeds
    that spread by 0.2 points took another 5 to 8 %. Nothing beyond the outermost corners is counted.

    Args:
        learning_rates: One a trial, shape (n_trials,), positive.
        scores: One a trial, shape (n_trials,); a diverged trial has the worst value attainable, which may be infinite.
        direction: `maximize` or `minimize`.
        tolerance: How far below the best still counts as near, in the unit of the scores: 0.01 is one point.
        trials_per_window: How many neighbors a window holds, at least; unless given, the square root of the number of
            trials, and at least 5.

    Returns:
        The width and the envelope for drawing.

    Raises:
        ValueError: If the shapes differ, a rate is not positive and finite, all scores are infinite, or an argument
            is not allowed.

    Source:
        An estimator of this project; the question is that of the learning-rate sensitivity plots of the
        tuning playbook (V. Godbole et al. 2023).
    """
    turned = oriented(scores, direction=direction)
    rates = np.asarray(learning_rates, dtype=np.float64)
    _check(rates, turned, tolerance=tolerance, trials_per_window=trials_per_window)
    size = trials_per_window or max(5, round(math.sqrt(rates.size)))
    windows = np.array_split(np.lexsort((turned, rates)), max(1, rates.size // size))
    corners = np.array([window[np.argmax(turned[window])] for window in windows])
    x, y = np.log10(rates[corners]), turned[corners]
    threshold = float(turned.max()) - tolerance
    starts, ends = _pieces_above(x, y - threshold)
    near = y >= threshold
    return Sensitivity(
        width_decades=float(np.sum(ends - starts)),
        low=10.0 ** float(np.append(starts, x[near]).min()),
        high=10.0 ** float(np.append(ends, x[near]).max()),
        threshold=sign(direction) * threshold,
        envelope_learning_rates=rates[corners],
        envelope_scores=sign(direction) * y,
        open_low=bool(near[0]),
        open_high=bool(near[-1]),
    )


def _check(rates: Floats, turned: Floats, *, tolerance: float, trials_per_window: int | None) -> None:
    if rates.shape != turned.shape:
        raise ValueError(
            f"learning_rates of shape {rates.shape} and scores of shape {turned.shape}: expected one of each a trial. "
            "Keep the trials that have both."
        )
    if not np.all((rates > 0) & np.isfinite(rates)):
        raise ValueError(
            f"learning_rates hold {rates[~((rates > 0) & np.isfinite(rates))][0]}: expected positive numbers, since "
            "their logarithm is taken. Leave out trials without a learning rate."
        )
    if np.all(np.isinf(turned)):
        raise ValueError("scores are all infinite: expected a trial that did not diverge. Lower the search range.")
    if not 0 < tolerance < math.inf:
        raise ValueError(f"tolerance={tolerance}: expected a positive number. One point of accuracy is 0.01.")
    if trials_per_window is not None and trials_per_window < 1:
        raise ValueError(f"trials_per_window={trials_per_window}: expected at least 1. Leave it out.")


def _pieces_above(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return where the line through (x, y) is at least zero: starts and ends, a piece a segment, possibly empty."""
    left, right = y[:-1], y[1:]
    run = np.diff(x)
    drop = np.abs(left) + np.abs(right)
    from_left = np.divide(np.maximum(left, 0), drop, out=np.zeros_like(drop), where=drop > 0)
    from_right = np.divide(np.maximum(right, 0), drop, out=np.zeros_like(drop), where=drop > 0)
    both = (left >= 0) & (right >= 0)
    starts = np.where(both | (left >= 0), x[:-1], x[1:] - run * from_right)
    ends = np.where(both | (right >= 0), x[1:], x[:-1] + run * from_left)
    some = (left >= 0) | (right >= 0)
    return starts[some], ends[some]
