"""Turn errors of PostgreSQL into messages for users."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import optuna
from sqlalchemy.exc import SQLAlchemyError

from study.core.database_errors import passes
from study.core.errors import StoreAwayError, StoreError
from study.core.outages import reason_of_outage


class PostgresqlAwayError(StoreAwayError):
    """A PostgreSQL that is away."""


@contextlib.contextmanager
def postgresql_errors(url: str) -> Iterator[None]:
    """Turn any failure of the server in the block into a StoreError.

    Args:
        url: Address of the database.

    Raises:
        PostgresqlAwayError: The server cannot be used now, and can be later.
        StoreError: The address, the database or the credentials have to be corrected, or the driver is missing.
    """
    try:
        yield
    except ImportError as error:
        advice = "Install the extra: pip install 'optimizer-study[distributed]'."
        raise StoreError(f"storage.optuna_url={url}: its driver is not installed ({error}). {advice}") from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        told = f"storage.optuna_url={url}: PostgreSQL cannot be used"
        if passes(error):
            raise PostgresqlAwayError(
                f"{told} now ({reason_of_outage(error)}). Check that it runs and that the address is right; when it "
                "is back, the same command continues the study."
            ) from error
        raise StoreError(
            f"{told} ({reason_of_outage(error)}). Check that the address is right, that the database exists and that "
            "PGPASSWORD or ~/.pgpass has its password; the same command continues the study."
        ) from error
