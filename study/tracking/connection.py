"""Open MLflow's store, or explain in one message why it cannot be opened and what to do next."""

from __future__ import annotations

import contextlib
import errno
import http.client
import logging
import os
import shutil
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import filelock
import mlflow
import sqlalchemy
from alembic.migration import MigrationContext
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from study.core.database_address import sqlite_address
from study.core.database_errors import passes
from study.core.errors import LimitAdvice, StoreAwayError, StoreError, limit_advice
from study.core.machine import cache_folder, holder_text
from study.core.machine_limits import is_locked
from study.core.redaction import redact
from study.tracking.artifact_places import follow_store
from study.tracking.mlflow_internals import initialize_tables, is_known, latest_migrations, migrations

_SERVERS = ("http://", "https://")
# Answers of a proxy whose server is away.
_GATEWAY = (502, 503, 504)
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SIZE_OF_EMPTY = 2**20  # bytes; a new store takes about 0.7 MiB
_FORMS = "sqlite:////absolute/path/mlflow.db, postgresql://user@host/database, or the http address of a server"


def connect(tracking_uri: str, *, create: bool, artifacts: Path | None = None) -> MlflowClient:
    """Return a client of the store at an address, after checking that the store exists and can be used.

    MLflow itself retries an unreachable database for more than a minute, and migrates an older one. So the checks come
    first, and write nothing.

    Args:
        tracking_uri: Address of the store: a database, or a server's http address.
        create: Make an SQLite store that is missing; otherwise a missing store is an error.
        artifacts: The folder for artifacts in a new store, for experiments without their own location. None (the
            default): `artifacts` beside the database.

    Raises:
        StoreError: The store is missing, unreachable, corrupt, of another program or of another version of MLflow.
    """
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Otherwise MLflow prints two lines for every run that ends on a server, and a progress bar for each file.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    path = _sqlite_path(tracking_uri)
    if path is not None and not _has_content(path):
        if not create:
            raise _error(tracking_uri, "there is no store", "Run a study first, or correct tracking_uri.")
        _create_sqlite(tracking_uri, path, artifacts or path.parent / "artifacts")
    check_store(tracking_uri, may_be_empty=create)
    if path is not None:
        beside = path.parent / "artifacts"
        follow_store(path, [beside] if artifacts is None else [artifacts, beside], without_artifacts=create)
    with store_errors(tracking_uri, "the store cannot be opened"):
        return MlflowClient(tracking_uri, registry_uri=tracking_uri)


class Connections:
    """Clients of stores that exist, for the duration of one command.

    An inspection of a database takes 20 ms. A command that reads a store several times has one object of this class
    and
    passes it on, so that each database is inspected once. A database whose file was replaced is inspected again.
    """

    def __init__(self) -> None:
        self._clients: dict[tuple[str, tuple[int, int] | None], MlflowClient] = {}

    def client(self, tracking_uri: str) -> MlflowClient:
        """Return a client of a store, which is inspected at the first call.

        Args:
            tracking_uri: Address of the store.

        Raises:
            StoreError: The store is missing, or `connect` refuses it.
        """
        key = (tracking_uri, _file_identity(tracking_uri))
        if key not in self._clients:
            self._clients[key] = connect(tracking_uri, create=False)
        return self._clients[key]


def check_store(tracking_uri: str, *, may_be_empty: bool = True) -> None:
    """Check without writing that a store can be used; a missing SQLite file is accepted.

    Args:
        tracking_uri: Address of the store.
        may_be_empty: Accept a database without tables. Default True.

    Raises:
        StoreError: The store is unreachable, corrupt, of another program or of another version of MLflow.
    """
    if tracking_uri.startswith(_SERVERS):
        _check_server(tracking_uri)
    elif tracking_uri.partition("://")[0].partition("+")[0] not in _DATABASES:
        raise _error(tracking_uri, "this form of store is not supported", f"Set tracking_uri to {_FORMS}.")
    else:
        path = _sqlite_path(tracking_uri)
        if path is None or _has_content(path):
            _check_database(tracking_uri, create=may_be_empty)


def accepts_writes(tracking_uri: str) -> bool:
    """Return False for an SQLite store on a read-only disk, or whose file or folder this user may only read.

    Args:
        tracking_uri: Address of the store.
    """
    path = _sqlite_path(tracking_uri)
    return path is None or all(os.access(place, os.W_OK) for place in (path, path.parent))


def is_database(tracking_uri: str) -> bool:
    """Return whether a store can be queried as a database instead of through a server.

    Args:
        tracking_uri: Address of the store.
    """
    return not tracking_uri.startswith(_SERVERS)


@contextlib.contextmanager
def store_errors(tracking_uri: str, what: str) -> Iterator[None]:
    """Turn any failure of the store in the block into a StoreError.

    Args:
        tracking_uri: Address of the store.
        what: The failure in words, such as `the studies cannot be read`.

    Raises:
        StoreError: MLflow, its database or a file operation failed in the block.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, UnicodeError) as error:
        advice = "Check that it is reachable, not full and not write-protected, then run the same command again."
        raise failed_store(tracking_uri, what, error, advice) from error


def _check_server(uri: str) -> None:
    """Check that a server answers; a refusal counts as an answer."""
    try:
        with urllib.request.urlopen(uri.rstrip("/") + "/health", timeout=10):
            return
    except urllib.error.HTTPError as answer:
        answer.close()
        if answer.code in _GATEWAY:
            raise _away(uri, f"its server is away ({answer.code} {answer.reason})") from answer
    except (OSError, http.client.HTTPException) as error:
        if _is_unknown_host(error):
            raise _error(uri, f"no such host ({reason_of(error)})", "Correct tracking_uri.") from error
        raise _away(uri, f"no server answers ({reason_of(error)})") from error
    except ValueError as error:
        raise _error(uri, f"the address cannot be understood ({reason_of(error)})", "Correct tracking_uri.") from error


def _is_unknown_host(error: Exception) -> bool:
    reason = getattr(error, "reason", error)
    return isinstance(reason, socket.gaierror) and reason.errno != socket.EAI_AGAIN


def _away(uri: str, what: str) -> StoreAwayError:
    advice = "Start the server, or correct tracking_uri; the same command then goes on."
    return StoreAwayError(redact(f"tracking_uri={uri}: {what}. {advice}"))


def _check_database(uri: str, *, create: bool) -> None:
    """Check without writing that a database belongs to MLflow, in the installed version."""
    try:
        engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            tables = sqlalchemy.inspect(connection).get_table_names()
            heads = MigrationContext.configure(connection).get_current_heads()
    except ImportError as error:
        advice = "Install the extra `distributed` for PostgreSQL, or correct tracking_uri."
        raise _error(uri, f"its database driver is not installed ({error})", advice) from error
    except (SQLAlchemyError, OSError, UnicodeError) as error:
        advice = "Move the damaged file away or restore it from a backup; for a server, check that it runs."
        if _sqlite_path(uri) is None and passes(error):
            raise _away(uri, f"its database is away ({reason_of(error)})") from error
        raise failed_store(uri, "it cannot be read as a database", error, advice) from error
    if not tables:
        if not create:
            raise _error(uri, "the database is empty", "Run a study first, or correct tracking_uri.")
        return
    if "experiments" not in tables:
        advice = "Give MLflow a database of its own: correct tracking_uri."
        raise _error(uri, "the database belongs to another program", advice)
    if set(heads) == latest_migrations():
        return
    if {*heads} <= {revision.revision for revision in migrations().walk_revisions()}:
        advice = f"Take a copy of it, then run: mlflow db upgrade {redact(uri)}"
        raise _error(uri, f"it was written by an older version of MLflow than {mlflow.__version__}", advice)
    advice = "Install the MLflow that wrote it, or choose another store with tracking_uri."
    raise _error(uri, f"it was written by a newer version of MLflow than {mlflow.__version__}", advice)


def _create_sqlite(uri: str, path: Path, artifacts: Path) -> None:
    """Create an SQLite store under a lock and in one move, so that other processes never open a half migrated one."""
    draft = path.with_name(f"{path.name}.new")
    advice = "Choose a folder that can be written to: correct storage.mlflow_database or tracking_uri."
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f"{path.name}.lock")):
            if _has_content(path):
                return
            draft.unlink(missing_ok=True)  # left by a process that was killed here
            _copy_empty_store(draft)
            SqlAlchemyStore(sqlite_address(draft), artifacts.as_uri()).engine.dispose()
            os.replace(draft, path)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        failed = _creation_failed(uri, path, error, advice)
        with contextlib.suppress(OSError):  # a part of a store would be taken for a damaged one
            for file in (draft, draft.with_name(f"{draft.name}-journal")):
                file.unlink(missing_ok=True)
        raise failed from error


def _creation_failed(uri: str, path: Path, error: Exception, advice: str) -> StoreError:
    """Return the error of a store that was not created; of a part of a store SQLite says that it is malformed."""
    what = "the store cannot be created"
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(next(folder for folder in path.parents if folder.exists())).free
        if free < _SIZE_OF_EMPTY and limit_advice(error) is None:
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return failed_store(uri, what, error, advice)


def _copy_empty_store(target: Path) -> None:
    """Copy an empty store of this MLflow from the user's cache, which takes a hundredth of the time of 60 migrations.

    A cached store that is damaged or not empty is replaced. Nothing is copied if the cache cannot be used, or with
    another MLflow than `initialize_tables` knows. Then MLflow makes its tables itself.

    Raises:
        OSError: The target cannot be written.
    """
    if not is_known():
        return
    made = cache_folder() / f"mlflow-{mlflow.__version__}.db"
    content = b""
    with contextlib.suppress(OSError, SQLAlchemyError, StoreError):
        if not _is_empty_store(made):
            _make_empty_store(made)
        content = made.read_bytes()
    if content:
        target.write_bytes(content)


def _make_empty_store(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        engine = sqlalchemy.create_engine(sqlite_address(draft))
        initialize_tables(engine)
        engine.dispose()
        if path.is_dir() and not path.is_symlink():
            os.replace(path, Path(folder) / "in the way")
        os.replace(draft, path)


def _is_empty_store(path: Path) -> bool:
    """Return whether a file is a whole store of this MLflow without a run."""
    if not path.is_file() or not _has_content(path):
        return False
    try:
        _check_database(sqlite_address(path), create=False)
        engine = sqlalchemy.create_engine(sqlite_address(path), poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            checks = connection.exec_driver_sql("PRAGMA quick_check").scalars().all()
            n_runs = connection.exec_driver_sql("SELECT count(*) FROM runs").scalar()
    except (SQLAlchemyError, OSError, StoreError):
        return False
    return [*checks] == ["ok"] and n_runs == 0


def _sqlite_path(uri: str) -> Path | None:
    """Return the file of an SQLite URI, None for another store."""
    if not uri.startswith("sqlite"):
        return None
    try:
        url = sqlalchemy.make_url(uri)
    except SQLAlchemyError as error:
        raise _error(uri, "the address cannot be understood", f"Set tracking_uri to {_FORMS}.") from error
    if url.get_backend_name() != "sqlite":
        return None
    if url.database in (None, "", ":memory:"):
        raise _error(uri, "a store in memory is lost with the process", f"Set tracking_uri to {_FORMS}.")
    return Path(str(url.database)).absolute()


def _file_identity(uri: str) -> tuple[int, int] | None:
    """Return device and inode of the file of an SQLite URI; None for another store, or without a file."""
    path = _sqlite_path(uri)
    if path is None or not _has_content(path):
        return None
    status = path.stat()
    return status.st_dev, status.st_ino


def _has_content(path: Path) -> bool:
    # An interrupted first connection leaves an empty file, which is an empty database to SQLite.
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False


def _error(uri: str, what: str, advice: str) -> StoreError:
    return StoreError(redact(f"tracking_uri={uri}: {what}. {advice}"))


def failed_store(uri: str, what: str, error: BaseException, advice: str) -> StoreError:
    """Return the error of a store, a database or a file that failed.

    Args:
        uri: Address of the store.
        what: The failure in words, such as `the studies cannot be read`.
        error: The error.
        advice: The next step, where the error's cause has no advice of its own.
    """
    told = limit_advice(error) or LimitAdvice(advice=advice, error=StoreError)
    path = _sqlite_path(uri) if is_locked(error) else None
    holder = f", which {holder_text(path)} has open" if path is not None else ""
    return told.error(redact(f"tracking_uri={uri}: {what} ({reason_of(error)}{holder}). {told.advice}"))


def reason_of(error: BaseException) -> str:
    """Describe an error in one line, with the database's own message if a database failed.

    SQLAlchemy puts a hint about autoflush before that message, which would hide that a database is locked.

    Args:
        error: The error.
    """
    met: BaseException | None = error
    while met is not None:
        if isinstance(met, DBAPIError) and met.orig is not None:
            error = met.orig
            break
        met = met.__cause__
    return str(error).strip().partition("\n")[0] or type(error).__name__
