"""The end of a search at its target: the best trial so far is confirmed on fresh seeds, and must hold there."""

from __future__ import annotations

from collections.abc import Sequence

from study.core.number_text import score_text
from study.core.trainer_interface import BestTrial
from study.pipeline.confirmation_phase import Confirmed, confirm_best, n_first_look
from study.pipeline.context import StudyContext
from study.statistics.target import level_of_try, lower_limit
from study.tracking.target_tries import read_tries, write_reached, write_try


class TargetWatch:
    """Watch over `budget.until.target`.

    When the best trial reached the target, perhaps by luck, its configuration is confirmed on the seeds of the first
    look. The search ends if a lower confidence limit of the mean validation objective is at the target. The test split
    has no part in this. Each try has half of the error of the one before, so that the search ends wrongly in at most
    5 % of studies.

    Args:
        context: The study's parts.

    Attributes:
        kept: The best confirmation that was trained here, for `confirm`; None: nothing was trained.
    """

    def __init__(self, context: StudyContext) -> None:
        self._context = context
        self._target = context.config.budget.until
        self._uri = context.config.stores.tracking_uri
        self._failed: set[int] = set()  # trials that were tried in vain
        self.kept: Confirmed | None = None

    def is_reached(self) -> bool:
        """Return whether the search has reached its target, after a try if the best trial is a new one."""
        if self._target is None or not self._context.config.ranges:
            return False
        if self._is_recorded():
            return True
        best = self._context.search.best()
        if best is None or best.number in self._failed or not self._is_at(best.objective):
            return False
        if self._context.search.n_spent >= self._context.config.n_trials:
            return False  # the search is over
        return self._holds(best)

    def _is_recorded(self) -> bool:
        """Return whether a worker has recorded that this target, or one beyond it, was reached."""
        reached = read_tries(self._context.tracker.opened, self._uri).reached
        return reached is not None and self._is_at(reached)

    def _is_at(self, value: float) -> bool:
        objective, target = self._context.config.objective, self._target
        return target is not None and (value == target or objective.better(value, target))

    def _holds(self, best: BestTrial) -> bool:
        """Confirm the best point, and return whether it holds; False if another point became the best."""
        context, target = self._context, self._target or 0.0
        number = self._number_of_try(best)
        confirmed = confirm_best(context, best, n=n_first_look(context.config, context.tracker), kept=self.kept)
        if confirmed is None:
            return False
        self.kept = confirmed.kept
        sign = 1.0 if context.config.objective.direction == "maximize" else -1.0
        scores = [sign * value for value in confirmed.objectives]
        limit = sign * lower_limit(scores, level=level_of_try(number), step=self._step)
        if not (holds := self._is_at(limit)):
            self._failed.add(best.number)
        n_ended, mean = context.search.n_spent, sum(confirmed.objectives) / len(scores)
        if holds:
            write_reached(context.tracker.opened, self._uri, target=target, n_trials=n_ended)
        self._tell(best, scores, mean=mean, limit=limit, holds=holds, n_ended=n_ended)
        return holds

    def _number_of_try(self, best: BestTrial) -> int:
        """Return the number of the try of a trial, from 1; one worker at a time counts."""
        opened = self._context.tracker.opened
        with self._context.search.alone():
            tries = read_tries(opened, self._uri)
            if best.number not in tries.trials:
                write_try(opened, self._uri, tries=tries, number=best.number)
        known = (*tries.trials, best.number)
        return known.index(best.number) + 1

    @property
    def _step(self) -> float:
        """The smallest difference of two scores of a share of the validation examples."""
        if not self._context.config.objective.is_share:
            return 0.0
        return 1.0 / max(len(self._context.dataset.validation), 1)

    def _tell(
        self, best: BestTrial, scores: Sequence[float], *, mean: float, limit: float, holds: bool, n_ended: int
    ) -> None:
        metric, n_trials = self._context.config.objective.metric, self._context.config.n_trials
        sure = "at least" if self._context.config.objective.direction == "maximize" else "at most"
        found = f"{metric} {score_text(mean)} on {len(scores)} fresh seeds, {sure} {score_text(limit)}"
        end = f"the search ends after {n_ended} of {n_trials} trials" if holds else "not shown, so the search goes on"
        self._context.view.message(f"budget.until.target={self._target:g}: trial {best.number} has {found}; {end}")
