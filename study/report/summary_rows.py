"""Numbers of the summary table, one row for each entry."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from study.core.records import RunRecord
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedExperiment, Entry, number_of
from study.statistics.intervals import Interval, bootstrap_interval, mean_interval, stratified_bootstrap_interval
from study.statistics.range_edges import nearest_edge


@dataclass(frozen=True, kw_only=True)
class Edge:
    """An optimum near the edge of its range."""

    argument: str
    value: float
    edge: str
    limit: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the summary table.

    Attributes:
        label: The entry's name.
        optimizer: The optimizer's YAML name.
        tuned: Mean test score over the confirmations with a bootstrap interval; None without confirmations.
        over_studies: Mean test score over studies with Student's t interval; None with fewer than three study seeds.
        untuned: The same as `tuned` for the untuned optimizer; None where it was not trained.
        gain: Tuned minus untuned, positive where tuning helped; None where one is missing.
        validation: Mean validation objective over the confirmations; None without confirmations.
        search_best: Best validation objective of the search, which is biased upwards.
        configuration: The best configuration of each study: searched arguments, as recorded.
        n_trials: Trials spent, including those beyond the common budget.
        n_planned: Trials planned.
        states: Number of trials by the state in which they ended.
        seconds_per_trial: Median seconds of training, compilation and evaluation; None where unknown.
        state_bytes: Bytes of the optimizer's state; None where unknown.
        edges: Optima near the edge of their range.
        running: Whether a study of the entry is unfinished.
        run_ids: The studies' runs in the store.
    """

    label: str
    optimizer: str
    tuned: Interval | None
    over_studies: Interval | None
    untuned: Interval | None
    gain: float | None
    validation: float | None
    search_best: float | None
    configuration: tuple[Mapping[str, str], ...]
    n_trials: int
    n_planned: int
    states: Mapping[str, int]
    seconds_per_trial: float | None
    state_bytes: float | None
    edges: tuple[Edge, ...]
    running: bool
    run_ids: tuple[str, ...]


def summarize(experiment: ComparedExperiment, *, rng: np.random.Generator) -> tuple[Row, ...]:
    """Return a row for each entry: the best mean test score first, entries without a score last.

    Args:
        experiment: The experiment.
        rng: Generator for the bootstrap.
    """
    rows = [_row(entry, experiment.metric, rng) for entry in experiment.entries]
    sign = experiment.metric.sign

    def key(row: Row) -> tuple[bool, float, str]:
        return (row.tuned is None, 0.0 if row.tuned is None else -sign * row.tuned.estimate, row.label)

    return tuple(sorted(rows, key=key))


def _row(entry: Entry, metric: ObjectiveMetric, rng: np.random.Generator) -> Row:
    studies = entry.studies
    tuned = _interval([_tests(study.tuned, metric) for study in studies], rng)
    untuned = _interval([_tests(study.untuned, metric) for study in studies], rng)
    gain = None
    if entry.searched and tuned and untuned and math.isfinite(tuned.estimate) and math.isfinite(untuned.estimate):
        gain = metric.sign * (tuned.estimate - untuned.estimate)
    found = [metric.validation(study.best) for study in studies if study.best is not None]
    best = [value for value in found if value is not None]
    validations = [value for run in entry.tuned if (value := metric.validation(run)) is not None]
    return Row(
        label=entry.label,
        optimizer=entry.optimizer,
        tuned=tuned,
        over_studies=_over_studies(entry, metric),
        untuned=untuned,
        gain=gain,
        validation=float(np.mean(validations)) if validations else None,
        search_best=metric.sign * max(metric.sign * value for value in best) if best else None,
        configuration=tuple(_configuration(entry, index) for index in range(len(studies))),
        n_trials=sum(study.n_spent for study in studies),
        n_planned=sum(study.record.n_trials for study in studies),
        states=Counter(str(run.state) for study in studies for run in study.record.trials if run.state is not None),
        seconds_per_trial=_median([_seconds(run) for run in entry.trials]),
        state_bytes=_median([run.metrics.get("optimizer_state_bytes") for run in (*entry.trials, *entry.tuned)]),
        edges=tuple(edge for index in range(len(studies)) for edge in _edges(entry, index)),
        running=not entry.complete,
        run_ids=tuple(study.record.run_id for study in studies),
    )


def _tests(runs: Sequence[RunRecord], metric: ObjectiveMetric) -> list[float]:
    return [value for run in runs if (value := metric.tested(run)) is not None]


def _interval(studies: Sequence[Sequence[float]], rng: np.random.Generator) -> Interval | None:
    """Return the mean over studies of their mean scores with a bootstrap interval that resamples seeds."""
    filled = [scores for scores in studies if scores]
    if not filled:
        return None
    scores = [score for study in filled for score in study]
    if not np.all(np.isfinite(scores)):
        worst = next(score for score in scores if not math.isfinite(score))
        return Interval(estimate=worst, low=math.nan, high=math.nan, level=0.95, n=len(scores))
    if len(filled) == 1:
        return bootstrap_interval(filled[0], rng=rng)
    return stratified_bootstrap_interval(filled, rng=rng)


def _over_studies(entry: Entry, metric: ObjectiveMetric) -> Interval | None:
    means = [float(np.mean(tests)) for study in entry.studies if (tests := _tests(study.tuned, metric))]
    return mean_interval(means) if len(means) >= 3 and np.all(np.isfinite(means)) else None


def _configuration(entry: Entry, index: int) -> dict[str, str]:
    """Return the configuration of a study's best trial: the searched arguments, or the fixed learning rate."""
    study = entry.studies[index]
    if study.best is None:
        return {}
    fixed = ("learning_rate",) if not study.ranges else ()
    return {
        argument: study.best.params[argument] for argument in (*study.ranges, *fixed) if argument in study.best.params
    }


def _edges(entry: Entry, index: int) -> list[Edge]:
    study = entry.studies[index]
    found: list[Edge] = []
    for argument, searched in study.ranges.items():
        if study.best is None or searched.choices is not None or argument not in study.best.params:
            continue
        value = number_of(study.best, argument)
        edge = nearest_edge(value, low=searched.low, high=searched.high, scale=searched.scale)
        limit = searched.low if edge == "low" else searched.high
        if edge is not None and limit is not None:
            found.append(Edge(argument=argument, value=value, edge=edge, limit=limit))
    return found


def _seconds(run: RunRecord) -> float | None:
    parts = [run.metrics.get(f"seconds_{part}") for part in ("train", "compile", "evaluate")]
    return None if parts[0] is None else sum(part for part in parts if part is not None)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
