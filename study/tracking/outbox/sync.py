"""Deliver the entries that wait for a server after their study has ended or was killed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from study.core.errors import StoreError
from study.core.redaction import redact
from study.tracking.connection import connect, store_errors
from study.tracking.outbox.entries import Log
from study.tracking.outbox.mlflow_writer import MlflowWriter
from study.tracking.outbox.resumed_run import resume_study
from study.tracking.outbox.spool import read_spool, taken


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """The result of delivering a spool.

    Attributes:
        study: Names of the experiment and the study.
        tracking_uri: Address of the server, without a password.
        n_records: Number of delivered records.
    """

    study: str
    tracking_uri: str
    n_records: int


def deliver_spool(path: Path, *, tracking_uri: str | None = None) -> SyncResult | None:
    """Deliver the entries of a spool and remove it; entries that were delivered before are not written twice.

    Args:
        path: Path of the spool.
        tracking_uri: Address of the server, if it has changed or needs a password. None (the default): the address in
            the spool.

    Returns:
        The result; None if a living process holds the spool and delivers it itself.

    Raises:
        StoreError: The server is away, or the spool is damaged; the spool is kept.
    """
    with taken(path) as is_ours:
        if not is_ours:
            return None
        address, entries = read_spool(path)
        uri = tracking_uri or address.tracking_uri
        if ":***@" in uri:
            raise StoreError(f"{path}: the password for {uri} is not kept. Give the address with --tracking-uri.")
        repeat_nothing(uri)
        client = connect(uri, create=False)
        with store_errors(uri, f"the records in {path} cannot be delivered"):
            resumed = {address.run_id: resume_study(client, address.run_id)}
            mlflow_writer = MlflowWriter(client, address.experiment_id, resumed=resumed)
            waiting: dict[str, Log] = {}
            for entry in entries:
                if isinstance(entry, Log) and not entry.tags:
                    before = waiting.get(entry.run, Log(run=entry.run))
                    waiting[entry.run] = Log(run=entry.run, metrics=[*before.metrics, *entry.metrics])
                    continue
                if (log := waiting.pop(entry.run, None)) is not None:
                    mlflow_writer.deliver(log, again=True)
                mlflow_writer.deliver(entry, again=True)
            for log in waiting.values():
                mlflow_writer.deliver(log, again=True)
            mlflow_writer.remove_doubles()
        path.unlink()
    return SyncResult(study=f"{address.experiment}/{address.study}", tracking_uri=redact(uri), n_records=len(entries))


def repeat_nothing(tracking_uri: str) -> None:
    """Keep MLflow from repeating calls, which would create runs twice.

    Args:
        tracking_uri: Address of the store.
    """
    if tracking_uri.startswith("http"):
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
