"""The course of a search as metrics of its study's run: a value for each trial, so that MLflow draws curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from mlflow.entities import Metric

from study.config.schema import Objective
from study.tracking.mlflow_schema import to_metrics
from study.tracking.study_summary import TrialOutcome

# Metrics of a study's run whose steps are numbers of trials.
BEST_SO_FAR, OF_TRIAL = "best_so_far", "objective_of_trial"


class SearchHistory:
    """The objectives of a study's trials in the order of their numbers, and the best one up to each trial.

    A point has the time of its trial's end, so that a point which two workers write is one point in a database.

    Args:
        objective: The objective of the search.
        stored: Points of `best_so_far` that the store has, by step; they stay as they are. Default: none.
    """

    def __init__(self, objective: Objective, stored: Mapping[int, float] = MappingProxyType({})) -> None:
        self._objective, self._stored = objective, stored
        self._next = 0
        self._best: float | None = None
        self._told: float | None = None
        self._failed: set[int] = set()

    def take(self, outcomes: Mapping[int, TrialOutcome], *, timestamp_ms: int) -> list[Metric]:
        """Return the points of the trials that have ended since the last call.

        A trial waits until all trials before it have ended, so that a point never changes. A failed trial that is
        trained again comes late: if it is the best, the curve rises at its present end.

        Args:
            outcomes: Outcomes of the study's trials so far, by number.
            timestamp_ms: The present time, in milliseconds since 1970.
        """
        metrics: list[Metric] = []
        again = sorted(n for n in self._failed if n in outcomes and outcomes[n].state != "failed")
        self._failed.difference_update(again)
        for number in again:
            metrics += self._points(number, outcomes[number], timestamp_ms)
        while (outcome := outcomes.get(self._next)) is not None:
            if outcome.state == "failed":
                self._failed.add(self._next)
            metrics += self._points(self._next, outcome, timestamp_ms)
            self._next += 1
        if self._told != self._best and self._best is not None:
            metrics += to_metrics({BEST_SO_FAR: self._best}, step=self._next - 1, timestamp_ms=timestamp_ms)
            self._told = self._best
        return metrics

    def _points(self, number: int, outcome: TrialOutcome, timestamp_ms: int) -> list[Metric]:
        """Return the points of a trial that ended; of one that comes late, only its own objective."""
        values: dict[str, float] = {}
        value = outcome.metrics.get("objective", math.nan)
        if outcome.state == "complete" and math.isfinite(value):
            values[OF_TRIAL] = value
            if self._best is None or self._objective.better(value, self._best):
                self._best = value
        if number == self._next and self._best is not None:
            self._told = self._stored.get(number, self._best)
            if number not in self._stored:
                values[BEST_SO_FAR] = self._best
        return to_metrics(values, step=number, timestamp_ms=outcome.ended_ms or timestamp_ms)
