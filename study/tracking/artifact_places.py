"""Keep the places of artifacts with their store: MLflow records absolute ones, which are wrong after a move."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import sqlalchemy
from mlflow.utils.file_utils import local_file_uri_to_path
from sqlalchemy.exc import SQLAlchemyError

from study.core.database_address import sqlite_address
from study.tracking.mlflow_internals import forget_places, is_known, places_of_experiments, replace_place


def follow_store(database: Path, folders: Sequence[Path], *, without_artifacts: bool) -> None:
    """Let the experiments of a moved or copied store have their artifacts where the store is now.

    A recorded place is replaced if one of the folders has a folder of the same name. A place in one of the folders is
    right, also under another name of the same folder. A store that cannot be written stays as it is.

    Args:
        database: The store's file.
        folders: The folders of artifacts that belong to the store, the preferred one first.
        without_artifacts: Also replace a place that does not exist, so that the first artifact is written into the
            preferred folder. A disk that is not mounted has no folders either: so not where a command only reads.
    """
    if not is_known():
        return
    forget_places()
    present = partial(_present_place, folders=folders, without_artifacts=without_artifacts)
    engine = sqlalchemy.create_engine(sqlite_address(database), poolclass=sqlalchemy.NullPool)
    with contextlib.suppress(SQLAlchemyError, OSError):
        with engine.connect() as connection:
            recorded = connection.execute(places_of_experiments()).all()
        moved = {(number, old): new for number, old in recorded if (new := present(old)) is not None}
        if moved:
            with engine.begin() as connection:
                for (number, old), new in moved.items():
                    for statement in replace_place(number, old=old, new=new):
                        connection.execute(statement)


def _present_place(recorded: str | None, *, folders: Sequence[Path], without_artifacts: bool) -> str | None:
    """Return the address of an experiment's artifacts beside their store; None if the recorded one is right."""
    if not recorded or not recorded.startswith("file:"):
        return None
    old = Path(local_file_uri_to_path(recorded))
    if any(_is_same(old.parent, folder) for folder in folders):
        return None
    places = [folder / old.name for folder in folders]
    first = places[0] if without_artifacts and not old.is_dir() else None
    here = next((place for place in places if place.is_dir()), first)
    return None if here is None else here.as_uri()


def _is_same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one == other or one.samefile(other)
    return False


def local_folder(address: str | None) -> Path | None:
    """Return the folder of artifacts at an address; None if they are not in the file system.

    Args:
        address: The address, such as `file:///study/mlruns/artifacts/experiment/run/artifacts`.
    """
    return Path(local_file_uri_to_path(address)) if address and address.startswith(("file:", "/")) else None


def is_whole(path: Path) -> bool:
    """Return whether a file exists and is not empty, and an archive of Keras can be read to its end.

    Args:
        path: Path of the file.
    """
    try:
        if not path.is_file() or not path.stat().st_size:
            return False
        if path.suffix != ".keras":
            return True
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return False
