"""Train a recorded run again and compare it epoch by epoch, or repeat its configuration on fresh seeds."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.config.task import Task
from study.core.packages import PROJECT
from study.core.records import RunRecord
from study.core.search_space import of_config, text_of
from study.core.seeds import confirmation_order_seed, confirmation_run_seed
from study.core.trainer_interface import Trial, TrialResult
from study.report.confirmed import ConfirmedScores, confirmed_metrics
from study.reproduction.config_changes import (
    apply_changes,
    apply_to_point,
    changes_between,
    pin_trainer,
    recorded_value,
)
from study.reproduction.recorded_run import RecordedRun, recorded_seed
from study.reproduction.retrain import Difference, Retrained, RetrainRequest, retrain
from study.statistics.resolution import TRAINER_TOLERANCE
from study.tracking.read_studies import read_histories

# Relative tolerance if versions or the device differ: other kernels add numbers in another order.
LOOSE_TOLERANCE = TRAINER_TOLERANCE
# No budget has this many confirmations, so the seeds of repetitions from this number on are unused.
_FIRST_FRESH = 1_000_000
_MAKES_MODEL = ("model.", "dataset.")
_LOOSENING = ("device", "python", PROJECT)


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """A metric as recorded, and from training the run again.

    Attributes:
        metric: Name of the metric.
        n_compared: Number of compared epochs; 1 for a test metric.
        largest: The largest relative difference; infinite if one side has more epochs or is not a number.
        at: The epoch of the largest difference, from 1; None if there is no difference.
        recorded: The recorded value at this epoch; at the last epoch if there is no difference.
        again: The new value at the same epoch.
    """

    metric: str
    n_compared: int
    largest: float
    at: int | None
    recorded: float
    again: float


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """The result of training a run again, with likely causes if it was not reproduced.

    Attributes:
        trained: True if it was trained again. Unless forced, a difference in data or versions prevents it.
        reproduced: True if every difference is within the tolerance, and the run ended in the same state.
        tolerance: The largest relative difference allowed; 0: bit for bit.
        comparisons: A comparison for each metric.
        recorded_state: The recorded state in which the run ended.
        state: The state in which it ended now; None if it was not trained.
        differences: The differences from the recorded conditions: likely causes.
        device: The device of the new training.
    """

    trained: bool
    reproduced: bool
    tolerance: float
    comparisons: tuple[MetricComparison, ...]
    recorded_state: str
    state: str | None
    differences: tuple[Difference, ...]
    device: str


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """A configuration on fresh seeds, with its recorded confirmations.

    Attributes:
        trained: True if it was trained. Unless forced, a difference in data or versions prevents it.
        results: A result for each seed.
        fresh: Each metric over the seeds, on the split of the confirmations, with its 95 % t interval and divergence.
        recorded: The same metrics over the recorded confirmations of this configuration, in the same form.
        differences: The differences from the recorded conditions.
        device: The device of the new training.
    """

    trained: bool
    results: tuple[TrialResult, ...]
    fresh: Mapping[str, ConfirmedScores]
    recorded: Mapping[str, ConfirmedScores]
    differences: tuple[Difference, ...]
    device: str


def reproduce(
    target: RecordedRun,
    *,
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    force: bool = False,
    allow: Sequence[str] = (),
    apart: bool = False,
) -> Reproduction:
    """Train a run again under its own seeds and compare its metrics epoch by epoch.

    Args:
        target: The run.
        folder: The folder where relative paths start.
        changes: New values of the config, by dotted key. None (the default): none.
        tolerance: The largest relative difference allowed. None (the default): 0 if all conditions are as recorded,
            otherwise `LOOSE_TOLERANCE`.
        force: Train even if the data or the versions of computing packages differ. Default False.
        allow: Packages that the recorded config may call, besides those of `study.config.allowlist`. Default: none.
        apart: Train in a fresh process in any case, so that this one keeps its random state. Default False.

    Raises:
        DataError: The data set cannot be loaded.
        StoreError: The store cannot be read.
        StudyError: The config cannot be read, or training does not depend on a changed key.
    """
    run = target.run
    recorded = recorded_history(target)
    stop = max(map(len, recorded.values()), default=None) if run.state == "pruned" else None
    trials = [trial_of(run)]
    again, changed = _train(
        target, trials, folder=folder, changes=changes, force=force, allow=allow, stop_after=stop, apart=apart
    )
    untrained = Reproduction(
        trained=False,
        reproduced=False,
        tolerance=0.0 if tolerance is None else tolerance,
        comparisons=(),
        recorded_state=str(run.state),
        state=None,
        differences=(*changed, *again.differences),
        device=again.device,
    )
    if not again.results:
        return untrained
    if tolerance is None:
        tolerance = _default_tolerance(again.differences)
    return _compared(untrained, {**recorded, **tested_metrics(run)}, again.results[0], tolerance)


def repeat(
    target: RecordedRun,
    *,
    n_seeds: int,
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    force: bool = False,
    allow: Sequence[str] = (),
) -> Repetition:
    """Train a run's configuration on seeds that its study has not used; nothing is stored.

    Args:
        target: The run that has the configuration.
        n_seeds: Number of seeds.
        folder: The folder where relative paths start.
        changes: New values of the config, by dotted key. None (the default): none.
        force: Train even if the data or the versions of computing packages differ. Default False.
        allow: Packages that the recorded config may call, besides those of `study.config.allowlist`. Default: none.

    Raises:
        DataError: The data set cannot be loaded.
        StoreError: The store cannot be read.
        StudyError: The config cannot be read, or training does not depend on a changed key.
    """
    trials = _fresh_trials(target, n_seeds)
    again, changed = _train(target, trials, folder=folder, changes=changes, force=force, allow=allow)
    study = target.study
    same = [run for run in study.confirmations if run.kind == target.run.kind and not run.superseded]
    return Repetition(
        trained=bool(again.results),
        results=again.results,
        fresh=confirmed_metrics([(each.state, each.last_metrics) for each in again.results], study.params, study.tags),
        recorded=confirmed_metrics([(run.state, run.metrics) for run in same], study.params, study.tags),
        differences=(*changed, *again.differences),
        device=again.device,
    )


def retrain_request(
    target: RecordedRun,
    trials: Sequence[Trial],
    *,
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    force: bool = False,
    allow: Sequence[str] = (),
    stop_after: int | None = None,
) -> RetrainRequest:
    """Return the request that trains trials at a recorded run's point.

    Args:
        target: The run.
        trials: The trials, without hyperparameters.
        folder: The folder where relative paths start.
        changes: New values of the config, by dotted key. None (the default): none.
        force: Train even if the data or the versions of computing packages differ. Default False.
        allow: Packages that the recorded config may call, besides those of `study.config.allowlist`. Default: none.
        stop_after: Number of epochs after which a pruned trial had been stopped. None (the default): train to the end.

    Raises:
        StudyError: Training does not depend on a changed key.
    """
    wanted = _wanted(target, changes)
    recorded = target.hyperparameters
    raw = apply_changes(target.raw, wanted, searched=of_config(recorded))
    pin_trainer(raw, compiled_batch_size=target.run.metrics.get("compiled_batch_size"))
    point = apply_to_point(recorded, wanted)
    return RetrainRequest(
        raw=raw,
        folder=folder,
        trials=[dataclasses.replace(trial, hyperparameters=point) for trial in trials],
        stop_after=stop_after,
        tags=target.study.tags,
        data_digests=target.data_digests,
        # A new value of the model's or the data set's changes the architecture on purpose.
        contents=None if any(key.startswith(_MAKES_MODEL) and key not in point for key in wanted) else target.contents,
        force=force,
        allow=allow,
    )


def compare_histories(
    recorded: Mapping[str, Sequence[float]], again: Mapping[str, Sequence[float]]
) -> tuple[MetricComparison, ...]:
    """Compare the histories of the recorded metrics.

    Args:
        recorded: The recorded histories, by metric: one value per epoch.
        again: The new histories, by metric: one value per epoch.
    """
    return tuple(_compare_metric(metric, values, again.get(metric, ())) for metric, values in recorded.items())


def trial_of(run: RunRecord) -> Trial:
    """Return a recorded run as a trial under its own seeds, without its hyperparameters.

    Args:
        run: The run.

    Raises:
        StoreError: A seed was removed or changed in the store.
    """
    return Trial(
        number=run.number,
        hyperparameters={},
        run_seed=recorded_seed(run, "run_seed"),
        order_seed=recorded_seed(run, "order_seed"),
        test=run.role == "confirmation",
    )


def _compared(
    untrained: Reproduction, recorded: Mapping[str, Sequence[float]], result: TrialResult, tolerance: float
) -> Reproduction:
    """Return a reproduction with the comparison of the recorded and the new histories."""
    comparisons = compare_histories(recorded, {**result.history, **tested_metrics(result)})
    within = all(comparison.largest <= tolerance for comparison in comparisons)
    return dataclasses.replace(
        untrained,
        trained=True,
        reproduced=within and bool(comparisons) and result.state == untrained.recorded_state,
        tolerance=tolerance,
        comparisons=comparisons,
        state=result.state,
    )


def _default_tolerance(differences: Sequence[Difference]) -> float:
    loosened = any(difference.stops or difference.subject in _LOOSENING for difference in differences)
    return LOOSE_TOLERANCE if loosened else 0.0


def _compare_metric(metric: str, recorded: Sequence[float], again: Sequence[float]) -> MetricComparison:
    n_compared = min(len(recorded), len(again))
    differences = [_relative(a, b) for a, b in zip(recorded, again, strict=False)]
    largest = max(differences, default=0.0)
    at: int | None = differences.index(largest) + 1 if largest > 0 else None
    if len(recorded) != len(again):  # one of the two has an epoch that the other lacks
        largest, at = math.inf, n_compared + 1
    shown = (at or n_compared) - 1
    return MetricComparison(
        metric=metric,
        n_compared=n_compared,
        largest=largest,
        at=at,
        recorded=recorded[shown] if shown < len(recorded) else math.nan,
        again=again[shown] if shown < len(again) else math.nan,
    )


def _relative(a: float, b: float) -> float:
    """Return the difference of two numbers relative to the larger one; NaN and infinities equal only themselves."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return abs(a - b) / max(abs(a), abs(b))


def _train(
    target: RecordedRun,
    trials: Sequence[Trial],
    *,
    folder: Path,
    changes: Mapping[str, Any] | None,
    force: bool,
    allow: Sequence[str],
    stop_after: int | None = None,
    apart: bool = False,
) -> tuple[Retrained, list[Difference]]:
    """Train trials at the target's point, with the changes, and return the changes too."""
    request = retrain_request(
        target, trials, folder=folder, changes=changes, force=force, allow=allow, stop_after=stop_after
    )
    raw, arguments = target.at_point, target.arguments
    wanted = _wanted(target, changes)
    changed = [
        Difference(subject=key, recorded=recorded_value(raw, key, arguments=arguments), now=text_of(value))
        for key, value in wanted.items()
    ]
    return retrain(request, apart=apart), [change for change in changed if change.recorded != change.now]


def _wanted(target: RecordedRun, changes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return new values by dotted key: those of an edited file, then those that the user typed."""
    return changes_between(target.at_point, target.exported, arguments=target.arguments) | dict(changes or {})


def recorded_history(target: RecordedRun) -> dict[str, list[float]]:
    """Return a run's history: for each metric of the workload one value per epoch.

    Args:
        target: The run.

    Raises:
        StoreError: The store cannot be read.
    """
    task = target.raw.get("dataset", {}).get("task", {})
    metrics, weighted = (task.get(key) or () for key in ("metrics", "weighted_metrics"))
    names = Task(loss=task.get("loss") or {}, metrics=metrics, weighted_metrics=weighted).metric_names
    histories = read_histories(target.tracking_uri, [target.run.run_id], names)[target.run.run_id]
    return {name: histories[name][1].tolist() for name in names if name in histories}


def tested_metrics(ended: RunRecord | TrialResult) -> dict[str, tuple[float]]:
    """Return the test metrics of a confirmation, recorded or trained now: by metric one value.

    Args:
        ended: The run, or the result.
    """
    values = ended.metrics if isinstance(ended, RunRecord) else ended.summary
    return {name: (value,) for name, value in sorted(values.items()) if name.startswith("test_")}


def _fresh_trials(target: RecordedRun, n_seeds: int) -> list[Trial]:
    """Return trials under seeds that no run of the study had, the same ones for the same study."""
    used = {run.params.get("run_seed") for run in (*target.study.trials, *target.study.confirmations)}
    trials: list[Trial] = []
    study_seed, order_seed = int(target.raw["study_seed"]), int(target.raw["order_seed"])
    for repetition in itertools.count(_FIRST_FRESH):
        run_seed = confirmation_run_seed(study_seed, repetition)
        if str(run_seed) not in used:  # drawn seeds can coincide
            fresh = confirmation_order_seed(study_seed, order_seed, repetition)
            n = len(trials)
            trials.append(Trial(number=n, hyperparameters={}, run_seed=run_seed, order_seed=fresh, test=True))
        if len(trials) == n_seeds:
            break
    return trials
