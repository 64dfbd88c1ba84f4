"""What a run holds already when it goes on, so that nothing is written twice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy
from mlflow.entities import Metric
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric
from mlflow.tracking import MlflowClient

from study.tracking.connection import is_database
from study.tracking.mlflow_schema import from_stored
from study.tracking.outbox.entries import ERROR, RunEntry, Start

# Float32 resolves 6e-8; a database's way with digits is far below this.
_RELATIVE = 1e-12
# Their steps count samples; they are logged by nothing that is repeated.
_SAMPLED = "system/"


@dataclass(kw_only=True)
class Held:
    """The metrics of a run that goes on, and what was said about it since.

    Attributes:
        values: What it holds, by metric and step.
        start: How a run in its place would start; None for a study's run, which nothing takes the place of.
        unseen: Metrics of epochs and steps that the training has not come to again.
        passed: What was said since it goes on, kept as long as something is unseen.
    """

    values: dict[tuple[str, int], float]
    start: Start | None = None
    unseen: set[tuple[str, int]] = field(default_factory=set)
    passed: list[RunEntry] = field(default_factory=list)

    def agrees(self, metrics: Sequence[Metric]) -> bool:
        """Tell whether these are the values that are held, wherever some are.

        Step 0 holds what is known at the end, seconds among it: that stays as it is.
        """
        return all(m.step == 0 or self._holds(m, unless_missing=False) for m in metrics)

    def missing(self, metrics: Sequence[Metric]) -> list[Metric]:
        """Return those that are to be written; what a study's run is told anew, such as a count, is."""
        if self.start is None:
            return [m for m in metrics if not self._holds(m, unless_missing=True)]
        return [m for m in metrics if (m.key, m.step) not in self.values]

    def saw(self, metrics: Sequence[Metric], entry: RunEntry) -> None:
        """Remember that the training has come to these again; a study's run holds them from now on."""
        if self.start is None:
            self.values |= {(m.key, m.step): m.value for m in metrics}
            return
        if self.unseen:
            self.passed.append(entry)
            self.unseen.difference_update((m.key, m.step) for m in metrics)
        if not self.unseen:
            self.passed.clear()

    def _holds(self, metric: Metric, *, unless_missing: bool) -> bool:
        held = self.values.get((metric.key, metric.step))
        if held is None:
            return not unless_missing
        same = math.isclose(held, metric.value, rel_tol=_RELATIVE)
        return same or (math.isnan(held) and math.isnan(metric.value))


def forget_outcome(client: MlflowClient, run_id: str) -> None:
    """Take from a run what its failed attempt left: its traceback and, where the store is a database, its metrics.

    A server takes no metric back, so what is reported again is compared with what it holds.
    """
    if any(file.path == ERROR for file in client.list_artifacts(run_id)):
        place = client.get_run(run_id).info.artifact_uri
        get_artifact_repository(place, tracking_uri=client.tracking_uri).delete_artifacts(ERROR)
    if is_database(client.tracking_uri):
        with client._tracking_client.store.ManagedSessionMaker(read_only=False) as session:
            for table in (SqlMetric, SqlLatestMetric):
                session.execute(sqlalchemy.delete(table).where(table.run_uuid == run_id))


def read_held(client: MlflowClient, run_id: str, start: Start | None) -> Held:
    """Read what a run holds."""
    keys = [key for key in client.get_run(run_id).data.metrics if not key.startswith(_SAMPLED)]
    values = {
        (metric.key, metric.step): from_stored(metric.value)
        for key in keys
        for metric in client.get_metric_history(run_id, key)
    }
    return Held(values=values, start=start, unseen={place for place in values if place[1] > 0 and start is not None})
