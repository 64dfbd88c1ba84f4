"""The stores that a command reads: those of the working directory, or others."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from study.config.schema import Stores
from study.core.errors import StoreError

# The address at which `study ui` opens MLflow's pages.
DEFAULT_UI = "http://127.0.0.1:5000"


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a store.

    Args:
        parser: The command's parser, which is changed.
    """
    parser.add_argument("--folder", type=Path, default=Path(), help="the folder that holds mlruns/ (default: here)")
    parser.add_argument("--tracking-uri", help="an MLflow store (default: mlruns/mlflow.db of the folder)")


def add_search_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the store of searches, for commands that need it beside MLflow's.

    Args:
        parser: The command's parser, which is changed.
    """
    parser.add_argument("--optuna-url", help="the database of searches of storage=server (default: the journal)")


def find_stores(options: argparse.Namespace) -> Stores:
    """Return the stores that a command's options name.

    Args:
        options: The command's options, with those of `add_store_options`.

    Raises:
        StoreError: There is no local store in the folder.
    """
    check_folder(options.folder, tracking_uri=options.tracking_uri)
    return local_stores(options)


def check_folder(folder: Path, *, tracking_uri: str | None) -> None:
    """Check that a folder has a local store, if no other store is named.

    Args:
        folder: The folder.
        tracking_uri: Address of another store; None: that of the folder.

    Raises:
        StoreError: There is no local store in the folder.
    """
    folder = folder.resolve()
    if tracking_uri is None and not _database(folder).exists():
        advice = "Run a study there, or name another folder with --folder or a store with --tracking-uri."
        if (folder / "mlruns" / "optuna.journal").exists():
            advice = "It was lost: mlruns/optuna.journal is there. The command that began a study writes it again."
        raise StoreError(
            f"--folder={folder}: expected a folder with mlruns/mlflow.db, which the first `study run` creates. "
            f"{advice}"
        )


def local_stores(options: argparse.Namespace) -> Stores:
    """Return the stores that a command's options name, even if they do not exist.

    Args:
        options: The command's options, with those of `add_store_options`, perhaps with that of `add_search_option`.
    """
    return stores_of(options.folder, tracking_uri=options.tracking_uri, optuna_url=vars(options).get("optuna_url"))


def stores_of(folder: Path, *, tracking_uri: str | None = None, optuna_url: str | None = None) -> Stores:
    """Return the stores of a folder, even if they do not exist, or others in their place.

    Args:
        folder: The folder that holds `mlruns/`.
        tracking_uri: Address of an MLflow store. None (the default): that of the folder.
        optuna_url: Address of the database of searches. None (the default): the journal of the folder.
    """
    from study.core.database_address import sqlite_address  # takes a third of a second, and --help does not need it

    folder = folder.resolve()
    return Stores(
        tracking_uri=tracking_uri or sqlite_address(_database(folder)),
        artifacts=folder / "mlruns" / "artifacts",
        optuna_journal=folder / "mlruns" / "optuna.journal" if optuna_url is None else None,
        optuna_url=optuna_url,
    )


def keeps_pages(tracking_uri: str, command: str) -> bool:
    """Return whether MLflow can keep a page; if its store is write-protected, say that it does not.

    Args:
        tracking_uri: Address of the store.
        command: The command that made the page, for the message.
    """
    from study.tracking.connection import accepts_writes  # takes seconds, and --help does not need it

    if accepts_writes(tracking_uri):
        return True
    sys.stderr.write(f"{command}: MLflow's store is write-protected, so it does not keep the page.\n")
    return False


def _database(folder: Path) -> Path:
    return folder / "mlruns" / "mlflow.db"
