"""The phases of a study: search for the best point, then train it and the untuned optimizer on fresh seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from study import live
from study.config import Objective, StudyConfig
from study.failures import Failures, all_failed, explained
from study.results import EpochReport, Kind, Together, Trainer, Trial, TrialResult, nothing
from study.search import Best, Search
from study.search_pruners import waits_for_finished_trials
from study.tracking.writer import StudyTracker

More = Callable[[int, Sequence[TrialResult]], Sequence[Trial]]

# Between two looks at what other workers do, in seconds.
POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who takes part in a study."""

    config: StudyConfig
    search: Search
    tracker: StudyTracker
    trainer: Trainer
    view: live.View


def search(cast: Cast, *, meanwhile: Callable[[], bool] = lambda: False) -> Best | None:
    """Train trials until the budget is spent, and return the best; None when none completed.

    Args:
        cast: Who takes part.
        meanwhile: Something useful to do while other workers train the last trials; tells whether it did anything.

    Raises:
        FailedTrialsError: Too many trials failed one after the other, or all of them.
    """
    limit = cast.config.budget.time_limit_s
    started = time.monotonic()
    failures = Failures(cast.config.max_failed_trials)
    proposed: list[Trial] = []  # not trained yet
    ended: list[tuple[TrialResult, float]] = []  # not told yet

    def is_over() -> bool:
        return limit is not None and time.monotonic() - started >= limit

    def ask(n: int) -> list[Trial]:
        return [] if n == 0 or is_over() else cast.search.ask(n)

    def more(n: int, results: Sequence[TrialResult]) -> list[Trial]:
        _spend(cast, _end(cast, "trial", results), failures)
        trials = ask(n)
        _start(cast, "trial", trials, in_bulk=True)
        return trials

    def propose(n_left: int = 0) -> None:
        lacking = cast.trainer.capacity - len(proposed)
        proposed.extend(ask(lacking // (n_left + 1)))

    def begun() -> None:
        cast.search.expect_plots()
        spend()

    def spend() -> None:
        told, ended[:] = list(ended), []
        _spend(cast, told, failures)

    changes = None if cast.config.deterministic else more
    # What no result changes can be proposed, and the last batch be told, while the device is at work.
    ending = propose if cast.search.is_blind and changes is None else nothing
    propose()
    _warn_of_blind_pruner(cast, len(proposed))
    while proposed or _others_are_to_end(cast, meanwhile, is_over=is_over):
        if proposed:
            trials, proposed[:] = list(proposed), []
            came_to = train(cast, "trial", trials, more=changes, begun=begun, ending=ending)
            spend()
            ended += came_to
            cast.tracker.write()
        if not proposed or any(result.state == "failed" for result, _ in ended):
            spend()
        propose()
    if len(errors := cast.search.errors) >= cast.config.n_trials:
        raise all_failed(errors)
    return cast.search.best()


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


def _others_are_to_end(cast: Cast, meanwhile: Callable[[], bool], *, is_over: Callable[[], bool]) -> bool:
    """Tell whether other workers still train trials, after a moment for other things."""
    if not (cast.search.others_train() if is_over() else cast.search.n_spent < cast.config.n_trials):
        return False
    if not meanwhile():
        time.sleep(POLL_S)
    return True


def train(
    cast: Cast,
    kind: Kind,
    trials: Sequence[Trial],
    *,
    more: More | None = None,
    begun: Callable[[], None] = nothing,
    ending: Callable[[int], None] = nothing,
) -> list[tuple[TrialResult, float]]:
    """Train a batch, recording and showing it as it goes; return each result with its objective."""
    _start(cast, kind, trials, in_bulk=len(trials) > 1)
    if cast.trainer.capacity > 1:
        watched = _Watched(cast, kind)
        together = Together(epoch_ended=watched.epoch_ended, more=more, begun=begun, ending=ending)
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
        show(cast, "trial", ended)
        failures.note([result for result, _ in ended])


def show(cast: Cast, kind: Kind, ended: Sequence[tuple[TrialResult, float]]) -> None:
    """Show how trials or confirmations ended."""
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
