"""Write many finished runs together, directly into five of MLflow's tables.

MLflow's client needs four calls or more for a run, each of 3 to 10 ms. In a vectorized batch, the training of a small
network takes as long. So if the store is a database, one transaction writes the rows of all runs, which is 20 times as
fast.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mlflow
import sqlalchemy
from mlflow.entities import Metric
from mlflow.store.tracking.dbmodels import models
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from mlflow.utils.uri import append_to_uri_path

from study.tracking import mlflow_internals, mlflow_schema
from study.tracking.outbox.entries import ERROR, File, Finish, Log, RunEntry, Start
from study.tracking.outbox.mlflow_writer import MlflowWriter

_logger = logging.getLogger(__name__)

_METRIC_COLUMNS = frozenset({"is_nan", "key", "run_uuid", "step", "timestamp", "value"})
# The columns of MLflow 3.17, by the class of the table.
_COLUMNS: Mapping[str, frozenset[str]] = {
    "SqlRun": frozenset(
        {
            "artifact_uri",
            "deleted_time",
            "end_time",
            "entry_point_name",
            "experiment_id",
            "lifecycle_stage",
            "name",
            "run_uuid",
            "source_name",
            "source_type",
            "source_version",
            "start_time",
            "status",
            "user_id",
        }
    ),
    "SqlTag": frozenset({"key", "run_uuid", "value"}),
    "SqlParam": frozenset({"key", "run_uuid", "value"}),
    "SqlMetric": _METRIC_COLUMNS,
    "SqlLatestMetric": _METRIC_COLUMNS,
}


@dataclass(kw_only=True)
class Draft:
    """A run that is written once it has ended.

    Attributes:
        start: The entry of the run's start.
        metrics: The run's metrics so far. Default: empty.
        tags: Tags set at its end. Default: empty.
        ended: Time of its end, in milliseconds since 1970. Default 0.
        status: MLflow's status at its end. Default `RUNNING`.
        error: The traceback of a failed trial. None (the default): the trial did not fail.
    """

    start: Start
    metrics: list[Metric] = field(default_factory=list)
    tags: Mapping[str, str] = field(default_factory=dict)
    ended: int = 0
    status: str = "RUNNING"
    error: str | None = None


def entries_of(draft: Draft) -> list[RunEntry]:
    """Return the entries that write a run one by one.

    Args:
        draft: The run.
    """
    run = draft.start.run
    file = [] if draft.error is None else [File(run=run, path=ERROR, content=draft.error.encode())]
    log = Log(run=run, metrics=draft.metrics, tags=draft.tags)
    return [draft.start, *file, log, Finish(run=run, status=draft.status, ended=draft.ended)]


class BulkInsert:
    """Writer of finished runs into a database, all in one transaction.

    This needs the version of MLflow that it was written for: 3.17, and tables with the columns of `_COLUMNS`. With
    another version, MLflow's client writes the runs one by one. The result is the same and takes about 20 times as
    long;
    the log says so once.

    Args:
        client: A client of the database.
        mlflow_writer: The writer of runs that replace or continue others; it gets the ids of all new runs.
        experiment_id: MLflow's id of the runs' experiment.
    """

    def __init__(self, client: MlflowClient, mlflow_writer: MlflowWriter, experiment_id: str) -> None:
        self._client, self._mlflow_writer, self._experiment_id = client, mlflow_writer, experiment_id
        self._unknown = unknown_part()
        self._has_warned = False

    def write(self, drafts: Sequence[Draft]) -> None:
        """Write runs, in the place of those before them; the run of a trial that had failed continues.

        Args:
            drafts: The runs, all of which have ended.
        """
        if self._unknown and not self._has_warned:
            _logger.warning("%s: finished runs are written one by one, which takes longer", self._unknown)
            self._has_warned = True
        for draft in drafts:
            if self._unknown or draft.start.before:
                for entry in entries_of(draft):
                    self._mlflow_writer.deliver(entry)
        if not self._unknown:
            self._insert_new([draft for draft in drafts if not draft.start.before])

    def _insert_new(self, drafts: Sequence[Draft]) -> None:
        ids = {draft.start.run: uuid.uuid4().hex for draft in drafts}
        _insert(mlflow_internals.database_of(self._client), self._experiment_id, drafts, ids)
        for draft in drafts:
            if draft.error is not None:
                self._client.log_text(ids[draft.start.run], draft.error, ERROR)
        self._mlflow_writer.know(ids)


def unknown_part() -> str:
    """Return the unknown part of the installed MLflow: its version, or the columns of a table; empty if none is."""
    if not mlflow_internals.is_known():
        return f"MLflow {mlflow.__version__} is not {mlflow_internals.VERSION}"
    for name, known in _COLUMNS.items():
        table = getattr(models, name, None)
        columns = () if table is None else table.__table__.columns.keys()
        if known != set(columns):
            changed = ", ".join(sorted(known.symmetric_difference(columns)))
            return f"MLflow {mlflow.__version__} has other columns in {name} than expected ({changed})"
    return ""


def _insert(store: SqlAlchemyStore, experiment_id: str, drafts: Sequence[Draft], ids: Mapping[str, str]) -> None:
    """Insert the rows that MLflow's own calls would have made (mlflow.store.tracking.sqlalchemy_store)."""
    location = store.get_experiment(experiment_id).artifact_location
    rows: dict[Any, list[dict[str, Any]]] = {
        models.SqlRun: [_run_row(draft, ids[draft.start.run], experiment_id, location) for draft in drafts],
        models.SqlTag: [
            {"key": tag.key, "value": tag.value, "run_uuid": ids[draft.start.run]}
            for draft in drafts
            for tag in mlflow_schema.to_tags({**draft.start.tags, **draft.tags, "mlflow.runName": draft.start.name})
        ],
        models.SqlParam: [
            {"key": param.key, "value": param.value, "run_uuid": ids[draft.start.run]}
            for draft in drafts
            for param in mlflow_schema.to_params(draft.start.params)
        ],
        models.SqlMetric: [
            _metric_row(store, metric, ids[draft.start.run])
            for draft in drafts
            for metric in dict.fromkeys(draft.metrics)
        ],
        models.SqlLatestMetric: [
            _metric_row(store, metric, ids[draft.start.run])
            for draft in drafts
            for metric in _latest(draft.metrics).values()
        ],
    }
    with store.ManagedSessionMaker(read_only=False) as session:
        for table, inserted in rows.items():
            if inserted:
                session.execute(sqlalchemy.insert(table.__table__), inserted)


def _run_row(draft: Draft, run_id: str, experiment_id: str, location: str) -> dict[str, Any]:
    return {
        "name": draft.start.name,
        "artifact_uri": append_to_uri_path(location, run_id, SqlAlchemyStore.ARTIFACTS_FOLDER_NAME),
        "run_uuid": run_id,
        "experiment_id": int(experiment_id),
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "user_id": draft.start.tags.get("mlflow.user", "unknown"),
        "status": draft.status,
        "start_time": draft.start.started,
        "end_time": draft.ended,
        "deleted_time": None,
        "source_version": "",
        "lifecycle_stage": "active",
    }


def _metric_row(store: SqlAlchemyStore, metric: Metric, run_id: str) -> dict[str, Any]:
    is_nan, value = store.sanitize_metric_value(metric.value)
    row = {"key": metric.key, "value": value, "timestamp": metric.timestamp, "step": metric.step}
    return {**row, "is_nan": is_nan, "run_uuid": run_id}


def _latest(metrics: Sequence[Metric]) -> dict[str, Metric]:
    """Return the last value of each metric: the latest one of the highest step."""
    latest: dict[str, Metric] = {}
    for metric in metrics:
        known = latest.get(metric.key)
        if known is None or (metric.step, metric.timestamp) >= (known.step, known.timestamp):
            latest[metric.key] = metric
    return latest
