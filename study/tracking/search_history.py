"""The course of a search as metrics of its study's run: a value for each trial, so that MLflow draws curves."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mlflow.entities import Metric

from study.config.schema import Objective
from study.tracking.mlflow_schema import to_metrics
from study.tracking.study_summary import TrialOutcome

# Metrics of a study's run whose steps are numbers of trials.
BEST_SO_FAR, OF_TRIAL = "best_so_far", "objective_of_trial"


class SearchHistory:
    """The objectives of a study's trials in the order of their numbers, and the best one up to each trial.

    Args:
        objective: The objective of the search.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._next = 0
        self._best: float | None = None

    def take(self, outcomes: Mapping[int, TrialOutcome], *, timestamp_ms: int) -> list[Metric]:
        """Return the points of the trials that have ended since the last call.

        A trial waits until all trials before it have ended, so that a point never changes.

        Args:
            outcomes: Outcomes of the study's trials so far, by number.
            timestamp_ms: Time of the points, in milliseconds since 1970.
        """
        metrics: list[Metric] = []
        while (outcome := outcomes.get(self._next)) is not None:
            values: dict[str, float] = {}
            value = outcome.metrics.get("objective", math.nan)
            if outcome.state == "complete" and math.isfinite(value):
                values[OF_TRIAL] = value
                if self._best is None or self._objective.better(value, self._best):
                    self._best = value
            if self._best is not None:
                values[BEST_SO_FAR] = self._best
            metrics += to_metrics(values, step=self._next, timestamp_ms=timestamp_ms)
            self._next += 1
        return metrics
