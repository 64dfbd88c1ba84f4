"""The time that training takes to meet a target."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.statistics.score_arrays import Direction, as_scores, sign


def time_to_target(
    histories: ArrayLike, times: ArrayLike, *, target: float, direction: Direction
) -> NDArray[np.float64]:
    """Return the time at which each run first meets the target; infinite where it never does.

    Args:
        histories: The metric after each epoch, shape (n_runs, n_epochs). NaN, of a run that diverged or was stopped,
            meets no target.
        times: Steps or seconds spent by the end of each epoch, shape (n_epochs,) for all runs or (n_runs, n_epochs).
        target: The value to be met; meeting it exactly counts.
        direction: Whether the target is met from below (`maximize`) or from above (`minimize`).

    Returns:
        Times in the unit of `times`, shape (n_runs,).

    Raises:
        ValueError: If the shapes do not fit, the target is NaN or the direction is unknown.
    """
    values = np.asarray(histories, dtype=np.float64)
    spent = np.asarray(times, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0 or spent.shape not in (values.shape, values.shape[1:]):
        raise ValueError(
            f"histories of shape {values.shape} and times of shape {spent.shape}: expected (n_runs, n_epochs) and "
            "(n_epochs,) or (n_runs, n_epochs). Pad shorter runs with NaN."
        )
    if np.isnan(target):
        raise ValueError("target=nan: expected a number. Set the workload's target.")
    met = sign(direction) * values >= sign(direction) * target  # false for NaN
    first = np.argmax(met, axis=1)
    at_first = np.broadcast_to(spent, values.shape)[np.arange(len(values)), first]
    return np.where(met.any(axis=1), at_first, np.inf)


def median_time(times: ArrayLike) -> float:
    """Return the median time to the target over runs, in which never counts as infinitely late.

    Of an even number of runs it is the earlier one of the two in the middle, a time that was observed: the target is
    checked at the ends of epochs alone, and half of the runs met it by then.

    Args:
        times: Times to the target, shape (n_runs,), infinite for never.

    Returns:
        The median: infinite when more than half of the runs never meet the target.

    Raises:
        ValueError: If times are missing or NaN.
    """
    return float(np.quantile(as_scores(times), 0.5, method="inverted_cdf"))
