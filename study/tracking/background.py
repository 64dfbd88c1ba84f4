"""Write to the store from one background thread, in order, so that training never waits for it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from study.errors import StoreError

# The most that MLflow takes in one call.
_METRICS_PER_CALL = 1000


@dataclass(kw_only=True)
class RunHandle:
    """A run that may not have been created yet; the background thread fills in its id."""

    run_id: str = ""


@dataclass(kw_only=True)
class _Item:
    run: RunHandle | None = None
    metrics: Sequence[Metric] = ()
    action: Callable[[], None] | None = None
    done: threading.Event | None = None
    stop: bool = False


@dataclass(kw_only=True)
class _Pending:
    """Metrics not yet written, by run, since when."""

    runs: dict[int, tuple[RunHandle, list[Metric]]] = field(default_factory=dict)
    since: float = 0.0

    def add(self, run: RunHandle, metrics: Sequence[Metric]) -> None:
        if not self.runs:
            self.since = time.monotonic()
        self.runs.setdefault(id(run), (run, []))[1].extend(metrics)

    def take(self, run: RunHandle | None) -> list[tuple[RunHandle, list[Metric]]]:
        """Remove and return what waits for a run, or for all of them."""
        if run is None:
            taken, self.runs = list(self.runs.values()), {}
            return taken
        found = self.runs.pop(id(run), None)
        return [found] if found else []


class BackgroundWriter:
    """A queue and the one thread that empties it into the store.

    Metrics of a run are gathered for `interval_s` and written in one call; an action on a run comes after all
    metrics that were reported for it before. After a failure nothing more is written and every call raises.

    Args:
        client: A client of the store.
        where: The store's name for messages.
        interval_s: How long metrics wait for company, in seconds.
    """

    def __init__(self, client: MlflowClient, *, where: str, interval_s: float = 0.5) -> None:
        self._client = client
        self._where = where
        self._interval_s = interval_s
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._pending = _Pending()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def metrics(self, run: RunHandle, metrics: Sequence[Metric]) -> None:
        """Write metrics of a run soon.

        Raises:
            StoreError: An earlier write failed.
        """
        self._put(_Item(run=run, metrics=metrics))

    def act(self, run: RunHandle | None, action: Callable[[], None]) -> None:
        """Call `action` in the background once everything before it about the run (None: about any) is written.

        Raises:
            StoreError: An earlier write failed.
        """
        self._put(_Item(run=run, action=action))

    def flush(self) -> None:
        """Return when everything so far is written.

        Raises:
            StoreError: A write failed.
        """
        written = threading.Event()
        self._put(_Item(done=written))
        written.wait()
        self._raise_failure()

    def close(self) -> None:
        """Write what is left and end the thread.

        Raises:
            StoreError: A write failed.
        """
        self._queue.put(_Item(stop=True))
        self._thread.join()
        self._raise_failure()

    def _put(self, item: _Item) -> None:
        self._raise_failure()
        if not self._thread.is_alive():
            raise StoreError(f"{self._where}: the study's record is closed. Open the study again to write to it.")
        self._queue.put(item)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            reason = str(self._failure).strip().partition("\n")[0] or type(self._failure).__name__
            raise StoreError(
                f"tracking_uri={self._where}: results could not be written ({reason}). "
                "Check that it is reachable, not full and not write-protected; the same command continues the study."
            ) from self._failure

    def _run(self) -> None:
        """Empty the queue until told to stop; what waits for a flush is always released."""
        while True:
            try:
                item = self._queue.get(timeout=self._patience())
            except queue.Empty:
                item = _Item()
            try:
                if self._failure is None:
                    self._handle(item)
            except Exception as error:
                self._failure = error
            finally:
                if item.done is not None:
                    item.done.set()
            if item.stop:
                return

    def _patience(self) -> float | None:
        if not self._pending.runs:
            return None
        return max(0.0, self._pending.since + self._interval_s - time.monotonic())

    def _handle(self, item: _Item) -> None:
        if item.metrics and item.run is not None:
            self._pending.add(item.run, item.metrics)
            if self._patience() == 0.0:
                self._write(None)
            return
        self._write(item.run)
        if item.action is not None:
            item.action()

    def _write(self, run: RunHandle | None) -> None:
        for handle, metrics in self._pending.take(run):
            for first in range(0, len(metrics), _METRICS_PER_CALL):
                self._client.log_batch(handle.run_id, metrics=metrics[first : first + _METRICS_PER_CALL])
