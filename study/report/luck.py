"""Where the luck of each entry's scores is: in the search, the run seed or the batch order; and what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from study.report.confirmed import diverged
from study.report.curve_data import BestOfTrials
from study.report.marked_text import listed
from study.report.objective_metric import ObjectiveMetric
from study.report.prices import seconds_per_seed
from study.report.studies import ComparedExperiment, ComparedStudy, Entry
from study.report.summary_rows import seconds_of
from study.statistics.luck import Luck, NextStep, Step, next_best, where_the_luck_is

_LEAST_STUDY_SEEDS = 2


@dataclass(frozen=True, kw_only=True)
class EntryLuck:
    """The luck in the scores of an entry.

    Attributes:
        luck: The parts of the variance.
        step: The most useful next step; None if times or a part are unknown.
    """

    luck: Luck
    step: NextStep | None


def luck_of_entries(experiment: ComparedExperiment, tuning: Mapping[str, BestOfTrials]) -> dict[str, EntryLuck]:
    """Return the parts of the luck, by label, for entries that were searched under two study seeds or more.

    Runs that diverged are left out: their score is not one of the usual ones.

    Args:
        experiment: The experiment.
        tuning: The tuning curves, by label.
    """
    found = {}
    for entry in experiment.entries:
        if (luck := _luck(entry, experiment.metric)) is not None:
            step = _step(entry, luck, experiment.metric, tuning.get(entry.label))
            found[entry.label] = EntryLuck(luck=luck, step=step)
    return found


def next_step_sentence(luck: Mapping[str, EntryLuck], metric: ObjectiveMetric) -> str:
    """Return where the next minutes go; empty without a known step.

    Args:
        luck: The luck of the entries, by label.
        metric: The metric.
    """
    steps = {label: each.step for label, each in luck.items() if each.step is not None}
    words: Mapping[Step, str] = {
        "study seed": "one more study seed lowers the error of the mean most per minute",
        "confirmation": "more confirmations of the studies that there are lower the error of the mean most per minute",
        "trials": "more trials change the mean most: the last doubling of the trials gained more than the error of "
        "the mean",
    }
    told = []
    for kind, text in words.items():
        if labels := [label for label, step in steps.items() if step.best == kind]:
            told.append(f"For {listed(labels)}, {text} ({_error(steps, labels, metric)}).")
    return " ".join(told)


def _error(steps: Mapping[str, NextStep], labels: Sequence[str], metric: ObjectiveMetric) -> str:
    errors = [metric.change(steps[label].standard_error, signed=False) for label in labels]
    return f"standard error now: {', '.join(errors)}"


def _luck(entry: Entry, metric: ObjectiveMetric) -> Luck | None:
    keys, scores = [], []
    for study in entry.studies:
        for run in study.tuned:
            value = metric.compared_confirmation(run)
            if value is not None and not diverged(run, value):
                keys.append((study.seed, _order_seed(study), run.number))
                scores.append(value)
    if len({seed for seed, _, _ in keys}) < _LEAST_STUDY_SEEDS or len(set(keys)) != len(keys):
        return None
    seeds, orders, repetitions = zip(*keys, strict=True)
    return where_the_luck_is(scores, study_seeds=seeds, repetitions=repetitions, order_seeds=orders)


def _order_seed(study: ComparedStudy) -> int:
    text = study.record.params.get("order_seed", "0")
    return int(text) if text.lstrip("-").isdecimal() else 0


def _step(entry: Entry, luck: Luck, metric: ObjectiveMetric, curve: BestOfTrials | None) -> NextStep | None:
    search = next((part.variance for part in luck.parts if part.source == "search"), None)
    searches = [sum(seconds_of(run) or 0.0 for run in study.trials) for study in entry.studies]
    seconds = seconds_per_seed(entry)
    if search is None or luck.within is None or not seconds or not searches or not np.median(searches) > 0:
        return None
    return next_best(
        search=search,
        within=luck.within,
        n_study_seeds=luck.n_study_seeds,
        n_confirmations=max(1, round(luck.n_runs / luck.n_studies)),
        seconds_of_search=float(np.median(searches)),
        seconds_of_confirmation=seconds / len(entry.studies),
        gain_of_trials=None if curve is None else _gain(curve, metric),
    )


def _gain(curve: BestOfTrials, metric: ObjectiveMetric) -> float | None:
    """Return the gain of the last doubling of the trials, positive for better; None with too few."""
    n = len(curve.mean)
    gain = metric.sign * float(curve.mean[-1] - curve.mean[n // 2 - 1]) if n >= 2 else math.nan
    return gain if math.isfinite(gain) else None
