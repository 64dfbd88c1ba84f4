"""The first phase of a study: train trials until the budget is spent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from study.core.errors import StudyError
from study.core.interrupt import is_stopping, stop_here
from study.core.trainer_interface import BestTrial, Trial, TrialResult, nothing
from study.pipeline.context import StudyContext
from study.pipeline.train_batch import Scored, end_trials, show_ended, start_trials, train_batch
from study.search.claims import LostTrialsError
from study.search.failed_trials import Failures, all_failed
from study.search.pruners import waits_for_finished_trials
from study.search.waiting import Wait


def search(
    context: StudyContext,
    *,
    meanwhile: Callable[[], bool] = lambda: False,
    is_reached: Callable[[], bool] = lambda: False,
) -> BestTrial | None:
    """Train trials until the budget is spent or a target is reached, and return the best so far; None without any.

    Another worker may have a larger budget, and find a better one later.

    Args:
        context: The study's parts.
        meanwhile: Called while other workers train the last trials; returns True if it did something useful. Default:
            do nothing and return False.
        is_reached: Called between batches; returns True if the search has reached its target. Default: return False.

    Raises:
        FailedTrialsError: Too many trials failed one after the other, or all of them.
        LostTrialsError: Other workers took trials of this one over.
    """
    try:
        SearchLoop(context, is_reached).run(meanwhile)
    except LostTrialsError as error:
        context.tracker.lose(error.numbers)
        raise
    errors = context.search.errors
    if len(errors) >= max(context.config.n_trials, context.search.n_spent):  # a lower number than before may be typed
        raise all_failed(errors, context.config)
    _refuse_all_pruned(context)
    return context.search.best()


class SearchLoop:
    """Loop that proposes batches of trials, trains each batch, and reports its results to the search.

    With a sampler that does not learn, the next batch is proposed, and the last one reported, while the device trains.

    Args:
        context: The study's parts.
        is_reached: Returns True if the search has reached its target.
    """

    def __init__(self, context: StudyContext, is_reached: Callable[[], bool] = lambda: False) -> None:
        self._context, self._is_reached = context, is_reached
        self._started = time.monotonic()
        self._failures = Failures(context.config)
        self._proposed: list[Trial] = []  # not trained yet
        self._untold: Scored = []  # trained and recorded, but not reported to the search yet
        # With a target, no trial begins before the results of those before it are known.
        self._has_target, self._is_over = context.config.budget.until is not None, False
        self._refills = not context.config.deterministic and not self._has_target
        self._works_ahead = context.search.is_blind and context.config.deterministic and not self._has_target
        self._wait: Wait | None = None

    def run(self, meanwhile: Callable[[], bool]) -> None:
        """Train batches until the budget is spent or the target reached, and no other worker still trains a trial.

        Args:
            meanwhile: Called while other workers train the last trials; returns True if it did something useful.
        """
        self._propose()
        _warn_of_blind_pruner(self._context, len(self._proposed))
        while self._proposed or self._others_train(meanwhile):
            if self._proposed:
                self._train()
            if not self._proposed or any(result.state == "failed" for result, _ in self._untold):
                self._tell()
            self._propose()

    def _train(self) -> None:
        trials, self._proposed = self._proposed, []
        ended = train_batch(
            self._context,
            "trial",
            trials,
            more=self._refill if self._refills else None,
            begun=self._tell,
            ending=self._propose if self._works_ahead else nothing,
        )
        self._tell()
        self._untold += ended
        self._context.tracker.write()
        if is_stopping():
            self._tell()
            stop_here()

    def _propose(self, n_epochs_left: int = 0) -> None:
        """Propose a part of the next batch; all the rest of it if no epoch of the current batch is left."""
        lacking = self._context.trainer.capacity - len(self._proposed)
        self._proposed.extend(self._ask(lacking // (n_epochs_left + 1)))

    def _refill(self, n: int, results: Sequence[TrialResult]) -> list[Trial]:
        """Report ended trials of the current batch, and start up to `n` new ones in their places."""
        self._spend(end_trials(self._context, "trial", results))
        trials = self._ask(n)
        start_trials(self._context, "trial", trials, in_bulk=True)
        return trials

    def _ask(self, n: int) -> list[Trial]:
        if n == 0:
            return []
        self._is_over = self._time_is_over() or self._is_reached()
        return [] if self._is_over else self._context.search.ask(n)

    def _tell(self) -> None:
        ended, self._untold = self._untold, []
        self._spend(ended)

    def _spend(self, ended: Scored) -> None:
        """Report ended trials to the search, and stop the study if too many fail in a row."""
        if ended:
            self._context.tracker.flush()  # each trial that Optuna counts as spent must have its record
            self._context.search.tell_all(ended)
            show_ended(self._context, "trial", ended)
            self._failures.note([result for result, _ in ended])

    def _time_is_over(self) -> bool:
        limit = self._context.config.budget.time_limit_s
        return limit is not None and time.monotonic() - self._started >= limit

    def _others_train(self, meanwhile: Callable[[], bool]) -> bool:
        """Return whether other workers still train trials; do other work in the meantime."""
        search, n_trials = self._context.search, self._context.config.n_trials
        if not (search.others_train() if self._is_over else search.n_spent < n_trials):
            return False
        if meanwhile():
            self._wait = None
            return True
        self._wait = self._wait or Wait(search.others_text)
        self._wait.pause()
        return True


def _refuse_all_pruned(context: StudyContext) -> None:
    """Refuse to confirm if the pruner stopped every trial: a pruned trial counts for nothing.

    Raises:
        StudyError: No trial completed or diverged.
    """
    states = Counter(context.search.ended.values())
    if not states["pruned"] or states.total() > states["pruned"] + states["failed"]:
        return
    pruner = context.config.pruner
    raise StudyError(
        f"pruner={pruner.name}: it stopped {states['pruned']} of {states.total()} trials, and none trained to its "
        "end, so there is nothing to confirm. To let trainings stop early and count, use pruner=none with "
        "trainer.early_stopping.patience=3; else choose pruner=median or pruner=batch_quantile under another "
        "study_name."
    )


def _warn_of_blind_pruner(context: StudyContext, n_at_once: int) -> None:
    """Warn if a pruner compares with finished trials, and many trials begin before one has finished."""
    pruner, n_trials = context.config.pruner, context.config.n_trials
    if n_at_once <= 1 or not waits_for_finished_trials(pruner.section):
        return
    whom = "none" if n_at_once >= n_trials else f"none of the first {n_at_once}"
    context.view.message(
        f"pruner={pruner.name} compares with finished trials, but {n_at_once} of {n_trials} trials are trained at "
        f"once: it stops {whom}. Use pruner=successive_halving or pruner=batch_quantile, which compare within a batch."
    )
