"""The metrics that a resumed run already has, so that nothing is written twice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlflow.entities import Metric
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from study.tracking.connection import is_database
from study.tracking.mlflow_internals import delete_metrics, is_known
from study.tracking.mlflow_schema import from_stored
from study.tracking.outbox.entries import ERROR, Log, RunEntry, Start

# A metric's name and step.
Place = tuple[str, int]

# Relative difference up to which two values are the same: float32 resolves 6e-8, databases round much later digits.
_RELATIVE = 1e-12
# The steps of these metrics count samples, and nothing logs them again.
_SAMPLED = "system/"


@dataclass(kw_only=True)
class ResumedStudy:
    """The run of a study that continues, with any metrics.

    Attributes:
        values: The stored metrics, by name and step.
    """

    values: dict[Place, float]

    def missing(self, metrics: Sequence[Metric]) -> list[Metric]:
        """Return the metrics to write: those not stored yet, and those with a new value, such as a count.

        Args:
            metrics: New metrics of the run.
        """
        return [m for m in metrics if not (_place(m) in self.values and _is_same(self.values[_place(m)], m.value))]

    def wrote(self, metrics: Sequence[Metric]) -> None:
        """Add metrics to the stored ones.

        Args:
            metrics: The metrics that were written.
        """
        self.values |= {_place(m): m.value for m in metrics}


@dataclass(kw_only=True)
class ResumedTrial:
    """The run of a trial or a confirmation that continues, as long as its training repeats the stored metrics.

    Attributes:
        start: The start of a run that would replace it.
        values: The stored metrics, by name and step.
        unseen: Metrics of epochs and steps that the training has not reached again, by name and step. Default set().
        passed: The entries since the continuation, kept as long as a metric is unseen. Default: empty.
    """

    start: Start
    values: dict[Place, float]
    unseen: set[Place] = field(default_factory=set)
    passed: list[RunEntry] = field(default_factory=list)

    def contradicts(self, entry: RunEntry) -> bool:
        """Return whether an entry shows that another training wrote the run.

        Either a metric has another value than the stored one, or the training ends without a metric that is stored.

        Args:
            entry: The next entry of the run.
        """
        if not isinstance(entry, Log):
            return False
        has_ended = "state" in entry.tags
        return not self._agrees(entry.metrics) or (has_ended and bool(self.unseen - set(map(_place, entry.metrics))))

    def missing(self, metrics: Sequence[Metric]) -> list[Metric]:
        """Return the metrics to write: those not stored yet.

        Args:
            metrics: New metrics of the run.
        """
        return [m for m in metrics if _place(m) not in self.values]

    def passes(self, entry: RunEntry) -> None:
        """Note that the training has reached the metrics of an entry again.

        Args:
            entry: The entry.
        """
        if self.unseen:
            self.passed.append(entry)
            self.unseen.difference_update(map(_place, entry.metrics if isinstance(entry, Log) else ()))
        if not self.unseen:
            self.passed.clear()

    def _agrees(self, metrics: Sequence[Metric]) -> bool:
        """Return whether no metric has another value than the stored one.

        The metrics of step 0 belong to the end, such as seconds: the stored values stay.
        """
        stored = (m for m in metrics if m.step != 0 and _place(m) in self.values)
        return all(_is_same(self.values[_place(m)], m.value) for m in stored)


def resume_study(client: MlflowClient, run_id: str) -> ResumedStudy:
    """Read the metrics of a study's run.

    Args:
        client: A client of the store.
        run_id: Id of the study's run.
    """
    return ResumedStudy(values=_stored_values(client, run_id))


def resume_trial(client: MlflowClient, run_id: str, start: Start) -> ResumedTrial:
    """Read the metrics of the run of a trial or a confirmation.

    Args:
        client: A client of the store.
        run_id: Id of the run.
        start: The start of a run that would replace it.
    """
    values = _stored_values(client, run_id)
    return ResumedTrial(start=start, values=values, unseen={place for place in values if place[1] > 0})


def forget_outcome(client: MlflowClient, run_id: str) -> None:
    """Delete the outcome of a failed attempt from its run: the traceback and, if the store is a database, the metrics.

    A server cannot delete a metric; a version of MLflow that `mlflow_internals` does not know cannot either. Then a
    metric that is reported again is compared with the stored one.

    Args:
        client: A client of the store.
        run_id: Id of the run.
    """
    if any(file.path == ERROR for file in client.list_artifacts(run_id)):
        place = client.get_run(run_id).info.artifact_uri
        get_artifact_repository(place, tracking_uri=client.tracking_uri).delete_artifacts(ERROR)
    if is_database(client.tracking_uri) and is_known():
        delete_metrics(client, run_id)


def _stored_values(client: MlflowClient, run_id: str) -> dict[Place, float]:
    keys = [key for key in client.get_run(run_id).data.metrics if not key.startswith(_SAMPLED)]
    return {
        _place(metric): from_stored(metric.value) for key in keys for metric in client.get_metric_history(run_id, key)
    }


def _place(metric: Metric) -> Place:
    return metric.key, metric.step


def _is_same(stored: float, value: float) -> bool:
    return math.isclose(stored, value, rel_tol=_RELATIVE) or (math.isnan(stored) and math.isnan(value))
