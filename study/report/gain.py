"""The gain of tuning an entry: the paired difference from its untuned defaults, over the seeds that both have."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from study.core.records import RunRecord
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedStudy, Entry
from study.statistics.intervals import MIN_SEEDS, PairedDifference, paired_difference
from study.statistics.resolution import step_of_mean


def gain_of(entry: Entry, metric: ObjectiveMetric) -> PairedDifference | None:
    """Return tuned against untuned, positive where tuning helped, with the 95 % interval of this pair alone.

    A difference is of a confirmation seed, averaged over the studies that have it; with three studies or more, of a
    whole study. A diverged confirmation counts as the worst value.

    Args:
        entry: The entry.
        metric: The compared metric.

    Returns:
        The difference; None of a fixed configuration, without a shared seed, or where a score is infinite.
    """
    if not entry.searched:
        return None
    filled = [of for study in entry.studies if (of := _pairs(study, metric))]
    if len(entry.studies) >= MIN_SEEDS:
        return _paired([list(of.values()) for of in filled], metric)
    numbers = set.intersection(*map(set, filled)) if filled else set()
    return _paired([[of[number] for of in filled] for number in sorted(numbers)], metric)


def _paired(cells: Sequence[Sequence[tuple[float, float]]], metric: ObjectiveMetric) -> PairedDifference | None:
    """Return the paired difference of means over cells of scores, tuned and untuned, in the direction of better."""
    if not cells or not all(math.isfinite(score) for cell in cells for both in cell for score in both):
        return None
    tuned, untuned = metric.sign * np.array([np.mean(cell, axis=0) for cell in cells]).T
    single = [[score for cell in cells for both in cell for score in both]]
    step = step_of_mean(metric.confirmed_resolution.steps(single), min(map(len, cells)))
    return paired_difference(tuned, untuned, step=float(step[0]), bounds=metric.bounds)


def _pairs(study: ComparedStudy, metric: ObjectiveMetric) -> dict[int, tuple[float, float]]:
    """Return the tuned and the untuned score of each repetition that both have under the same seeds."""
    tuned, untuned = ({_seeds(run): run for run in runs} for runs in (study.tuned, study.untuned))
    found = {}
    for key in sorted(tuned.keys() & untuned.keys()):
        mine, theirs = (metric.compared_confirmation(runs[key]) for runs in (tuned, untuned))
        if mine is not None and theirs is not None:
            found[key[0]] = (mine, theirs)
    return found


def _seeds(run: RunRecord) -> tuple[int, str, str]:
    return run.number, run.params.get("run_seed", ""), run.params.get("order_seed", "")
