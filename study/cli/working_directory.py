"""The working directory as a place for the user's own modules and configs."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

import study.conf
from study.core.errors import StudyError

_PROJECT = "optimizer-study"
_OWN_PACKAGES = ("study", "hydra_plugins")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_DEVELOPMENT = re.compile(r"extra == ['\"]dev['\"]")


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


def import_from_working_directory() -> None:
    """Let Python find the working directory's modules first, like `python -m`.

    Raises:
        StudyError: A module of the working directory hides one of the same name that this project needs, or the
            directory was deleted.
    """
    folder = working_directory()
    if hidden := hidden_modules(folder, sys.path):
        listed = ", ".join(f"{name} (of {origin})" for name, origin in hidden.items())
        raise StudyError(
            f"modules of {folder}: expected names that hide no other module. These hide needed ones: {listed}. "
            "Rename them, or start from another folder."
        )
    sys.path.insert(0, os.fspath(folder))


def packaged_conf() -> Path:
    """Return the path of the folder of the configs that come with this project."""
    return Path(study.conf.__path__[0])


def own_conf() -> Path | None:
    """Return the path of the working directory's own conf/; None without one, and in a checkout of this project."""
    own = Path.cwd() / "conf"
    return own if own.is_dir() and own.resolve() != packaged_conf().resolve() else None


def hidden_modules(folder: Path, places: Sequence[str]) -> dict[str, str]:
    """Return the modules that a folder's modules would hide if Python searched the folder first, each with its origin.

    Only modules of the standard library, of this project, and of the packages that it requires are reported. A folder
    without `__init__.py` hides nothing: Python prefers a package found later.

    Args:
        folder: Path of the folder.
        places: The other places that Python searches, in the form of `sys.path`.
    """
    elsewhere = [place for place in places if Path(place or ".").resolve() != folder.resolve()]
    hidden = {}
    for name in sorted(_module_names(folder)):
        if name in sys.stdlib_module_names:
            hidden[name] = "the standard library"
            continue
        found = PathFinder.find_spec(name, elsewhere)
        if found is None or (name == "study" and Path(study.__file__).resolve().is_relative_to(folder.resolve())):
            continue
        # A namespace package, such as `google`, has places and no origin.
        origins = [found.origin] if found.origin is not None else list(found.submodule_search_locations or ())
        if all(Path(origin).resolve().is_relative_to(folder.resolve()) for origin in origins):
            continue
        if name in _OWN_PACKAGES:
            hidden[name] = _PROJECT
        elif owners := sorted(_owners(name) & _required()):
            hidden[name] = ", ".join(owners)
    return hidden


def _module_names(folder: Path) -> set[str]:
    """Return the names of a folder's modules and packages."""
    names = {inspect.getmodulename(name) or name for name in os.listdir(folder)}
    specs = {name: PathFinder.find_spec(name, [os.fspath(folder)]) for name in names if name.isidentifier()}
    return {name for name, spec in specs.items() if spec is not None and spec.origin is not None}


def _owners(module: str) -> set[str]:
    """Return the installed distributions that provide a top-level module."""
    from importlib.metadata import packages_distributions  # takes a tenth of a second, and is rarely needed

    return {_normalized(name) for name in packages_distributions().get(module, ())}


def _required() -> set[str]:
    """Return the installed distributions that this project requires, directly or indirectly."""
    from importlib.metadata import PackageNotFoundError, requires

    found: set[str] = set()
    left = [_PROJECT, *_optional()]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        try:
            stated = requires(name) or []
        except PackageNotFoundError:  # required on other platforms
            continue
        left += [_normalized(match[0]) for line in stated if "extra ==" not in line if (match := _NAME.match(line))]
    return found


def _optional() -> set[str]:
    """Return the distributions of the extras with which users install this project, whether installed or not."""
    from importlib.metadata import requires

    stated = [line for line in requires(_PROJECT) or () if "extra ==" in line and not _DEVELOPMENT.search(line)]
    return {_normalized(match[0]) for line in stated if (match := _NAME.match(line))}


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
