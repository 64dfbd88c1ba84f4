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
from mlflow.entities import Metric, Param
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from mlflow.utils.uri import append_to_uri_path

from study.tracking import schema
from study.tracking.background import RunHandle

_METRICS_PER_CALL = 1000


@dataclass(kw_only=True)
class Draft:
    """A run that is written once it has ended.

    Attributes:
        run: Gets the run's id when it is written.
        name: The run's name.
        tags: Its tags.
        params: Its params.
        started: When it started, in milliseconds since 1970.
        metrics: Its metrics so far.
        ended: When it ended.
        status: MLflow's word for how it ended.
        error: The traceback of a failed trial.
        replaced: Ids of runs that it takes the place of.
    """

    run: RunHandle
    name: str
    tags: Mapping[str, str]
    params: Sequence[Param]
    started: int
    replaced: Sequence[str]
    metrics: list[Metric] = field(default_factory=list)
    ended: int = 0
    status: str = "RUNNING"
    error: str | None = None


def write_drafts(client: MlflowClient, experiment_id: str, drafts: Sequence[Draft]) -> None:
    """Write runs that ended; a store that is no database gets them one by one."""
    for draft in drafts:
        for run_id in draft.replaced:
            client.delete_run(run_id)
    store = client._tracking_client.store
    if isinstance(store, SqlAlchemyStore):
        _insert(store, experiment_id, drafts)
    else:
        for draft in drafts:
            _log(client, experiment_id, draft)
    for draft in drafts:
        if draft.error is not None:
            client.log_text(draft.run.run_id, draft.error, "error.txt")


def _log(client: MlflowClient, experiment_id: str, draft: Draft) -> None:
    created = client.create_run(experiment_id, draft.started, dict(draft.tags), run_name=draft.name)
    draft.run.run_id = created.info.run_id
    schema.log_in_batches(client, draft.run.run_id, params=list(draft.params), tags={})
    for first in range(0, len(draft.metrics), _METRICS_PER_CALL):
        client.log_batch(draft.run.run_id, metrics=draft.metrics[first : first + _METRICS_PER_CALL])
    client.set_terminated(draft.run.run_id, draft.status, end_time=draft.ended)


def _insert(store: SqlAlchemyStore, experiment_id: str, drafts: Sequence[Draft]) -> None:
    """Insert the rows that MLflow's own calls would have made (mlflow.store.tracking.sqlalchemy_store)."""
    location = store.get_experiment(experiment_id).artifact_location
    for draft in drafts:
        draft.run.run_id = uuid.uuid4().hex
    rows: dict[Any, list[dict[str, Any]]] = {
        SqlRun: [_run_row(draft, experiment_id, location) for draft in drafts],
        SqlTag: [
            {"key": tag.key, "value": tag.value, "run_uuid": draft.run.run_id}
            for draft in drafts
            for tag in schema.to_tags({**draft.tags, "mlflow.runName": draft.name})
        ],
        SqlParam: [
            {"key": param.key, "value": param.value, "run_uuid": draft.run.run_id}
            for draft in drafts
            for param in draft.params
        ],
        SqlMetric: [_metric_row(store, metric, draft) for draft in drafts for metric in dict.fromkeys(draft.metrics)],
        SqlLatestMetric: [
            _metric_row(store, metric, draft) for draft in drafts for metric in _latest(draft.metrics).values()
        ],
    }
    with store.ManagedSessionMaker(read_only=False) as session:
        for table, inserted in rows.items():
            if inserted:
                session.execute(sqlalchemy.insert(table), inserted)


def _run_row(draft: Draft, experiment_id: str, location: str) -> dict[str, Any]:
    return {
        "name": draft.name,
        "artifact_uri": append_to_uri_path(location, draft.run.run_id, SqlAlchemyStore.ARTIFACTS_FOLDER_NAME),
        "run_uuid": draft.run.run_id,
        "experiment_id": int(experiment_id),
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "user_id": draft.tags.get("mlflow.user", "unknown"),
        "status": draft.status,
        "start_time": draft.started,
        "end_time": draft.ended,
        "deleted_time": None,
        "source_version": "",
        "lifecycle_stage": "active",
    }


def _metric_row(store: SqlAlchemyStore, metric: Metric, draft: Draft) -> dict[str, Any]:
    is_nan, value = store.sanitize_metric_value(metric.value)
    row = {"key": metric.key, "value": value, "timestamp": metric.timestamp, "step": metric.step}
    return {**row, "is_nan": is_nan, "run_uuid": draft.run.run_id}


def _latest(metrics: Sequence[Metric]) -> dict[str, Metric]:
    """Return the last value of each metric: of the highest step, the latest of these."""
    latest: dict[str, Metric] = {}
    for metric in metrics:
        known = latest.get(metric.key)
        if known is None or (metric.step, metric.timestamp) >= (known.step, known.timestamp):
            latest[metric.key] = metric
    return latest
