"""Heartbeats in PostgreSQL, by which workers know that others are alive.

Each running trial has its heartbeat in Optuna's own table. A worker that may train no trial, since it holds claims on
other work, appears in a system attribute of the study, which other programs do not show.

The server compares all times. After a start of the server, its workers have the time for a first heartbeat.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy

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
    "AND (h.heartbeat IS NULL OR h.heartbeat < LOCALTIMESTAMP - make_interval(secs => :stale_after_s) "
    "AND pg_postmaster_start_time() < CURRENT_TIMESTAMP - make_interval(secs => :stale_after_s))"
)
# The key of a worker's attribute. Its value is the time of the last heartbeat, in seconds since 1970.
_WORKER = "worker "
_APPEAR = sqlalchemy.text(
    "INSERT INTO study_system_attributes (study_id, key, value_json) "
    "SELECT study_id, :key, CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) AS TEXT) FROM studies "
    "WHERE study_id = :study_id "
    "ON CONFLICT (study_id, key) DO UPDATE SET value_json = EXCLUDED.value_json"
)
_ALIVE = sqlalchemy.text(
    "SELECT key FROM study_system_attributes WHERE study_id = :study_id AND key = ANY(:keys) "
    "AND (CAST(value_json AS DOUBLE PRECISION) >= EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) - :stale_after_s "
    "OR pg_postmaster_start_time() >= CURRENT_TIMESTAMP - make_interval(secs => :stale_after_s))"
)


def begin(connection: sqlalchemy.Connection, trial_id: int) -> None:
    """Send the first heartbeat of a trial.

    Args:
        connection: Connection to the server.
        trial_id: Id of the trial in the storage.
    """
    connection.execute(_BEGIN, {"trial_id": trial_id})


def beat(connection: sqlalchemy.Connection, trial_ids: Collection[int]) -> set[int]:
    """Send a heartbeat for trials, and return those of them that still run.

    Args:
        connection: Connection to the server.
        trial_ids: Ids of the trials in the storage.
    """
    return set(connection.execute(_BEAT, {"trial_ids": list(trial_ids)}).scalars())


def silent(connection: sqlalchemy.Connection, trial_ids: Collection[int], *, stale_after_s: float) -> set[int]:
    """Return those of some trials that run without a heartbeat in time.

    Args:
        connection: Connection to the server.
        trial_ids: Ids of the trials in the storage.
        stale_after_s: Time without a heartbeat after which a worker counts as dead, in seconds.
    """
    values = {"trial_ids": list(trial_ids), "stale_after_s": stale_after_s}
    return set(connection.execute(_SILENT, values).scalars())


def appear(connection: sqlalchemy.Connection, worker: str, *, study_id: int) -> None:
    """Send a heartbeat of a worker, the first one or a further one; none if the study was deleted.

    Args:
        connection: Connection to the server.
        worker: Name of the worker.
        study_id: Id of the study in the storage.
    """
    connection.execute(_APPEAR, {"study_id": study_id, "key": f"{_WORKER}{worker}"})


def alive(
    connection: sqlalchemy.Connection, workers: Collection[str], *, study_id: int, stale_after_s: float
) -> set[str]:
    """Return those of some workers that sent a heartbeat in time.

    Args:
        connection: Connection to the server.
        workers: Names of the workers.
        study_id: Id of the study in which they appeared.
        stale_after_s: Time without a heartbeat after which a worker counts as dead, in seconds.
    """
    keys = [f"{_WORKER}{worker}" for worker in workers]
    values = {"study_id": study_id, "keys": keys, "stale_after_s": stale_after_s}
    return {key.removeprefix(_WORKER) for key in connection.execute(_ALIVE, values).scalars()}
