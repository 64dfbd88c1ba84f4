"""Train a batch of trials or confirmations, and record and show each of them as it goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from study.config.schema import Objective
from study.core.trainer_interface import SETTING_WORDS, EpochReport, Kind, Together, Trial, TrialResult, nothing
from study.pipeline.context import StudyContext
from study.pipeline.live_view import Ended
from study.search.failed_trials import explained, failure_messages

More = Callable[[int, Sequence[TrialResult]], Sequence[Trial]]
# Results of trials, each with its objective.
Scored = list[tuple[TrialResult, float]]


def train_batch(
    context: StudyContext,
    kind: Kind,
    trials: Sequence[Trial],
    *,
    more: More | None = None,
    begun: Callable[[], None] = nothing,
    ending: Callable[[int], None] = nothing,
) -> Scored:
    """Train a batch and return each result with its objective.

    Args:
        context: The study's parts.
        kind: `trial`, or the setting that is confirmed.
        trials: The trials of the batch.
        more: See `Together`. Only a trainer of several trials at once gets this and the next two arguments. None (the
            default): a batch keeps its trials.
        begun: See `Together`. Default: ignore.
        ending: See `Together`. Default: ignore.
    """
    start_trials(context, kind, trials, in_bulk=len(trials) > 1)
    if context.trainer.capacity > 1:
        follower = _BatchFollower(context, kind)

        def device_begins() -> None:
            context.view.trains()
            begun()

        together = Together(epoch_ended=follower.epoch_ended, more=more, begun=device_begins, ending=ending)
        return end_trials(context, kind, context.trainer.train(trials, follower.on_epoch, together))

    def on_epoch(trial: Trial, report: EpochReport) -> bool:
        value = _note_epoch(context, kind, trial, report)
        return kind != "trial" or not context.search.judge([(trial, report.epoch, value)])

    return end_trials(context, kind, context.trainer.train(trials, on_epoch))


def start_trials(context: StudyContext, kind: Kind, trials: Sequence[Trial], *, in_bulk: bool) -> None:
    """Record and show that trials begin.

    Args:
        context: The study's parts.
        kind: `trial`, or the setting that is confirmed.
        trials: The trials.
        in_bulk: Write their records together, which is quicker for many.
    """
    if kind == "trial" and context.search.were_begun(trials):
        context.tracker.finished("trial")  # reads the runs that dead workers left, and replaces them
    for trial in trials:
        context.tracker.start(kind, trial, in_bulk=in_bulk)
        if context.events is not None:
            context.events.start(kind, trial)
        context.view.trial_started(kind, trial.number)


def end_trials(context: StudyContext, kind: Kind, results: Sequence[TrialResult]) -> Scored:
    """Record how trials ended, and return each result with its objective.

    Args:
        context: The study's parts.
        kind: `trial`, or the setting that is confirmed.
        results: The results.
    """
    told = [explained(result, context.config) for result in results]
    ended = [(result, score(result, context.config.objective)) for result in told]
    for result, objective in ended:
        for message in result.messages:
            context.view.message(message)
        context.tracker.end(kind, result, objective=objective)
        if context.events is not None:
            context.events.end(kind, result, objective=objective)
    return ended


def show_ended(context: StudyContext, kind: Kind, ended: Scored) -> None:
    """Show how trials or confirmations ended.

    Args:
        context: The study's parts.
        kind: `trial`, or the setting that is confirmed.
        ended: The results with their objectives.
    """
    context.view.trials_ended(
        kind,
        [
            Ended(number=r.trial.number, state=r.state, objective=None if math.isnan(value) else value)
            for r, value in ended
        ],
        best=context.search.best(),
        n_spent=context.search.n_spent,
    )
    failed = [result for result, _ in ended if result.state == "failed"]
    title = "trial" if kind == "trial" else f"confirmation ({SETTING_WORDS[kind]})"
    for message in failure_messages(failed, context.config, title=title):
        context.view.message(message)


def score(result: TrialResult, objective: Objective) -> float:
    """Return a trial's objective: the metric at the kept epoch, usually the last one; the worst value if it diverged.

    A failed trial has no objective: NaN.

    Args:
        result: The trial's result.
        objective: The study's objective.
    """
    values = result.history.get(objective.metric, ())
    if result.state == "failed":
        return math.nan
    kept = int(result.summary.get("kept_epoch", len(values)))  # early stopping may keep those of an earlier epoch
    if result.state == "diverged" or not values or not math.isfinite(values[kept - 1]):
        return objective.worst
    return float(values[kept - 1])


class _BatchFollower:
    """Follower of trials that train side by side."""

    def __init__(self, context: StudyContext, kind: Kind) -> None:
        self._context, self._kind = context, kind
        self._reported: list[tuple[Trial, int, float]] = []

    def on_epoch(self, trial: Trial, report: EpochReport) -> bool:
        """Record an epoch; the decision waits until all trials have reported it."""
        self._reported.append((trial, report.epoch, _note_epoch(self._context, self._kind, trial, report)))
        return True

    def epoch_ended(self, diverged: Sequence[Trial]) -> set[int]:
        """Return the numbers of the trials to stop."""
        reported, self._reported = self._reported, []
        stopped = self._context.search.judge(reported) if self._kind == "trial" else set()
        for number in stopped:
            self._context.view.stopped(self._kind, number, "pruned")
        for trial in diverged:
            self._context.view.stopped(self._kind, trial.number, "diverged")
        return stopped


def _note_epoch(context: StudyContext, kind: Kind, trial: Trial, report: EpochReport) -> float:
    """Record and show an epoch, and return its objective."""
    value = report.metrics[context.config.objective.metric]
    context.tracker.epoch(kind, trial, report)
    if context.events is not None:
        context.events.epoch(kind, trial, report)
    n_epochs = context.config.budget.n_epochs
    context.view.epoch(kind, trial.number, epoch=report.epoch, n_epochs=n_epochs, value=value)
    return value
