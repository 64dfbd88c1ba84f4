"""The result of a setting's confirmations, the same on pages, in tables and in commands; divergence is apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from study.core.records import RunRecord
from study.core.trainer_interface import State
from study.report.objective_metric import (
    PREFIXES,
    SPACE,
    ObjectiveMetric,
    confirmed_on_of,
    metric_confirmed,
    metric_of,
)
from study.statistics.divergence import divergence_limit
from study.statistics.intervals import Interval, mean_interval


@dataclass(frozen=True, kw_only=True)
class ConfirmedScores:
    """Confirmations of one setting.

    Attributes:
        others: Mean over the confirmations that did not diverge, with Student's t interval; None if all diverged.
        n: Number of confirmations that ended, diverged ones included.
        n_diverged: Number of confirmations that diverged.
        divergence_limit: Exact upper 95 % limit of the rate of divergence, a share from 0 to 1; None if none diverged.
    """

    others: Interval | None
    n: int
    n_diverged: int
    divergence_limit: float | None


def confirmed(runs: Sequence[RunRecord], metric: ObjectiveMetric) -> ConfirmedScores | None:
    """Return the result of a study's confirmations of one setting; None if none has ended.

    Args:
        runs: The confirmations.
        metric: The compared metric.
    """
    ended = [(run, value) for run in runs if (value := metric.compared_confirmation(run)) is not None]
    scores = [value for run, value in ended if not diverged(run, value)]
    return confirmed_of(scores, n_diverged=len(ended) - len(scores), metric=metric)


def confirmed_metrics(
    runs: Sequence[tuple[State | None, Mapping[str, float]]], params: Mapping[str, str], tags: Mapping[str, str]
) -> dict[str, ConfirmedScores]:
    """Return the result of each metric over confirmations, on the split on which they are measured.

    Args:
        runs: The state and the last metrics of each confirmation; failed and unfinished ones are left out.
        params: The study's recorded config.
        tags: Tags of the study's run, which hold the sizes of the splits.
    """
    ended = [(state, metrics) for state, metrics in runs if state not in (None, "failed")]
    prefix = PREFIXES[confirmed_on_of(tags)]
    names = {name for _, metrics in ended for name in metrics if name.startswith(prefix)}
    if ended and "objective.metric" in params:  # a diverged run may have no such metric
        names.add(metric_of(params, tags).confirmed)
    found = {}
    for name in sorted(names):
        metric = metric_confirmed(name, params, tags)
        there = [
            float(metric.confirmed_resolution.rounded(metrics[name]))
            for state, metrics in ended
            if state != "diverged" and name in metrics and math.isfinite(metrics[name])
        ]
        n_diverged = sum(
            state == "diverged" or (name in metrics and not math.isfinite(metrics[name])) for state, metrics in ended
        )
        if (result := confirmed_of(there, n_diverged=n_diverged, metric=metric)) is not None:
            found[name] = result
    return found


def validation_of(
    runs: Sequence[tuple[State | None, Mapping[str, float]]], metric: ObjectiveMetric
) -> ConfirmedScores | None:
    """Return the validation objective over confirmations, by which the protocol chooses; None if none has ended.

    Args:
        runs: The state and the last metrics of each confirmation; failed and unfinished ones are left out.
        metric: The compared metric.
    """
    ended = [(state, metrics) for state, metrics in runs if state not in (None, "failed")]
    scores = [
        float(metric.validation_resolution.rounded(metrics["objective"]))
        for state, metrics in ended
        if state != "diverged" and math.isfinite(metrics.get("objective", math.nan))
    ]
    on_validation = replace(metric, n_confirmed=metric.n_validation)
    return confirmed_of(scores, n_diverged=len(ended) - len(scores), metric=on_validation)


def diverged(run: RunRecord, value: float) -> bool:
    """Return True if a run diverged, or its score is not finite.

    Args:
        run: The run.
        value: Its score, in the unit of the metric.
    """
    return run.state == "diverged" or not math.isfinite(value)


def confirmed_of(
    scores: Sequence[float], *, n_diverged: int, metric: ObjectiveMetric, n_averaged: int = 1, n: int | None = None
) -> ConfirmedScores | None:
    """Return the result of scores, rounded to the metric's resolution, and of runs that diverged.

    Args:
        scores: Scores of runs that did not diverge, or means of such scores, shape `(n_scores,)`.
        n_diverged: Number of runs that diverged.
        metric: The compared metric.
        n_averaged: Number of runs that were averaged to one score. Default 1.
        n: Number of runs that ended, diverged ones included. None (the default): the number of scores plus
            `n_diverged`.
    """
    n = len(scores) + n_diverged if n is None else n
    if not n:
        return None
    others = None
    if scores:
        step = None
        if metric.confirmed_resolution.is_known:
            step = float(metric.confirmed_resolution.steps([list(scores)])[0]) / math.sqrt(n_averaged)
        others = mean_interval(scores, step=step, bounds=metric.value_bounds)
    limit = divergence_limit(n_diverged, n) if n_diverged else None
    return ConfirmedScores(others=others, n=n, n_diverged=n_diverged, divergence_limit=limit)


def divergence_text(found: ConfirmedScores | None) -> str:
    """Return text such as `2 of 10 diverged (a rate of up to 51 % is not excluded)`; empty if none diverged.

    Args:
        found: The confirmations; None: no confirmation has ended.
    """
    if found is None or found.divergence_limit is None:
        return ""
    limit = math.ceil(100 * found.divergence_limit - 1e-9)
    return f"{found.n_diverged} of {found.n} diverged (a rate of up to {limit}{SPACE}% is not excluded)"


def confirmed_text(found: ConfirmedScores, *, digits: str = ".4g") -> str:
    """Return text such as `0.9012 [0.8933, 0.9091], 10 seeds`, with the divergence if there is any.

    Args:
        found: The confirmations.
        digits: Format of a number. Default `.4g`.
    """
    apart = divergence_text(found).replace(SPACE, " ")
    others = found.others
    if others is None:
        return apart
    mean, n = f"{others.estimate:{digits}}", f"{others.n} {'seed' if others.n == 1 else 'seeds'}"
    if math.isfinite(others.low) and math.isfinite(others.high):
        mean += f" [{others.low:{digits}}, {others.high:{digits}}]"
    return f"{mean}, {n}" if not apart else f"{mean} of the {n.replace(' ', ' other ', 1)}; {apart}"
