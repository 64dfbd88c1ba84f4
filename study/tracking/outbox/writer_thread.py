"""A background thread that writes to the store in order, so that training never waits for it."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mlflow.entities import Metric

from study.core.errors import StoreError
from study.core.outages import SHORT_PATIENCE_S, say
from study.tracking.connection import failed_store, reason_of
from study.tracking.outbox.entries import Log, RunEntry
from study.tracking.outbox.mlflow_writer import MlflowWriter, is_passing
from study.tracking.outbox.spool import Spool

# Time between two attempts to reach a server, in seconds: the first one, doubled each time, up to the longest one.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 5.0
# Longest wait for a server that accepts nothing, at a study's opening and at its end, in seconds; longer than a pause.
PATIENCE_S = SHORT_PATIENCE_S
_LONGEST_REASON = 200

_logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Item:
    entry: RunEntry | None = None
    action: Callable[[], None] | None = None
    done: threading.Event | None = None
    stop: bool = False


@dataclass(kw_only=True)
class _Pending:
    """Metrics not yet written, by run, with their number of entries and the time of the first entry."""

    runs: dict[str, tuple[list[Metric], int]] = field(default_factory=dict)
    since: float = 0.0

    def add(self, entry: Log) -> None:
        if not self.runs:
            self.since = time.monotonic()
        metrics, n_entries = self.runs.get(entry.run, ([], 0))
        metrics.extend(entry.metrics)
        self.runs[entry.run] = metrics, n_entries + 1


class _Abandoned(Exception):
    """The study has ended and its server is away."""


class WriterThread:
    """A queue and the one thread that empties it into the store.

    Metrics of a run are collected for `interval_s` and written in one call. Another entry of a run is written after
    all metrics reported before it. Without a spool, nothing is written after a failure, and every call raises. With
    a spool, an entry is in its file before the call returns, and the thread tries again as long as the server is away.

    Args:
        mlflow_writer: The writer to the store.
        where: The store's name for messages.
        spool: The file in which entries wait; closed with the writer. None (the default): no file.
        interval_s: Longest time that metrics wait for more metrics, in seconds. Default 0.5.
    """

    def __init__(
        self, mlflow_writer: MlflowWriter, *, where: str, spool: Spool | None = None, interval_s: float = 0.5
    ) -> None:
        self._mlflow_writer = mlflow_writer
        self._where = where
        self._spool = spool
        self._interval_s = interval_s
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._pending = _Pending()
        self._failure: Exception | None = None
        self._refused: OSError | None = None
        self._away: Exception | None = None
        self._lock = threading.Lock()  # over the two counts and the spool
        self._n_put = self._n_delivered = 0
        self._abandon = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def put(self, *entries: RunEntry) -> None:
        """Write entries soon.

        Args:
            *entries: The entries, in order.

        Raises:
            StoreError: An earlier write failed, or the spool cannot be written.
        """
        self._check()
        with self._lock:
            if self._spool is not None:
                try:
                    self._spool.append(entries)
                except OSError as error:  # earlier entries are still delivered
                    self._refused = error
                    self._raise_failure()
            self._n_put += len(entries)
            for entry in entries:
                self._queue.put(_Item(entry=entry))

    def act(self, action: Callable[[], None]) -> None:
        """Call a function in the thread after all entries before it are written; it is lost if this process ends.

        Args:
            action: The function.

        Raises:
            StoreError: An earlier write failed.
        """
        self._check()
        self._queue.put(_Item(action=action))

    def flush(self) -> None:
        """Wait until all entries so far are written, or on the disk if there is a spool.

        Raises:
            StoreError: A write failed.
        """
        if self._spool is not None:
            self._check()
            self._spool.sync()
            return
        written = threading.Event()
        self._check()
        self._queue.put(_Item(done=written))
        written.wait()
        self._raise_failure()

    def settle(self) -> bool:
        """Wait until all entries so far are in the store; return False if its server is away.

        Raises:
            StoreError: A write failed.
        """
        self.flush()
        if self._spool is None:
            return True
        written = threading.Event()
        self._queue.put(_Item(done=written))
        settled = self._wait(written.is_set, at_once=self._away is not None)
        self._raise_failure()
        return settled and not self._abandon.is_set()

    def close(self) -> int:
        """Write the remaining entries, end the thread, and return the number of entries that wait for a server.

        Raises:
            StoreError: A write failed.
        """
        self._queue.put(_Item(stop=True))
        if self._away is not None:
            say(f"The study has ended; its last records wait for MLflow's server for up to {PATIENCE_S:g} seconds.")
        if self._spool is None:
            self._thread.join()
        elif not self._wait(lambda: not self._thread.is_alive()):
            self._abandon.set()
            self._thread.join(timeout=1.0)  # a call that still waits ends with the process
        with self._lock:
            self._abandon.set()
            n_waiting = self._n_put - self._n_delivered
            if self._spool is not None:
                self._spool.close(remove=n_waiting == 0)
                self._spool = None
        self._raise_failure()
        return n_waiting

    def _check(self) -> None:
        self._raise_failure()
        if not self._thread.is_alive() or self._abandon.is_set():
            raise StoreError(f"{self._where}: the study's record is closed. Open the study again to write to it.")

    def _raise_failure(self) -> None:
        if (failure := self._failure or self._refused) is not None:
            advice = (
                "Check that it is reachable, not full and not write-protected; the same command continues the study."
            )
            raise failed_store(self._where, "results could not be written", failure, advice) from failure

    def _wait(self, is_over: Callable[[], bool], *, at_once: bool = False) -> bool:
        """Wait as long as entries are delivered; return the final value of `is_over`."""
        n, since = self._n_delivered, time.monotonic()
        while not is_over():
            if n != self._n_delivered:
                n, since, at_once = self._n_delivered, time.monotonic(), False
            if at_once or (self._spool is not None and time.monotonic() - since > PATIENCE_S):
                return is_over()
            time.sleep(0.005)
        return True

    def _run(self) -> None:
        """Empty the queue until the item that stops it; always release the callers that wait for an item."""
        while True:
            try:
                item = self._queue.get(timeout=self._patience())
            except queue.Empty:
                item = _Item()
            try:
                if self._failure is None and not self._abandon.is_set():
                    self._handle(item)
            except _Abandoned:
                pass
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
        entry = item.entry
        if isinstance(entry, Log) and not entry.tags:
            self._pending.add(entry)
            if self._patience() == 0.0:
                self._write_pending()
            return
        self._write_pending(None if entry is None else entry.run)
        if entry is not None:
            self._deliver(entry, n_entries=1)
        if item.action is not None:
            item.action()
        if item.stop and self._spool is not None:
            try:
                self._mlflow_writer.remove_doubles()
            except Exception as error:
                if not is_passing(error):
                    raise
                _logger.warning(
                    "%s: duplicate runs are not removed until the study is opened again: %s", self._where, error
                )

    def _write_pending(self, run: str | None = None) -> None:
        """Write the metrics that wait for a run, or for all of them."""
        for key in list(self._pending.runs) if run is None else [run]:
            if (found := self._pending.runs.pop(key, None)) is not None:
                self._deliver(Log(run=key, metrics=found[0]), n_entries=found[1])

    def _deliver(self, entry: RunEntry, *, n_entries: int) -> None:
        """Deliver an entry; with a spool, try again until the server accepts it."""
        for attempt in itertools.count():
            try:
                self._mlflow_writer.deliver(entry, again=attempt > 0)
                break
            except Exception as error:
                if self._spool is None or not is_passing(error):
                    raise
                if self._away is None:
                    reason = reason_of(error)[:_LONGEST_REASON]
                    say(
                        f"MLflow's server is away since {time.strftime('%H:%M:%S')} ({reason}). Training goes on; "
                        f"records wait in {self._spool.path}."
                    )
                self._away = error
            if self._abandon.wait(min(_FIRST_PAUSE_S * 2 ** min(attempt, 10), _LONGEST_PAUSE_S)):
                raise _Abandoned
        if self._away is not None:
            say("MLflow's server is back, and accepts records again.")
            self._away = None
        with self._lock:
            self._n_delivered += n_entries
            if self._spool is not None and self._n_delivered == self._n_put and not self._abandon.is_set():
                self._spool.clear()
