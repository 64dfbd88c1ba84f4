"""The store that many machines share: Optuna on PostgreSQL, and heartbeats that show which workers are alive.

While PostgreSQL is away, operations wait and are repeated (`repeat`). So each can be called again after it failed
anywhere, also after its last write arrived and only the answer was lost.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping

import optuna
import sqlalchemy

from study.core.database_errors import answers
from study.core.errors import StoreAwayError, StoreError
from study.core.machine import process_on
from study.core.outages import SHORT_PATIENCE_S, Outage, Result, reason_of_outage
from study.search.optuna_internals import database_of
from study.search.storage.database_access import locked, open_database, open_engine
from study.search.storage.heartbeats import alive, appear, beat, begin, silent
from study.search.storage.server_errors import PostgresqlAwayError, postgresql_errors

# Heartbeats that a worker sends within `stale_after_s`.
_BEATS = 4
# Longest time between two heartbeats while the server is away, in seconds.
_BEATS_AGAIN_S = 1.0
_CREATING = 0x6F7074756E61  # any number; it names the lock for making tables and studies
_WRITES = ("INSERT", "UPDATE", "DELETE")
_STILL_THERE = sqlalchemy.text("SELECT 1")


class PostgresqlStorage:
    """The database, as one of the study's workers sees it.

    Args:
        url: Address of the database.
        study: Digest of the study, in hexadecimal digits.
        stale_after_s: Time without a heartbeat after which a worker counts as dead, in seconds.
        patience_s: Longest wait for a server that is away, in seconds.

    Attributes:
        optuna: The database as Optuna's storage.
        worker: Name of this worker.
    """

    def __init__(self, url: str, *, study: str, stale_after_s: float, patience_s: float) -> None:
        self.worker = f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._url, self._stale_after_s = url, stale_after_s
        self._key = int(study, 16)
        # A second engine, since Optuna's own gives each thread only one connection.
        self._engine = open_engine(url)
        with locked(self._engine, _CREATING):  # one worker makes the tables
            self.optuna: optuna.storages.BaseStorage = open_database(url, pool_pre_ping=True)
        sqlalchemy.event.listen(database_of(self.optuna).engine, "before_cursor_execute", self._check_lock)
        meanwhile = "Training goes on meanwhile. "
        self._outage = Outage("PostgreSQL", patience_s=patience_s, meanwhile=meanwhile, away=PostgresqlAwayError)
        self._here = _OfThread()
        self._watched: set[int] = set()
        self._appeared_in: int | None = None
        self._lost: set[int] = set()
        self._changing = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeats", daemon=True)
        self._thread.start()

    def repeat(self, operation: Callable[[], Result]) -> Result:
        """Call an operation; while the server is away, call it again.

        Heartbeats come before each repetition, so that the other workers see this one before it takes trials over.
        A call inside another one is not repeated by itself: it may lie inside a lock that was lost.

        Args:
            operation: The operation, which may be called again after it failed anywhere.

        Raises:
            StoreAwayError: The server was away for longer than `patience_s`.
        """
        if self._here.repeats:
            return operation()

        def call() -> Result:
            with postgresql_errors(self._url):
                return operation()

        self._here.repeats = True
        try:
            return self._outage.bridge(call, probe=self._send_heartbeats)
        finally:
            self._here.repeats = False

    @contextlib.contextmanager
    def creating(self) -> Iterator[None]:
        """Keep all workers from opening a study during the block.

        Raises:
            StoreError: The server failed in the block.
        """
        with postgresql_errors(self._url), self._locked(_CREATING):
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the study's other workers from asking and telling during the block. A dead worker's lock ends.

        Raises:
            StoreError: The server failed in the block.
        """
        with postgresql_errors(self._url), self._locked(self._key):
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Turn a failure of the server into a StoreError.

        Raises:
            StoreError: The server failed in the block.
        """
        with postgresql_errors(self._url):
            yield

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Turn a failure of the server into a StoreError.

        Raises:
            StoreError: The server failed in the block.
        """
        with postgresql_errors(self._url):
            yield

    def watch(self, trial_id: int) -> None:
        """Begin to send heartbeats for a trial.

        Args:
            trial_id: Id of the trial in the storage.
        """
        with self._engine.begin() as connection:
            begin(connection, trial_id)
        with self._changing:
            self._watched.add(trial_id)

    def unwatch(self, trial_id: int) -> None:
        """Stop the heartbeats for a trial.

        Args:
            trial_id: Id of the trial in the storage.
        """
        with self._changing:
            self._watched.discard(trial_id)
            self._lost.discard(trial_id)

    def lost(self) -> frozenset[int]:
        """Return the trials that other workers took over, since this worker was paused and sent no heartbeats."""
        with self._changing:
            return frozenset(self._lost)

    def abandoned(self, running: Mapping[int, str | None]) -> set[int]:
        """Return those of the other workers' running trials whose worker is dead.

        After an outage, the other workers first have the time for a heartbeat.

        Args:
            running: Names of the workers, by id of the trial; None: the worker died before it gave its name.
        """
        # A trial without a worker comes from a worker that died while asking: only one worker asks at a time.
        unnamed = {trial_id for trial_id, worker in running.items() if worker is None}
        if self._outage.is_recent(self._stale_after_s):
            return unnamed
        with self._engine.connect() as connection:
            return unnamed | silent(connection, running, stale_after_s=self._stale_after_s)

    def appear(self, study_id: int) -> None:
        """Begin to send heartbeats of this worker, apart from those for its trials.

        Args:
            study_id: Id of the study in the storage.
        """
        with self._engine.begin() as connection:
            appear(connection, self.worker, study_id=study_id)
        with self._changing:
            self._appeared_in = study_id

    def dead(self, workers: Collection[str], study_id: int) -> set[str]:
        """Return those of the other workers that are dead.

        After an outage, the other workers first have the time for a heartbeat.

        Args:
            workers: Names of the workers.
            study_id: Id of the study in which they appeared.
        """
        if self._outage.is_recent(self._stale_after_s):
            return set()
        with self._engine.connect() as connection:
            return set(workers) - alive(connection, workers, study_id=study_id, stale_after_s=self._stale_after_s)

    def worker_text(self, worker: str | None) -> str:
        """Return the process of a worker in words, and whether it is stopped, if it runs on this machine."""
        host, pid, *_ = [*(worker or "").split(":"), ""]
        return process_on(host, int(pid)) if pid.isdecimal() else "another process"

    def close(self) -> None:
        """End the heartbeats and the connections."""
        self._stopped.set()
        self._thread.join(timeout=2.0)  # a heartbeat that a server does not answer ends with the process
        self._engine.dispose()
        database_of(self.optuna).engine.dispose()

    @contextlib.contextmanager
    def _locked(self, key: int) -> Iterator[None]:
        """Hold a lock; a write of Optuna in the block fails once the lock is lost."""
        with locked(self._engine, key) as connection:
            self._here.lock = connection
            try:
                yield
            finally:
                self._here.lock = None

    def _check_lock(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        # Optuna's own connection may be a new one, opened after a restart of the server that ended the lock.
        if self._here.lock is not None and statement.startswith(_WRITES):
            self._here.lock.execute(_STILL_THERE)

    def _beat(self) -> None:
        """Send heartbeats until the end. If all are lost, other workers take the trials over."""
        interval_s = wait_s = self._stale_after_s / _BEATS
        while not self._stopped.wait(wait_s):
            late = threading.Timer(interval_s, self._outage.failed, ("heartbeats", "it does not answer"))
            late.daemon = True
            late.start()
            try:
                self._send_heartbeats()
            except StoreAwayError as error:
                self._outage.failed("heartbeats", reason_of_outage(error))
                wait_s = min(interval_s, _BEATS_AGAIN_S)
            except StoreError:
                wait_s = interval_s
            else:
                self._outage.succeeded("heartbeats")
                wait_s = interval_s
            finally:
                late.cancel()

    def _send_heartbeats(self) -> None:
        with self._changing:
            watched, appeared_in = sorted(self._watched), self._appeared_in
        with postgresql_errors(self._url), self._engine.begin() as connection:
            arrived = beat(connection, watched)
            if appeared_in is not None:
                appear(connection, self.worker, study_id=appeared_in)
        with self._changing:
            self._lost |= self._watched & (set(watched) - arrived)


class _OfThread(threading.local):
    """State of one thread: the connection that holds a lock, and whether an operation is being repeated."""

    lock: sqlalchemy.Connection | None = None
    repeats = False


@contextlib.contextmanager
def open_postgresql(url: str, *, study: str, stale_after_s: float, patience_s: float) -> Iterator[PostgresqlStorage]:
    """Open a database as another worker of a study; make the tables if there are none.

    A server that is away is waited for, as in `wait_for_postgresql`.

    Args:
        url: Address of the database.
        study: Digest of the study, in hexadecimal digits.
        stale_after_s: Time without a heartbeat after which a worker counts as dead, in seconds.
        patience_s: Longest wait for a server that is away, in seconds.

    Raises:
        StoreError: The server cannot be reached, or refuses the connection.
    """

    def opened() -> PostgresqlStorage:
        with postgresql_errors(url):
            return PostgresqlStorage(url, study=study, stale_after_s=stale_after_s, patience_s=patience_s)

    storage = wait_for_postgresql(opened, patience_s=patience_s)
    try:
        yield storage
    finally:
        storage.close()


def wait_for_postgresql(operation: Callable[[], Result], *, patience_s: float) -> Result:
    """Call an operation of a command that begins; while the server is away, call it again.

    A server that answers once, such as that it starts, stops or has no connection left, is given `patience_s`. One
    that does not answer at all may have another address: it is given at most `SHORT_PATIENCE_S`.

    Args:
        operation: The operation.
        patience_s: Longest wait for a server that is away, in seconds.

    Raises:
        StoreAwayError: The server is still away.
    """
    has_answered = False

    def patience_of(error: StoreAwayError) -> float:
        nonlocal has_answered
        has_answered = has_answered or answers(error)
        return patience_s if has_answered else min(patience_s, SHORT_PATIENCE_S)

    return Outage("PostgreSQL", patience_s=patience_s).bridge(operation, patience_of=patience_of)


def read_postgresql(url: str) -> optuna.storages.BaseStorage | None:
    """Return a database as Optuna's storage without writing to it; None if it has no tables.

    Args:
        url: Address of the database.

    Raises:
        StoreError: The server cannot be reached, or refuses the connection.
    """
    with postgresql_errors(url):
        engine = open_engine(url)
        with engine.connect() as connection:
            is_made = sqlalchemy.inspect(connection).has_table("studies")
        engine.dispose()
        # Without a pool, no connection stays open.
        return open_database(url, poolclass=sqlalchemy.NullPool) if is_made else None


@contextlib.contextmanager
def hold_postgresql(url: str) -> Iterator[None]:
    """Keep all workers from opening a study of a database during the block.

    Args:
        url: Address of the database.

    Raises:
        StoreError: The server failed in the block.
    """
    with postgresql_errors(url):
        engine = open_engine(url)
        try:
            with locked(engine, _CREATING):
                yield
        finally:
            engine.dispose()


def are_alive(
    url: str, trial_ids: Collection[int], *, claiming: tuple[int, Collection[str]], stale_after_s: float
) -> bool:
    """Return whether a worker still sends heartbeats for one of some running trials, or for its claims.

    Args:
        url: Address of the database.
        trial_ids: Ids of the running trials.
        claiming: Id of the study, and the names of the workers that hold its claims.
        stale_after_s: Time without a heartbeat after which a worker counts as dead, in seconds.

    Raises:
        StoreError: The server cannot be reached, or refuses the connection.
    """
    study_id, workers = claiming
    with postgresql_errors(url):
        engine = open_engine(url)
        with engine.connect() as connection:
            heard = set(trial_ids) - silent(connection, trial_ids, stale_after_s=stale_after_s)
            heard_of = alive(connection, workers, study_id=study_id, stale_after_s=stale_after_s)
        engine.dispose()
        return bool(heard or heard_of)
