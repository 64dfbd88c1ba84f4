"""Sources of the luck of a result, from several study seeds, and the best use of the next minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from study.report.confirmed import diverged
from study.report.curve_data import BestOfTrials
from study.report.decision_text import duration_text
from study.report.marked_text import marked_command
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedStudy, Entry
from study.report.summary_rows import seconds_of
from study.statistics.luck import Luck, NextStep, next_best, where_the_luck_is

_STEPS = {
    "study seed": f"another study seed ({marked_command('study run -m study_seed=...')})",
    "confirmation": "more confirmations (budget.n_confirmations)",
    "trials": "more trials (budget.n_trials)",
}


@dataclass(frozen=True, kw_only=True)
class EntryLuck:
    """The luck of one entry.

    Attributes:
        luck: The variance of a confirmation's score, apart into its sources.
        next: What the next minutes are best spent on; None if that cannot be told.
    """

    luck: Luck
    next: NextStep | None


def luck_of(entry: Entry, metric: ObjectiveMetric, *, tuning: BestOfTrials | None) -> EntryLuck | None:
    """Return where the luck of an entry's confirmations is; None with a single study seed or confirmation.

    Diverged confirmations are left out: their rate is counted apart.

    Args:
        entry: The entry.
        metric: The metric compared.
        tuning: The tuning curve of its trials; None without one.
    """
    runs = [
        (value, study, run)
        for study in entry.studies
        for run in study.tuned
        if (value := metric.confirmed_score(run)) is not None and not diverged(run, value)
    ]
    if len({study.seed for _, study, _ in runs}) < 2:
        return None
    luck = where_the_luck_is(
        [value for value, _, _ in runs],
        study_seeds=[study.seed for _, study, _ in runs],
        repetitions=[run.number for _, _, run in runs],
        order_seeds=[_order_seed(study) for _, study, _ in runs],
    )
    return EntryLuck(luck=luck, next=_next(entry, luck, metric, tuning=tuning)) if luck.within is not None else None


def luck_text(found: Mapping[str, EntryLuck], metric: ObjectiveMetric) -> tuple[str, ...]:
    """Return a sentence on each entry: the largest source of its luck, and where the next minutes go.

    Args:
        found: The luck by label.
        metric: The metric compared.
    """
    return tuple(_sentence(label, each, metric) for label, each in found.items())


def share_of(luck: Luck, variance: float | None) -> float | None:
    """Return the share of a part in the variance of all parts; None if it is not known, or all are 0.

    Args:
        luck: All parts.
        variance: The part's variance.
    """
    total = sum(part.variance or 0.0 for part in luck.parts)
    return None if variance is None or total == 0 else variance / total


def _sentence(label: str, found: EntryLuck, metric: ObjectiveMetric) -> str:
    largest = max(found.luck.parts, key=lambda part: part.variance or 0.0)
    share = share_of(found.luck, largest.variance)
    if share is None:
        return f"{label}: all confirmations have the same score, so there is no luck to divide."
    told = f"{label}: {share:.0%} of the variance comes from the {largest.source}"
    step = found.next
    if step is None:
        return f"{told}."
    now = metric.change(step.standard_error, signed=False)
    if step.best == "trials":
        gain = metric.change(step.gain_of_trials or 0.0, signed=False)
        return (
            f"{told}. For a better result, the next minutes are best spent on {_STEPS['trials']}: the second half of "
            f"the trials gained {gain}, more than the standard error of its mean, {now}."
        )
    is_study = step.best == "study seed"
    then = metric.change(step.with_study_seed if is_study else step.with_confirmation, signed=False)
    seconds = step.seconds_of_study_seed if is_study else step.seconds_of_confirmation
    one = "one more" if is_study else "one more in each study"
    return (
        f"{told}. The next minutes are best spent on {_STEPS[step.best]}: {one} takes {duration_text(seconds)} and "
        f"lowers the standard error of its mean from {now} to {then}."
    )


def _next(entry: Entry, luck: Luck, metric: ObjectiveMetric, *, tuning: BestOfTrials | None) -> NextStep | None:
    search = next(part.variance for part in luck.parts if part.source == "search")
    of_confirmation = _seconds([seconds_of(run) for run in entry.tuned])
    of_trials = [sum(filter(None, map(seconds_of, study.trials))) for study in entry.studies]
    of_search = _seconds([seconds for seconds in of_trials if seconds > 0])
    if search is None or luck.within is None or of_confirmation is None:
        return None
    return next_best(
        search=search,
        within=luck.within,
        n_study_seeds=luck.n_study_seeds,
        n_confirmations=max(1, round(luck.n_runs / luck.n_studies)),
        # A fixed setting has no search: a study of it is its confirmations.
        seconds_of_search=of_search or of_confirmation,
        seconds_of_confirmation=of_confirmation,
        gain_of_trials=_gain(tuning, metric) if entry.searched else None,
    )


def _gain(tuning: BestOfTrials | None, metric: ObjectiveMetric) -> float | None:
    """Return what the second half of the trials gained, positive for better."""
    if tuning is None or len(tuning.mean) < 2:
        return None
    half, whole = tuning.mean[(len(tuning.mean) + 1) // 2 - 1], tuning.mean[-1]
    gain = metric.sign * float(whole - half)
    return gain if np.isfinite(gain) else None


def _seconds(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value]
    return float(np.median(known)) if known else None


def _order_seed(study: ComparedStudy) -> int:
    return int(study.record.params.get("order_seed", 0))
