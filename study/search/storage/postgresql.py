"""The store that many machines share: Optuna on PostgreSQL, and heartbeats that show which workers are alive."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import uuid
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import optuna
import psutil
import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from study.core.errors import StoreError
from study.core.machine import process_text
from study.search.optuna_internals import database_of

# Heartbeats that a worker sends within `stale_after_s`.
_BEATS = 4
_CREATING = 0x6F7074756E61  # any number; it names the lock for making tables and studies
# The server compares all times, in one time zone that does not depend on a client's environment.
# A worker that is paused while it holds a lock loses the lock after ten minutes.
_CONNECT = {
    "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=10min",
    "connect_timeout": 10,
    "keepalives_idle": 30,
}
_LOCK = sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)")
# The tables below are those of Optuna 5.0; `check_version` refuses another Optuna before a database is opened.
_BEGIN = sqlalchemy.text(
    "INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (:trial_id, LOCALTIMESTAMP) "
    "ON CONFLICT (trial_id) DO UPDATE SET heartbeat = LOCALTIMESTAMP"
)
_BEAT = sqlalchemy.text(
    "UPDATE trial_heartbeats AS h SET heartbeat = LOCALTIMESTAMP FROM trials AS t "
    "WHERE t.trial_id = h.trial_id AND t.state = 'RUNNING' AND h.trial_id = ANY(:trial_ids) RETURNING h.trial_id"
)
_SILENT = sqlalchemy.text(
    "SELECT t.trial_id FROM trials AS t LEFT JOIN trial_heartbeats AS h ON t.trial_id = h.trial_id "
    "WHERE t.trial_id = ANY(:trial_ids) AND t.state = 'RUNNING' "
    "AND (h.heartbeat IS NULL OR h.heartbeat < LOCALTIMESTAMP - make_interval(secs => :stale_after_s))"
)


class PostgresqlStorage:
    """The database, as one of the study's workers sees it.

    Args:
        url: Address of the database.
        study: Digest of the study, in hexadecimal digits.
        stale_after_s: Time without a heartbeat after which a worker counts as dead, in seconds.

    Attributes:
        optuna: The database as Optuna's storage.
        worker: Name of this worker.
    """

    def __init__(self, url: str, *, study: str, stale_after_s: float) -> None:
        self.worker = f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._url, self._stale_after_s = url, stale_after_s
        self._key = int(study, 16)
        # A second engine, since Optuna's own gives each thread only one connection.
        self._engine = _engine(url)
        with _lock(self._engine, _CREATING):  # one worker makes the tables
            self.optuna: optuna.storages.BaseStorage = _optuna_storage(url, pool_pre_ping=True)
        self._watched: set[int] = set()
        self._lost: set[int] = set()
        self._changing = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeats", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def creating(self) -> Iterator[None]:
        """Keep all workers from opening a study during the block.

        Raises:
            StoreError: The server failed in the block.
        """
        with _told(self._url), _lock(self._engine, _CREATING):
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the study's other workers from asking and telling during the block. A dead worker's lock ends.

        Raises:
            StoreError: The server failed in the block.
        """
        with _told(self._url), _lock(self._engine, self._key):
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Turn a failure of the server into a StoreError.

        Raises:
            StoreError: The server failed in the block.
        """
        with _told(self._url):
            yield

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Turn a failure of the server into a StoreError.

        Raises:
            StoreError: The server failed in the block.
        """
        with _told(self._url):
            yield

    def watch(self, trial_id: int) -> None:
        """Begin to send heartbeats for a trial.

        Args:
            trial_id: Id of the trial in the storage.
        """
        with self._engine.begin() as connection:
            connection.execute(_BEGIN, {"trial_id": trial_id})
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

        Args:
            running: Names of the workers, by id of the trial; None: the worker died before it gave its name.
        """
        # A trial without a worker comes from a worker that died while asking: only one worker asks at a time.
        unnamed = {trial_id for trial_id, worker in running.items() if worker is None}
        with self._engine.connect() as connection:
            values = {"trial_ids": list(running), "stale_after_s": self._stale_after_s}
            return unnamed | set(connection.execute(_SILENT, values).scalars())

    def worker_text(self, worker: str | None) -> str:
        """Return the process of a worker in words, and whether it is stopped, if it runs on this machine.

        Args:
            worker: Name of the worker; None: it has not given its name.
        """
        host, _, rest = (worker or "").partition(":")
        pid = rest.partition(":")[0]
        if not pid.isdecimal():
            return "another process"
        if host == platform.node():
            with contextlib.suppress(psutil.Error):
                return process_text(psutil.Process(int(pid)))
        return f"process {pid} on {host}"

    def close(self) -> None:
        """End the heartbeats and the connections."""
        self._stopped.set()
        self._thread.join()
        self._engine.dispose()
        database_of(self.optuna).engine.dispose()

    def _beat(self) -> None:
        while not self._stopped.wait(self._stale_after_s / _BEATS):
            with self._changing:
                watched = sorted(self._watched)
            # Another heartbeat follows a lost one. If all are lost, other workers take the trials over.
            with contextlib.suppress(SQLAlchemyError):
                with self._engine.begin() as connection:
                    arrived = set(connection.execute(_BEAT, {"trial_ids": watched}).scalars())
                with self._changing:
                    self._lost |= self._watched & (set(watched) - arrived)


@contextlib.contextmanager
def open_postgresql(url: str, *, study: str, stale_after_s: float) -> Iterator[PostgresqlStorage]:
    """Open a database as another worker of a study; make the tables if there are none.

    Args:
        url: Address of the database.
        study: Digest of the study, in hexadecimal digits.
        stale_after_s: Time without a heartbeat after which a worker counts as dead, in seconds.

    Raises:
        StoreError: The server cannot be reached, or refuses the connection.
    """
    with _told(url):
        storage = PostgresqlStorage(url, study=study, stale_after_s=stale_after_s)
    try:
        yield storage
    finally:
        storage.close()


def read_postgresql(url: str) -> optuna.storages.BaseStorage | None:
    """Return a database as Optuna's storage without writing to it; None if it has no tables.

    Args:
        url: Address of the database.

    Raises:
        StoreError: The server cannot be reached, or refuses the connection.
    """
    with _told(url):
        engine = _engine(url)
        with engine.connect() as connection:
            is_made = sqlalchemy.inspect(connection).has_table("studies")
        engine.dispose()
        # Without a pool, no connection stays open.
        return _optuna_storage(url, poolclass=sqlalchemy.NullPool) if is_made else None


@contextlib.contextmanager
def hold_postgresql(url: str) -> Iterator[None]:
    """Keep all workers from opening a study of a database during the block.

    Args:
        url: Address of the database.

    Raises:
        StoreError: The server failed in the block.
    """
    with _told(url):
        engine = _engine(url)
        try:
            with _lock(engine, _CREATING):
                yield
        finally:
            engine.dispose()


def are_alive(url: str, trial_ids: Collection[int], *, stale_after_s: float) -> bool:
    """Return whether a worker still sends heartbeats for one of some running trials.

    Args:
        url: Address of the database.
        trial_ids: Ids of the running trials.
        stale_after_s: Time without a heartbeat after which a worker counts as dead, in seconds.

    Raises:
        StoreError: The server cannot be reached, or refuses the connection.
    """
    with _told(url):
        engine = _engine(url)
        with engine.connect() as connection:
            values = {"trial_ids": list(trial_ids), "stale_after_s": stale_after_s}
            silent = set(connection.execute(_SILENT, values).scalars())
        engine.dispose()
        return bool(set(trial_ids) - silent)


def _optuna_storage(url: str, **engine_kwargs: Any) -> optuna.storages.BaseStorage:
    # No heartbeat_interval: with ask and tell Optuna sends none, and warns at every trial that it does not.
    return optuna.storages.get_storage(
        optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": _CONNECT, **engine_kwargs})
    )


def _engine(url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url, connect_args=_CONNECT, pool_pre_ping=True)


@contextlib.contextmanager
def _lock(engine: sqlalchemy.Engine, key: int) -> Iterator[None]:
    """Hold a lock of the server. The lock ends with the connection, also if the process dies."""
    with engine.begin() as connection:
        connection.execute(_LOCK, {"key": key})
        yield


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        advice = "Install the extra: pip install 'optimizer-study[distributed]'."
        raise StoreError(f"storage.optuna_url={url}: its driver is not installed ({error}). {advice}") from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise StoreError(
            f"storage.optuna_url={url}: PostgreSQL cannot be used ({reason}). Check that it runs, that the database "
            "exists and that PGPASSWORD or ~/.pgpass has its password; the same command continues the study."
        ) from error
