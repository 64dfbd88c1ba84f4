"""Read the places of results."""

from __future__ import annotations

import re
from pathlib import Path

from study.config.reader import Reader
from study.config.schema import Stores
from study.core.database_address import sqlite_address
from study.core.redaction import redact

_POSTGRESQL = ("postgresql://", "postgresql+psycopg://")


def read_stores(read: Reader, folder: Path) -> Stores:
    """Read the section of the stores; faults go to the reader.

    Args:
        read: The reader of the config.
        folder: The folder where relative paths start.
    """
    optuna_url = read.address("storage.optuna_url")
    if optuna_url and not optuna_url.startswith(_POSTGRESQL):
        advice = "Workers on several machines need PostgreSQL; one machine needs no server: storage=local."
        allowed = "postgresql+psycopg://user@host:5432/database"
        read.fault("storage.optuna_url", optuna_url, allowed=allowed, advice=advice)
    journal = read.path("storage.optuna_journal", optional=bool(optuna_url))
    tracking_uri = _address(read, "tracking_uri") or _address(read, "storage.mlflow_server")
    if not tracking_uri:
        tracking_uri = sqlite_address(folder / read.path("storage.mlflow_database"))
    return Stores(
        tracking_uri=tracking_uri,
        artifacts=folder / read.path("storage.artifacts"),
        optuna_journal=folder / journal if journal else None,
        # Named explicitly: SQLAlchemy's default driver for postgresql:// depends on its version.
        optuna_url=re.sub(r"^postgresql://", "postgresql+psycopg://", optuna_url) or None,
        stale_after_s=read.number("storage.stale_after_s", optional=True, above=0) or Stores.stale_after_s,
        server_patience_s=read.number("storage.server_patience_s", optional=True, above=0) or Stores.server_patience_s,
    )


def _address(read: Reader, key: str) -> str:
    """Read an optional address, and refuse a password in it: the resolved config is recorded and printed."""
    address = read.address(key)
    if redact(address) == address:
        return address
    advice = "Remove it and set PGPASSWORD or ~/.pgpass for PostgreSQL, MLFLOW_TRACKING_PASSWORD for MLflow."
    read.fault(key, address, allowed="an address without a password, since configs are recorded", advice=advice)
    return ""
