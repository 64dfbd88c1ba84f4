"""The phases of a study: search for the best point, then train it and the untuned optimizer on fresh seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study import live
from study.config import Objective, StudyConfig
from study.failures import Failures, all_failed, explained
from study.results import ConfirmationConfig, EpochReport, Kind, Together, Trainer, Trial, TrialResult
from study.search import Best, Search
from study.search_pruners import waits_for_finished_trials
from study.seeds import confirmation_order_seed, confirmation_run_seed
from study.space import Value, text_of
from study.tracking.writer import StudyTracker

Weights = tuple[NDArray[np.generic], ...]
More = Callable[[int, Sequence[TrialResult]], Sequence[Trial]]

# Between two looks at what other workers do, in seconds.
_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who takes part in a study."""

    config: StudyConfig
    search: Search
    tracker: StudyTracker
    trainer: Trainer
    view: live.View


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What a worker keeps of the best of its confirmations: the weights of the model to be logged, if it stays so."""

    claim: str
    objective: float
    weights: Weights


def search(cast: Cast) -> Best | None:
    """Train trials until the budget is spent, and return the best; None when none completed.

    Raises:
        FailedTrialsError: Too many trials failed one after the other, or all of them.
    """
    limit = cast.config.budget.time_limit_s
    started = time.monotonic()
    failures = Failures(cast.config.max_failed_trials)

    def is_over() -> bool:
        return limit is not None and time.monotonic() - started >= limit

    def ask(n: int) -> list[Trial]:
        return [] if is_over() else cast.search.ask(n)

    def more(n: int, results: Sequence[TrialResult]) -> list[Trial]:
        _spend(cast, _end(cast, "trial", results), failures)
        trials = ask(n)
        _start(cast, "trial", trials, in_bulk=True)
        return trials

    trials = ask(cast.trainer.capacity)
    _warn_of_blind_pruner(cast, len(trials))
    while trials or _others_are_to_end(cast, is_over=is_over):
        if trials:
            _spend(cast, _train(cast, "trial", trials, more=None if cast.config.deterministic else more), failures)
        trials = ask(cast.trainer.capacity)
    if len(errors := cast.search.errors) >= cast.config.n_trials:
        raise all_failed(errors)
    return cast.search.best()


def confirm(cast: Cast, best: Best | None) -> Confirmed | None:
    """Train the best point and the untuned optimizer, or the one fixed setting, on seeds the search never saw.

    What was confirmed before is not trained again; confirmations of a point that is no longer the best are kept and
    marked as superseded.

    Returns:
        The weights of the best of the confirmations trained now, the untuned ones left out.
    """
    kept: Confirmed | None = None
    settings = _to_confirm(cast.config, best)
    for kind, hyperparameters in settings.items():
        _supersede(cast, kind, hyperparameters)
    while due := [kind for kind in settings if _due(cast, kind)]:
        ended = next(filter(None, (_confirm_some(cast, kind, settings[kind]) for kind in due)), [])
        for result, objective in ended:
            better = kept is None or cast.config.objective.better(objective, kept.objective)
            if result.weights is not None and result.state == "complete" and better:
                claim = _claim("fixed" if "fixed" in settings else "best", result.trial)
                kept = Confirmed(claim=claim, objective=objective, weights=result.weights)
        # The claim on it is held as long as this worker lives: nobody else has its weights.
        cast.search.claims.finish(but=kept and kept.claim)
        if not ended:
            time.sleep(_POLL_S)  # other workers train the last ones, or die and leave them
    return kept


def model_weights(cast: Cast, best: Best | None, kept: Confirmed | None) -> Weights | None:
    """Return the weights of the study's best confirmation where this worker is the one to keep its model.

    That is the worker that trained it; where that one is dead, another trains it once more.
    """
    kind, hyperparameters = next(iter(_to_confirm(cast.config, best).items()))
    scores = {
        number: run.metrics["objective"] * (1.0 if cast.config.objective.direction == "maximize" else -1.0)
        for (of, number), run in cast.tracker.finished("confirmation").items()
        if of == kind != "default" and run.state == "complete"
    }
    if not scores:
        return None
    number = max(scores, key=lambda number: (scores[number], -number))
    trial = confirmation(cast.config, number, hyperparameters, keep_weights=True)
    if kept is not None and kept.claim == _claim(kind, trial):
        return kept.weights
    if not cast.search.claims.once(_claim(kind, trial), ever=True):
        return None
    (result,) = cast.trainer.train([trial], lambda *_: True)
    return result.weights


def n_confirmations_due(config: StudyConfig, tracker: StudyTracker) -> int:
    """Return how many confirmations are still to be trained, provided the best point stays the same."""
    per_setting = config.budget.n_confirmations
    settings = 2 if config.optimizer.ranges else 1
    done = sum(kind != "trial" and number < per_setting for kind, number in tracker.finished())
    return max(settings * per_setting - done, 0)


def confirmation(
    config: StudyConfig, repetition: int, hyperparameters: Mapping[str, Value], *, keep_weights: bool
) -> Trial:
    """Return the trial that is confirmation `repetition` of a point."""
    return Trial(
        number=repetition,
        hyperparameters=hyperparameters,
        run_seed=confirmation_run_seed(config.study_seed, repetition),
        order_seed=confirmation_order_seed(config.order_seed, repetition),
        test=True,
        keep_weights=keep_weights,
    )


def score(result: TrialResult, objective: Objective) -> float:
    """Return a trial's objective: the metric at its last epoch, the worst value where it diverged.

    A failed trial has none, which is NaN.
    """
    values = result.history.get(objective.metric, ())
    if result.state == "failed":
        return math.nan
    if result.state == "diverged" or not values or not math.isfinite(values[-1]):
        return objective.worst
    return float(values[-1])


def _to_confirm(config: StudyConfig, best: Best | None) -> dict[ConfirmationConfig, dict[str, Value]]:
    """Return what is to be confirmed: the hyperparameters by kind."""
    untuned = config.optimizer.arguments({})
    if not config.optimizer.ranges:
        return {"fixed": untuned}
    tuned: dict[ConfirmationConfig, dict[str, Value]] = {}
    if best is not None:
        tuned = {"best": config.optimizer.arguments(best.point)}
    return {**tuned, "default": untuned}


def _others_are_to_end(cast: Cast, *, is_over: Callable[[], bool]) -> bool:
    """Tell whether other workers still train trials, after a moment in which the untuned optimizer is confirmed."""
    if not (cast.search.others_train() if is_over() else cast.search.n_spent < cast.config.n_trials):
        return False
    if cast.config.optimizer.ranges and _confirm_some(cast, "default", cast.config.optimizer.arguments({})):
        cast.search.claims.finish()
    else:
        time.sleep(_POLL_S)
    return True


def _confirm_some(
    cast: Cast, kind: ConfirmationConfig, hyperparameters: Mapping[str, Value]
) -> list[tuple[TrialResult, float]]:
    """Train confirmations that no other worker has taken on, as many as fit; they stay claimed."""
    due = [confirmation(cast.config, r, hyperparameters, keep_weights=kind != "default") for r in _due(cast, kind)]
    claimed = {*cast.search.claims.take([_claim(kind, trial) for trial in due], cast.trainer.capacity)}
    if not claimed:
        return []
    still_due = _due(cast, kind)  # another worker may have ended one just before it was claimed
    trials = [trial for trial in due if _claim(kind, trial) in claimed and trial.number in still_due]
    ended = _train(cast, kind, trials) if trials else []
    cast.tracker.flush()  # a claim is given back when the record is there
    _show(cast, kind, ended)
    return ended


def _due(cast: Cast, kind: ConfirmationConfig) -> list[int]:
    """Return the confirmations that no worker has ended."""
    done = {number for (of, number) in cast.tracker.finished("confirmation") if of == kind}
    return [number for number in range(cast.config.budget.n_confirmations) if number not in done]


def _claim(kind: ConfirmationConfig, trial: Trial) -> str:
    """Return the key under which workers claim a confirmation of a point."""
    point = " ".join(f"{key}={text_of(value)}" for key, value in sorted(trial.hyperparameters.items()))
    return f"{kind} {trial.number} {point}"


def _supersede(cast: Cast, kind: ConfirmationConfig, hyperparameters: Mapping[str, Value]) -> None:
    """Mark the confirmations of another point than this one."""
    expected = {key: text_of(value) for key, value in hyperparameters.items()}
    outdated = [
        record.run_id
        for (of, _), record in cast.tracker.finished("confirmation").items()
        if of == kind and any(record.params.get(key) != value for key, value in expected.items())
    ]
    if outdated:
        cast.view.message(
            f"The search went on after the test split had been seen, and its best point changed: "
            f"{len(outdated)} confirmations are kept and marked as superseded."
        )
        cast.tracker.supersede(kind, outdated)


def _train(
    cast: Cast, kind: Kind, trials: Sequence[Trial], *, more: More | None = None
) -> list[tuple[TrialResult, float]]:
    """Train a batch, recording and showing it as it goes; return each result with its objective."""
    _start(cast, kind, trials, in_bulk=len(trials) > 1)
    if cast.trainer.capacity > 1:
        watched = _Watched(cast, kind)
        together = Together(epoch_ended=watched.epoch_ended, more=more)
        return _end(cast, kind, cast.trainer.train(trials, watched.on_epoch, together))

    def on_epoch(trial: Trial, report: EpochReport) -> bool:
        value = _note(cast, kind, trial, report)
        return kind != "trial" or not cast.search.judge([(trial, report.epoch, value)])

    return _end(cast, kind, cast.trainer.train(trials, on_epoch))


class _Watched:
    """Follows trials that are trained side by side."""

    def __init__(self, cast: Cast, kind: Kind) -> None:
        self._cast, self._kind = cast, kind
        self._reported: list[tuple[Trial, int, float]] = []

    def on_epoch(self, trial: Trial, report: EpochReport) -> bool:
        """Record an epoch; nothing is decided before the others have reported theirs."""
        self._reported.append((trial, report.epoch, _note(self._cast, self._kind, trial, report)))
        return True

    def epoch_ended(self, diverged: Sequence[Trial]) -> set[int]:
        """Return the numbers of the trials that are to be stopped."""
        reported, self._reported = self._reported, []
        stopped = self._cast.search.judge(reported) if self._kind == "trial" else set()
        for number in stopped:
            self._cast.view.stopped(self._kind, number, "pruned")
        for trial in diverged:
            self._cast.view.stopped(self._kind, trial.number, "diverged")
        return stopped


def _start(cast: Cast, kind: Kind, trials: Sequence[Trial], *, in_bulk: bool) -> None:
    if kind == "trial" and cast.search.were_begun(trials):
        cast.tracker.finished("trial")  # it learns of the runs that dead workers left, and replaces them
    for trial in trials:
        cast.tracker.start(kind, trial, in_bulk=in_bulk)
        cast.view.trial_started(kind, trial.number)


def _note(cast: Cast, kind: Kind, trial: Trial, report: EpochReport) -> float:
    """Record and show an epoch, and return its objective."""
    value = report.metrics[cast.config.objective.metric]
    cast.tracker.epoch(kind, trial, report)
    cast.view.epoch(kind, trial.number, epoch=report.epoch, n_epochs=cast.config.budget.n_epochs, value=value)
    return value


def _end(cast: Cast, kind: Kind, results: Sequence[TrialResult]) -> list[tuple[TrialResult, float]]:
    """Record how trials ended and return each with its objective."""
    told = [explained(result, cast.config) for result in results]
    ended = [(result, score(result, cast.config.objective)) for result in told]
    for result, objective in ended:
        cast.tracker.end(kind, result, objective=objective)
    return ended


def _spend(cast: Cast, ended: Sequence[tuple[TrialResult, float]], failures: Failures) -> None:
    """Tell the search how trials ended, and stop where all do nothing but fail."""
    if ended:
        cast.tracker.flush()  # what Optuna counts as spent has its record
        cast.search.tell_all(ended)
        _show(cast, "trial", ended)
        failures.note([result for result, _ in ended])


def _show(cast: Cast, kind: Kind, ended: Sequence[tuple[TrialResult, float]]) -> None:
    best = cast.search.best()
    cast.view.trials_ended(
        kind,
        [
            live.Ended(number=r.trial.number, state=r.state, objective=None if math.isnan(value) else value)
            for r, value in ended
        ],
        best=None if best is None else live.Best(number=best.number, objective=best.objective),
    )


def _warn_of_blind_pruner(cast: Cast, n_at_once: int) -> None:
    """Say so where a pruner compares with trials that have ended, and many begin before one has."""
    pruner, n_trials = cast.config.pruner, cast.config.n_trials
    if n_at_once <= 1 or not waits_for_finished_trials(pruner.section):
        return
    whom = "none" if n_at_once >= n_trials else f"none of the first {n_at_once}"
    cast.view.message(
        f"pruner={pruner.name} compares with trials that have ended, and {n_at_once} of {n_trials} are trained at "
        f"once: it stops {whom}. Use pruner=successive_halving or pruner=batch_quantile, which compare within a batch."
    )
