"""Numbers of the summary table, one row for each entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from study.core.records import RunRecord
from study.report.choice_order import choice_key
from study.report.confirmed import ConfirmedScores, confirmed_of, diverged
from study.report.early_stops import epochs_taken
from study.report.gain import gain_of
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedExperiment, ComparedStudy, Entry, number_of
from study.statistics.intervals import MIN_SEEDS, Interval, PairedDifference, mean_interval
from study.statistics.range_edges import nearest_edge
from study.statistics.resolution import comparable_means, step_of_mean


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
        label: The entry's label.
        name: The entry's name: that of its study.
        optimizer: The optimizer's YAML name.
        tuned: Mean test score over the confirmations that did not diverge, with Student's t interval; of several
            studies, over repetitions averaged over these studies. None without such a confirmation.
        over_studies: Mean test score over studies with Student's t interval; None with fewer than three study seeds.
        untuned: The same as `tuned` for the untuned optimizer; None where it was not trained.
        mean: Mean test score with the worst value for each diverged confirmation. None without confirmations.
        confirmed: The confirmations with their divergence; None without confirmations.
        untuned_confirmed: The same for the untuned optimizer.
        gain: The paired difference of tuned and untuned over the seeds that both have, positive where tuning helped,
            with the interval of this pair alone; None where one is missing, or infinite.
        validation: Mean validation objective over the confirmations, by which rows are sorted: the mean over studies
            of their means, with the worst value for a diverged confirmation. None without confirmations.
        search_best: Best validation objective of the search, which is biased upwards.
        configuration: The best configuration of each study: searched arguments, as recorded.
        n_trials: Trials spent, including those beyond the common budget.
        n_planned: Trials planned.
        states: Number of trials by the state in which they ended.
        epochs: Smallest, median and largest number of epochs of the confirmations, or of the trials without any, that
            could stop early; None if they could not.
        seconds_per_trial: Median seconds of training, without compilation and evaluation; of trials that a trainer
            trains at once, an equal share of their time. None where unknown.
        state_bytes: Bytes of the optimizer's state; None where unknown.
        edges: Optima near the edge of their range.
        running: Whether a study of the entry is unfinished.
        run_ids: The studies' runs in the store.
    """

    label: str
    name: str
    optimizer: str
    tuned: Interval | None
    over_studies: Interval | None
    untuned: Interval | None
    mean: float | None
    confirmed: ConfirmedScores | None
    untuned_confirmed: ConfirmedScores | None
    gain: PairedDifference | None
    validation: float | None
    search_best: float | None
    configuration: tuple[Mapping[str, str], ...]
    n_trials: int
    n_planned: int
    states: Mapping[str, int]
    epochs: tuple[float, float, float] | None
    seconds_per_trial: float | None
    state_bytes: float | None
    edges: tuple[Edge, ...]
    running: bool
    run_ids: tuple[str, ...]


def summarize(experiment: ComparedExperiment) -> tuple[Row, ...]:
    """Return a row for each entry, in the order of the protocol's choice: the best mean validation score first.

    Args:
        experiment: The experiment.
    """
    rows = [_row(entry, experiment.metric) for entry in experiment.entries]
    sign = experiment.metric.sign

    def key(row: Row) -> tuple[int, float, str]:
        return choice_key(row.label, confirmed=row.validation, searched=row.search_best, sign=sign)

    return tuple(sorted(rows, key=key))


def edges_of(study: ComparedStudy) -> list[Edge]:
    """Return the values of a study's best trial that are near an end of their range.

    Args:
        study: The study.
    """
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


def seconds_of(run: RunRecord) -> float | None:
    """Return a run's seconds of training, compilation and evaluation together; None where unknown.

    Args:
        run: The run.
    """
    parts = [run.metrics.get(f"seconds_{part}") for part in ("train", "compile", "evaluate")]
    return None if parts[0] is None else sum(part for part in parts if part is not None)


def mean_with_diverged(studies: Sequence[Sequence[RunRecord]], metric: ObjectiveMetric) -> float | None:
    """Return the mean over studies of their mean scores, with the worst value for each diverged confirmation.

    Args:
        studies: The confirmations of each study, of one setting.
        metric: The compared metric.

    Returns:
        The mean, infinite where a score is; None without confirmations.
    """
    return _mean([_scores(runs, metric.compared_confirmation) for runs in studies])


def _row(entry: Entry, metric: ObjectiveMetric) -> Row:
    studies = entry.studies
    tuned = _confirmed([study.tuned for study in studies], metric)
    untuned = _confirmed([study.untuned for study in studies], metric)
    found = [metric.validation(study.best) for study in studies if study.best is not None]
    best = [value for value in found if value is not None]
    validations = [_scores(study.tuned, metric.compared_validation) for study in studies]
    return Row(
        label=entry.label,
        name=entry.name or entry.label,
        optimizer=entry.optimizer,
        tuned=tuned.others if tuned else None,
        over_studies=_over_studies(entry, metric),
        untuned=untuned.others if untuned else None,
        mean=mean_with_diverged([study.tuned for study in studies], metric),
        confirmed=tuned,
        untuned_confirmed=untuned,
        gain=gain_of(entry, metric),
        validation=_mean(validations),
        search_best=metric.sign * max(metric.sign * value for value in best) if best else None,
        configuration=tuple(_configuration(entry, index) for index in range(len(studies))),
        n_trials=sum(study.n_spent for study in studies),
        n_planned=sum(study.record.n_trials for study in studies),
        states=Counter(str(run.state) for study in studies for run in study.record.trials if run.state is not None),
        epochs=epochs_taken(entry.tuned or entry.trials),
        seconds_per_trial=_median([run.metrics.get("seconds_train") for run in entry.trials]),
        state_bytes=_median([run.metrics.get("optimizer_state_bytes") for run in (*entry.trials, *entry.tuned)]),
        edges=tuple(edge for study in studies for edge in edges_of(study)),
        running=not entry.complete,
        run_ids=tuple(study.record.run_id for study in studies),
    )


def _scores(runs: Sequence[RunRecord], of: Callable[[RunRecord], float | None]) -> list[float]:
    return [value for run in runs if (value := of(run)) is not None]


def _mean(studies: Sequence[Sequence[float]]) -> float | None:
    """Return the mean over studies of their mean scores; infinite where a score is."""
    filled = [float(np.mean(scores)) for scores in studies if scores]
    return float(comparable_means(np.mean(filled))) if filled else None


def _confirmed(studies: Sequence[Sequence[RunRecord]], metric: ObjectiveMetric) -> ConfirmedScores | None:
    """Return the confirmations of one study, or those of several averaged by repetition."""
    by_number: dict[int, list[float]] = {}
    n_diverged = 0
    filled = [runs for runs in studies if runs]
    for run in (run for runs in filled for run in runs):
        value = metric.compared_confirmation(run)
        if value is None:
            continue
        if diverged(run, value):
            n_diverged += 1
        else:
            by_number.setdefault(run.number, []).append(value)
    # A repetition that a study lacks without having diverged in it would mix studies of different weight.
    numbers = set.intersection(*({run.number for run in runs} for runs in filled)) if filled else set()
    scores = [float(np.mean(values)) for number, values in sorted(by_number.items()) if number in numbers]
    n = sum(len(values) for values in by_number.values()) + n_diverged
    return confirmed_of(scores, n_diverged=n_diverged, metric=metric, n_averaged=max(1, len(filled)), n=n)


def _over_studies(entry: Entry, metric: ObjectiveMetric) -> Interval | None:
    scores = [
        [
            value
            for run in study.tuned
            if (value := metric.compared_confirmation(run)) is not None and not diverged(run, value)
        ]
        for study in entry.studies
    ]
    means = [float(np.mean(values)) for values in scores if values]
    if len(means) < MIN_SEEDS:
        return None
    step = step_of_mean(
        metric.confirmed_resolution.steps([[s for of in scores for s in of]]), min(map(len, scores)) or 1
    )
    return mean_interval(means, step=float(step[0]), bounds=metric.value_bounds)


def _configuration(entry: Entry, index: int) -> dict[str, str]:
    """Return the configuration of a study's best trial: the searched arguments, and a fixed learning rate."""
    study = entry.studies[index]
    if study.best is None:
        return {}
    shown = dict.fromkeys(("learning_rate", *study.ranges)) if "learning_rate" not in study.ranges else study.ranges
    return {argument: study.best.params[argument] for argument in shown if argument in study.best.params}


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
