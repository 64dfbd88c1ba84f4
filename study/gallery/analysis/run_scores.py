"""Scores of runs: by seed, as means over seeds with their intervals, and as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.core.records import RunRecord
from study.report.confirmed import confirmed, divergence_text
from study.report.objective_metric import ObjectiveMetric
from study.statistics.intervals import Interval, mean_interval

Floats = NDArray[np.float64]
# Key that pairs runs: repetition and run seed.
Seed = tuple[int, str]


def seed_of(run: RunRecord) -> Seed:
    """Return the key that pairs a run with a run of another optimizer or cell."""
    return run.number, run.params.get("run_seed", "")


def scores_of(runs: Sequence[RunRecord], metric: ObjectiveMetric) -> dict[Seed, float]:
    """Return the test score of each run that has one, by seed.

    Args:
        runs: The runs.
        metric: The compared metric.
    """
    return {seed_of(run): value for run in runs if (value := metric.compared_confirmation(run)) is not None}


def last_values(runs: Sequence[RunRecord], metric: str) -> Floats:
    """Return the last value of a metric for each run with a finite value, shape (n_values,).

    Runs that diverged later are included.

    Args:
        runs: The runs.
        metric: Name of the metric.
    """
    values = np.array([run.metrics.get(metric, np.nan) for run in runs], dtype=np.float64)
    return values[np.isfinite(values)]


def score_step(values: ArrayLike, metric: ObjectiveMetric) -> float | None:
    """Return the smallest possible difference between two test scores; None if it is not recorded.

    Args:
        values: The scores, shape (n_values,).
        metric: The compared metric.
    """
    resolution = metric.confirmed_resolution
    return float(resolution.steps([np.ravel(values)])[0]) if resolution.is_known else None


def mean_of(values: Floats) -> Interval | None:
    """Return the mean of any values with its 95 % t interval; None without a value.

    Args:
        values: The values, shape (n_values,).
    """
    return mean_interval(values) if len(values) else None


def mean_text(values: Floats, metric: ObjectiveMetric) -> str:
    """Return the mean with its interval, as text.

    Args:
        values: The values, shape (n_values,).
        metric: The compared metric.
    """
    return interval_text(mean_interval(values, bounds=metric.value_bounds), metric) if len(values) else "none finite"


def confirmed_text(runs: Sequence[RunRecord], metric: ObjectiveMetric) -> str:
    """Return the mean test score of confirmations with its interval, and their divergence if there is any.

    Args:
        runs: The confirmations.
        metric: The compared metric.
    """
    found = confirmed(runs, metric)
    if found is None:
        return "none"
    apart = divergence_text(found)
    if found.others is None:
        return f"diverged: {apart}"
    told = interval_text(found.others, metric)
    return f"{told} of the others; {apart}" if apart else told


def interval_text(interval: Interval | None, metric: ObjectiveMetric) -> str:
    """Return a mean with its interval as text, or `diverged` without a mean.

    Args:
        interval: The mean with its interval; None: there is no mean.
        metric: The compared metric.
    """
    if interval is None:
        return "diverged"
    span = metric.span(interval.low, interval.high)
    return f"{metric.text(interval.estimate)} [{span}]" if span else metric.text(interval.estimate)


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence; `none` for an empty list."""
    if len(names) < 2:
        return names[0] if names else "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"
