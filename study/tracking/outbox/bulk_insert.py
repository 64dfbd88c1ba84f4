"""Write many finished runs at once.

MLflow takes a run in four calls or more, each of 3 to 10 ms, which is as long as a small net trains in a vectorized
batch. Where the store is a database its rows are written in one transaction instead, 20 times as fast.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from mlflow.entities import Metric
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from mlflow.utils.uri import append_to_uri_path

from study.tracking import mlflow_schema
from study.tracking.outbox.entries import ERROR, File, Finish, Log, RunEntry, Start
from study.tracking.outbox.mlflow_writer import MlflowWriter


@dataclass(kw_only=True)
class Draft:
    """A run that is written once it has ended.

    Attributes:
        start: How it started.
        metrics: Its metrics so far.
        tags: Tags that it got at its end.
        ended: When it ended.
        status: MLflow's word for how it ended.
        error: The traceback of a failed trial.
    """

    start: Start
    metrics: list[Metric] = field(default_factory=list)
    tags: Mapping[str, str] = field(default_factory=dict)
    ended: int = 0
    status: str = "RUNNING"
    error: str | None = None


def entries_of(draft: Draft) -> list[RunEntry]:
    """Return what would have been said of a run one by one."""
    run = draft.start.run
    file = [] if draft.error is None else [File(run=run, path=ERROR, content=draft.error.encode())]
    log = Log(run=run, metrics=draft.metrics, tags=draft.tags)
    return [draft.start, *file, log, Finish(run=run, status=draft.status, ended=draft.ended)]


def insert_drafts(
    client: MlflowClient, mlflow_writer: MlflowWriter, experiment_id: str, drafts: Sequence[Draft]
) -> None:
    """Write runs that ended into a database, in the place of those before them; one that had failed goes on."""
    for draft in drafts:
        if draft.start.before:
            for entry in entries_of(draft):
                mlflow_writer.deliver(entry)
    new = [draft for draft in drafts if not draft.start.before]
    ids = {draft.start.run: uuid.uuid4().hex for draft in new}
    _insert(client._tracking_client.store, experiment_id, new, ids)
    for draft in new:
        if draft.error is not None:
            client.log_text(ids[draft.start.run], draft.error, ERROR)
    mlflow_writer.know(ids)


def _insert(store: SqlAlchemyStore, experiment_id: str, drafts: Sequence[Draft], ids: Mapping[str, str]) -> None:
    """Insert the rows that MLflow's own calls would have made (mlflow.store.tracking.sqlalchemy_store)."""
    location = store.get_experiment(experiment_id).artifact_location
    rows: dict[Any, list[dict[str, Any]]] = {
        SqlRun: [_run_row(draft, ids[draft.start.run], experiment_id, location) for draft in drafts],
        SqlTag: [
            {"key": tag.key, "value": tag.value, "run_uuid": ids[draft.start.run]}
            for draft in drafts
            for tag in mlflow_schema.to_tags({**draft.start.tags, **draft.tags, "mlflow.runName": draft.start.name})
        ],
        SqlParam: [
            {"key": param.key, "value": param.value, "run_uuid": ids[draft.start.run]}
            for draft in drafts
            for param in mlflow_schema.to_params(draft.start.params)
        ],
        SqlMetric: [
            _metric_row(store, metric, ids[draft.start.run])
            for draft in drafts
            for metric in dict.fromkeys(draft.metrics)
        ],
        SqlLatestMetric: [
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
    """Return the last value of each metric: of the highest step, the latest of these."""
    latest: dict[str, Metric] = {}
    for metric in metrics:
        known = latest.get(metric.key)
        if known is None or (metric.step, metric.timestamp) >= (known.step, known.timestamp):
            latest[metric.key] = metric
    return latest
