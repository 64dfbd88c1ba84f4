"""Addresses of SQLite databases, quoted by SQLAlchemy, so that any folder may hold one."""

from __future__ import annotations

import sys
from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from study.core.errors import StoreError

_SCHEME = "sqlite"
# MLflow makes the folder of a database whose address begins with sqlite:///, without reading its quotes. The address
# with the driver, Python's own, means the same and is left alone.
_QUOTED_SCHEME = "sqlite+pysqlite"


def sqlite_address(path: Path) -> str:
    """Return the address of an SQLite database; a path with `%` or `?` is quoted.

    Args:
        path: Absolute path of the file.

    Raises:
        StoreError: The path has bytes that are no characters, or the installed SQLAlchemy would read another path from
            the address.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise StoreError(
            f"{path}: expected a folder whose name can be read in the encoding of this session, "
            f"{sys.getfilesystemencoding()}. Set the encoding in which it was named (such as LC_ALL=C.UTF-8), or "
            "start from another folder."
        ) from None
    plain = f"{_SCHEME}:///{path}"
    quoted = sqlalchemy.URL.create(_QUOTED_SCHEME, database=str(path)).render_as_string(hide_password=False)
    address = next((form for form in (plain, quoted) if sqlalchemy.make_url(form).database == str(path)), None)
    if address is None:
        raise StoreError(
            f"{path}: expected a folder whose name the installed SQLAlchemy {sqlalchemy.__version__} can write into "
            "the address of a database. Choose a folder without % and ? in its path, or install SQLAlchemy 2.1."
        )
    return address


def sqlite_file(address: str) -> Path | None:
    """Return the file of the address of an SQLite database; None for another address.

    Args:
        address: The address of a store.
    """
    if not address.startswith(_SCHEME):
        return None
    try:
        url = sqlalchemy.make_url(address)
    except SQLAlchemyError:
        return None
    return Path(str(url.database)).absolute() if url.get_backend_name() == _SCHEME and url.database else None
