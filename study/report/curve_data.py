"""Data of the curves: tuning, training, sensitivity to the learning rate, time to target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.core.records import RunRecord
from study.core.search_space import Range
from study.report.early_stops import kept_epoch
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedExperiment, Entry, batch_size_of, number_of
from study.report.value_sensitivity import ENOUGH_FOR_A_WIDTH, tolerance_of
from study.statistics.sensitivity import Sensitivity, learning_rate_sensitivity, width_error
from study.statistics.time_to_target import median_time, time_to_target
from study.statistics.tuning_curve import TuningCurve, expected_tuning_curve, quantile_tuning_curve

Floats = NDArray[np.float64]
_ENOUGH_TRIALS = 2
# Below it, seconds are those of the machine and of what else it does: nothing is ranked by them.
LEAST_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class BestOfTrials:
    """The best of n random trials.

    Attributes:
        median: Median of the best, with its band.
        mean: Mean of the best, shape (n_trials,); infinite where it does not exist.
    """

    median: TuningCurve
    mean: Floats


@dataclass(frozen=True, kw_only=True)
class TrainingQuartiles:
    """Training over confirmation seeds, after each epoch, shape (n_epochs,).

    Attributes:
        epochs: Number of epochs done, from 1.
        steps: Number of optimizer steps done.
        examples: Number of training examples seen, spread evenly over the epochs as the steps are.
        seconds: Time of training in seconds, spread evenly over the epochs of the median run.
        validation: Lower quartile, median and upper quartile of the metric on the validation split.
        training: Lower quartile, median and upper quartile on the training split; None: the metric was not recorded
            there.
    """

    epochs: Floats
    steps: Floats
    examples: Floats
    seconds: Floats
    validation: tuple[Floats, Floats, Floats]
    training: tuple[Floats, Floats, Floats] | None


@dataclass(frozen=True, kw_only=True)
class LearningRates:
    """Trials of a search over the learning rate; scores of diverged trials are NaN here.

    Attributes:
        rates: Learning rate of each trial, shape (n_trials,).
        scores: Validation objective of each trial, shape (n_trials,).
        diverged: True for trials that diverged, shape (n_trials,).
        numbers: Indices of the trials, from 0.
        sensitivity: Envelope and width; None with too few trials.
        error: Standard error of the width, in decades; None without a width.
        searched: The range that was searched.
    """

    rates: Floats
    scores: Floats
    diverged: NDArray[np.bool_]
    numbers: tuple[int, ...]
    sensitivity: Sensitivity | None
    error: float | None
    searched: Range


@dataclass(frozen=True, kw_only=True)
class TimesToTarget:
    """Times until confirmations first reach the target on validation; infinite for never.

    Attributes:
        steps: Optimizer steps of each confirmation, shape (n_runs,).
        seconds: Time of training of each confirmation in seconds, shape (n_runs,).
        median_steps: Median of the steps over the confirmations.
        median_seconds: Median of the seconds over the confirmations.
        n_met: Number of confirmations that reached it.
    """

    steps: Floats
    seconds: Floats
    median_steps: float
    median_seconds: float
    n_met: int


def best_of_trials(entry: Entry, metric: ObjectiveMetric) -> BestOfTrials | None:
    """Return the tuning curve of an entry's trials; None with too few trials.

    Args:
        entry: The entry.
        metric: The study's objective.
    """
    scores = _trial_scores(entry.trials, metric)
    if not entry.searched or len(scores) < _ENOUGH_TRIALS:
        return None
    median = quantile_tuning_curve(scores, direction=metric.direction, bounds=metric.bounds)
    return BestOfTrials(
        median=median, mean=expected_tuning_curve(scores, direction=metric.direction, bounds=metric.bounds).value
    )


def training_quartiles(entry: Entry, experiment: ComparedExperiment) -> TrainingQuartiles | None:
    """Return the training curves over an entry's confirmations; None without a history.

    Args:
        entry: The entry.
        experiment: The experiment, with its histories.
    """
    metric = experiment.metric
    validation = _matrix(entry.tuned, metric.name, experiment)
    if validation is None:
        return None
    learned = _matrix(entry.tuned, metric.training, experiment) if metric.training != metric.name else None
    epochs = np.arange(1, validation.shape[1] + 1, dtype=np.float64)
    steps, seconds = (_per_epoch(entry.tuned, key, experiment) * epochs for key in ("n_steps", "seconds_train"))
    quartiles = None if learned is None else _quartiles(learned[:, : epochs.size])
    return TrainingQuartiles(
        epochs=epochs,
        steps=steps,
        examples=_examples_per_epoch(entry, experiment) * epochs,
        seconds=seconds,
        validation=_quartiles(validation),
        training=quartiles,
    )


def batch_sizes(experiment: ComparedExperiment) -> set[int]:
    """Return the batch sizes of the confirmations of all best and fixed settings.

    Args:
        experiment: The experiment.
    """
    sizes = {batch_size_of(study.record, run) for study in experiment.studies for run in study.tuned}
    return {size for size in sizes if size is not None}


def learning_rates(entry: Entry, metric: ObjectiveMetric) -> LearningRates | None:
    """Return an entry's trials over the learning rate; None if the rate was not searched.

    Args:
        entry: The entry.
        metric: The study's objective.
    """
    if not any("learning_rate" in study.ranges for study in entry.studies):
        return None
    runs = [run for run in entry.trials if number_of(run, "learning_rate") > 0 and run.state != "failed"]
    if not runs:
        return None
    rates = np.array([number_of(run, "learning_rate") for run in runs])
    scores = _trial_scores(runs, metric)
    diverged = np.array([run.state == "diverged" for run in runs])
    found, error = None, None
    if len(runs) >= ENOUGH_FOR_A_WIDTH and not np.all(diverged) and not np.all(np.isinf(scores)):
        tolerance = tolerance_of(scores, metric)
        found = learning_rate_sensitivity(rates, scores, direction=metric.direction, tolerance=tolerance)
        halves = np.random.default_rng(0)  # the same page from the same studies
        error = width_error(
            rates, scores, scale="log", direction=metric.direction, generator=halves, tolerance=tolerance
        )
    return LearningRates(
        rates=rates,
        scores=np.where(diverged, np.nan, scores),
        diverged=diverged,
        numbers=tuple(run.number for run in runs),
        sensitivity=found,
        error=error,
        searched=next(study.ranges["learning_rate"] for study in entry.studies if "learning_rate" in study.ranges),
    )


def times_to_target(entry: Entry, experiment: ComparedExperiment) -> TimesToTarget | None:
    """Return the times at which an entry's confirmations reached the target; None without a target or histories.

    Args:
        entry: The entry.
        experiment: The experiment, with its histories.
    """
    metric = experiment.metric
    values = _matrix(entry.tuned, metric.name, experiment)
    if metric.target is None or values is None:
        return None
    epochs = np.arange(1, values.shape[1] + 1)
    met = time_to_target(values, epochs, target=metric.target, direction=metric.direction)
    runs = [run for run in entry.tuned if metric.name in experiment.histories.get(run.run_id, {})]
    steps, seconds = (
        met * np.array([_rate(run, key, experiment) for run in runs]) for key in ("n_steps", "seconds_train")
    )
    steps, seconds = (np.where(np.isfinite(met), times, np.inf) for times in (steps, seconds))
    return TimesToTarget(
        steps=steps,
        seconds=seconds,
        median_steps=median_time(np.nan_to_num(steps, nan=np.inf, posinf=np.inf)),
        median_seconds=median_time(np.nan_to_num(seconds, nan=np.inf, posinf=np.inf)),
        n_met=int(np.sum(np.isfinite(met))),
    )


def shares_time(experiment: ComparedExperiment) -> str:
    """Return that trainings share their time, where a trainer of many trained some of them; else an empty text.

    Args:
        experiment: The experiment.
    """
    if any("vectorized" in record.params.get("trainer._target_", "") for record in experiment.records):
        return "Runs that the vectorized trainer trains at once share their time equally."
    return ""


def longest_seconds(curves: Mapping[str, TrainingQuartiles]) -> float:
    """Return the seconds of the longest training; 0 where none is known.

    Args:
        curves: The training curves, by label.
    """
    return max((float(curve.seconds[-1]) for curve in curves.values() if np.isfinite(curve.seconds[-1])), default=0.0)


def _trial_scores(runs: Sequence[RunRecord], metric: ObjectiveMetric) -> Floats:
    """Return the objectives of trials; a failed trial counts as the worst value."""
    found = [metric.validation(run) for run in runs]
    return np.array([metric.worst if value is None else value for value in found])


def _matrix(runs: Sequence[RunRecord], metric: str, experiment: ComparedExperiment) -> Floats | None:
    """Return a metric by run and epoch, shape (n_runs, n_epochs), padded with NaN for runs that ended early.

    A diverged run continues with the worst value if that is finite, so that a curve does not show the survivors only.
    A run that stopped early continues with the value at its kept epoch, whose weights it has from then on.
    """
    histories = [
        (run, experiment.histories[run.run_id][metric][1])
        for run in runs
        if metric in experiment.histories.get(run.run_id, {})
    ]
    if not histories:
        return None
    filled = np.full((len(histories), max(len(values) for _, values in histories)), np.nan)
    for row, (run, values) in zip(filled, histories, strict=True):
        row[: len(values)] = values
        if run.state == "diverged" and math.isfinite(experiment.metric.worst):
            row[len(values) :] = experiment.metric.worst
        elif run.state == "complete" and (kept := kept_epoch(run)) is not None and kept <= len(values):
            row[len(values) :] = values[kept - 1]
    filled[~np.isfinite(filled)] = experiment.metric.worst if math.isfinite(experiment.metric.worst) else np.nan
    return filled


def _quartiles(values: Floats) -> tuple[Floats, Floats, Floats]:
    some = np.any(np.isfinite(values), axis=0)
    quartiles = np.full((3, values.shape[1]), np.nan)
    quartiles[:, some] = np.nanquantile(values[:, some], (0.25, 0.5, 0.75), axis=0)
    return quartiles[0], quartiles[1], quartiles[2]


def _per_epoch(runs: Sequence[RunRecord], key: str, experiment: ComparedExperiment) -> float:
    """Return the median over runs of a total divided by the epochs done; NaN if unknown."""
    rates = [rate for run in runs if math.isfinite(rate := _rate(run, key, experiment))]
    return float(np.median(rates)) if rates else math.nan


def _examples_per_epoch(entry: Entry, experiment: ComparedExperiment) -> float:
    """Return the median over confirmations of the examples of an epoch; NaN if unknown."""
    found = []
    for study in entry.studies:
        n_train = study.record.tags.get("n_train", "")
        for run in study.tuned:
            size, n_steps = batch_size_of(study.record, run), _rate(run, "n_steps", experiment)
            if size is not None and math.isfinite(n_steps):  # the last batch of an epoch may be smaller
                found.append(min(n_steps * size, int(n_train) if n_train.isdecimal() else math.inf))
    return float(np.median(found)) if found else math.nan


def _rate(run: RunRecord, key: str, experiment: ComparedExperiment) -> float:
    history = experiment.histories.get(run.run_id, {}).get(experiment.metric.name)
    return run.metrics.get(key, math.nan) / len(history[1]) if history is not None else math.nan
