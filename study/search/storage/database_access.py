"""Connections to PostgreSQL, and its locks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import optuna
import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

# The server compares all times, in one time zone that does not depend on a client's environment.
# A worker that is paused while it holds a lock loses the lock after ten minutes.
_CONNECT = {
    "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=10min",
    "connect_timeout": 10,
    # A machine that is gone, or a cable: the connection is lost within a minute instead of two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_LOCK = sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)")


def open_database(url: str, **engine_kwargs: Any) -> optuna.storages.BaseStorage:
    """Return a database as Optuna's storage.

    Args:
        url: Address of the database.
        **engine_kwargs: Further arguments of SQLAlchemy's engine.
    """
    # No heartbeat_interval: with ask and tell Optuna sends none, and warns at every trial that it does not.
    return optuna.storages.get_storage(
        optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": _CONNECT, **engine_kwargs})
    )


def open_engine(url: str) -> sqlalchemy.Engine:
    """Return an engine beside Optuna's own.

    Args:
        url: Address of the database.
    """
    return sqlalchemy.create_engine(url, connect_args=_CONNECT, pool_pre_ping=True)


@contextlib.contextmanager
def locked(engine: sqlalchemy.Engine, key: int) -> Iterator[sqlalchemy.Connection]:
    """Hold a lock of the server. The lock ends with the connection, also if the process dies.

    Args:
        engine: The engine.
        key: Number of the lock.
    """
    connection = engine.connect()
    try:
        connection.execute(_LOCK, {"key": key})
        yield connection
    finally:
        # A connection that was lost has ended the lock; the writes of the block came before, or they failed.
        with contextlib.suppress(SQLAlchemyError):
            connection.rollback()
            connection.close()
