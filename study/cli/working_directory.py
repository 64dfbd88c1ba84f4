"""The working directory as a place for the user's own configs and modules, and what Python finds in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import study.conf
from study.core.errors import StudyError

_SAFE, _PLACES = "PYTHONSAFEPATH", "PYTHONPATH"


def working_directory() -> Path:
    """Return the path of the working directory.

    Raises:
        StudyError: It was deleted or cannot be read.
    """
    try:
        folder = Path.cwd()
        os.listdir(folder)
    except OSError as error:
        raise StudyError(
            f"the working directory: expected a folder that exists and can be read ({error}). It was perhaps deleted. "
            "Go to another folder (cd) and start again."
        ) from error
    return folder


def check_home() -> None:
    """Check that this account has a home folder, which MLflow asks for as it is imported.

    Raises:
        StudyError: `HOME` is not set, and the system does not know the account, as in some containers.
    """
    try:
        Path.home()
    except RuntimeError as error:
        raise StudyError(
            "HOME=: expected the home folder of this account, which the system does not know either. Set it to a "
            "folder that this account can write to: export HOME=/tmp"
        ) from error


def import_nothing_from_working_directory() -> None:
    """Keep this process and its children from finding modules in the working directory.

    A folder that someone has handed on may hold a `random.py`. Python searches the working directory first when it
    starts with `-c` or `-m`, and also if `PYTHONPATH` has an empty part. A config that names a module of the folder
    makes the folder the last place (`study.config.allowlist`).
    """
    os.environ[_SAFE] = "1"
    sys.path[:] = [place for place in sys.path if not _is_working_directory(place)]
    if _PLACES in os.environ:
        places = os.environ[_PLACES].split(os.pathsep)
        os.environ[_PLACES] = os.pathsep.join(place for place in places if not _is_working_directory(place))


def packaged_conf() -> Path:
    """Return the path of the folder of the configs that come with this project."""
    return Path(study.conf.__path__[0])


def own_conf() -> Path | None:
    """Return the path of the working directory's own conf/; None without one, and in a checkout of this project."""
    own = Path.cwd() / "conf"
    return own if own.is_dir() and own.resolve() != packaged_conf().resolve() else None


def _is_working_directory(place: str) -> bool:
    """Return whether a place of `sys.path` is the working directory, unless this project itself is found there."""
    if place == "":
        return True
    try:
        is_here = os.path.samefile(place, os.curdir)
        return is_here and not os.path.samefile(place, Path(study.__path__[0]).parent)
    except OSError:  # a place that does not exist
        return False
