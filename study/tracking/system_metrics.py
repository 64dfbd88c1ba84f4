"""Sample the load of the machine while a study runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from study.core.errors import StoreError
from study.tracking import mlflow_schema
from study.tracking.mlflow_internals import next_step
from study.tracking.outbox.entries import Log, RunEntry


class SystemMetricsThread:
    """A thread that records MLflow's system metrics at intervals.

    MLflow's own thread ends as soon as the store does not answer once.

    Args:
        run_id: Id of the run that gets the metrics; its steps continue.
        tracking_uri: Address of the store.
        interval_s: Time between two samples, in seconds.
        put: Takes the entries.
        is_told: Returns whether the run has results. Until then, for `longest_wait` samples, the samples wait, since
            MLflow compares runs first by the metric that was written first.
        longest_wait: The number of samples that wait. Default 120.

    Raises:
        StoreError: The store cannot be read, or the installed MLflow is not the one that this class was written for.
    """

    def __init__(
        self,
        run_id: str,
        tracking_uri: str,
        *,
        interval_s: float,
        put: Callable[..., None],
        is_told: Callable[[], bool],
        longest_wait: int = 120,
    ) -> None:
        self._monitor: Any = SystemMetricsMonitor(run_id, resume_logging=True, tracking_uri=tracking_uri)
        self._step = next_step(self._monitor)
        self._interval_s = interval_s
        self._run_id = run_id
        self._put, self._is_told = put, is_told
        self._waiting: list[RunEntry] = []
        self._longest_wait = longest_wait
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="system metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and write the samples that wait."""
        self._over.set()
        self._thread.join()
        with contextlib.suppress(StoreError):  # the next write raises it again
            self._put(*self._waiting)

    def _run(self) -> None:
        while True:
            self._monitor.collect_metrics()
            if self._over.wait(self._interval_s):
                return
            values = {f"system/{name}": value for name, value in self._monitor.aggregate_metrics().items()}
            for monitor in self._monitor.monitors:
                monitor.clear_metrics()
            metrics = mlflow_schema.to_metrics(values, step=self._step, timestamp_ms=mlflow_schema.now_ms())
            self._waiting.append(Log(run=self._run_id, metrics=metrics))
            try:
                if self._is_told() or len(self._waiting) > self._longest_wait:
                    entries, self._waiting, self._longest_wait = self._waiting, [], 0
                    self._put(*entries)
            except StoreError:  # the next write raises it again
                return
            self._step += 1
