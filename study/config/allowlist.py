"""The code that a config may name: parts of this project, of Keras and Optuna, and modules of the user's folder.

A config may come from other people, with a store or a file. So loading a config must not run arbitrary code. A module
of the user's folder runs only when all names of the config are allowed, and only if the config names it.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from study.config.instantiate import Unimportable, locate
from study.config.moved_targets import moved_to
from study.config.own_source import find_in_folder, find_module, hidden_by, imported_files, strange_places
from study.core.errors import Fault
from study.core.session_objects import NotOfSessionError, is_of_session, session_object

# Only the parts of each package that a config needs: keras.saving, for example, can load anything.
_NAMESPACES = (
    "study.models",
    "study.datasets",
    "study.optimizers",
    "study.training",
    "study.search.samplers",
    "study.search.pruners",
    "keras.callbacks",
    "keras.optimizers",
    "keras.layers",
    "keras.losses",
    "keras.metrics",
    "optuna.samplers",
    "optuna.pruners",
)
# Objects in these parts that build or load anything that their arguments describe.
_BUILDERS = ("deserialize", "get", "serialize", "Lambda", "TFSMLayer", "TorchModuleWrapper")
_FAMILIES = frozenset(namespace.partition(".")[0] for namespace in _NAMESPACES)


def target_faults(
    raw: Mapping[str, Any], *, folder: Path, allow: Collection[str] = (), load_own: bool = True
) -> list[Fault]:
    """Return a fault for every `_target_` and required package that a config may not name.

    The module's text says what a config may name. A target that is refused by its name is not imported. If no target
    is refused, the folder of the user's modules that the config names becomes the last one that Python searches, and
    these modules are imported.

    Args:
        raw: The resolved config.
        folder: The user's folder, whose modules are allowed.
        allow: Further packages that the user allows. Default: none.
        load_own: Import the user's modules, to check where their objects are defined. Default True.
    """
    families = ", ".join((*_NAMESPACES, *allow))
    advice = (
        "Choose one of them. To use another package, which you trust and chose yourself, allow it: "
        "allow_targets=[PACKAGE] for study run, --allow PACKAGE for study reproduce."
    )
    allowed = f"an object of {families}, or of a module in {folder}"
    faults, own = [], {}
    for key, target in targets_in(raw):
        if isinstance(target, str) and is_of_session(target):
            faults += _session_faults(key, target)
            continue
        new = moved_to(target, folders=[folder]) if isinstance(target, str) else None
        if new is not None:
            faults.append(Fault(key=key, value=target, allowed=allowed, advice=f"It has moved: write {new}."))
        elif isinstance(target, str) and (place := _own_place(target, folder=folder, allow=allow)) is not None:
            own[key] = (target, place)
        elif target is not None and not (isinstance(target, str) and _is_allowed(target, folder=folder, allow=allow)):
            faults.append(Fault(key=key, value=target, allowed=allowed, advice=f"{_nearest(target)}{advice}"))
    faults += [fault for key, (target, place) in own.items() for fault in _hidden_faults(key, target, place)]
    if faults or not load_own:
        return faults
    _search_last({place for _, place in own.values()})
    for key, (target, _) in own.items():
        if not _is_at_home(target, folder=folder, allow=allow):
            faults.append(Fault(key=key, value=target, allowed=allowed, advice=f"{_nearest(target)}{advice}"))
    return faults


def built_in_faults(section: Mapping[str, Any]) -> list[Fault]:
    """Return a fault for every `_target_` of a recorded section that is not of this project, of Keras or of Optuna.

    For commands that only read a store: no module of the user's is loaded.

    Args:
        section: The section of a resolved config.
    """
    allowed = f"an object of {', '.join(_NAMESPACES)}"
    return [
        Fault(key=key, value=target, allowed=allowed, advice="Nothing else runs for a page.")
        for key, target in targets_in(section)
        if not (isinstance(target, str) and _is_allowed(target, folder=Path(os.devnull), allow=()) and _exists(target))
    ]


def own_modules(raw: Mapping[str, Any], *, folder: Path, allow: Collection[str] = ()) -> list[Path]:
    """Return the files of the user's folder that run if the targets of a config are imported, sorted; none runs here.

    Args:
        raw: The resolved config.
        folder: The user's folder.
        allow: Further packages that the user allows. Default: none.
    """
    found = set()
    for _, target in targets_in(raw):
        place = _own_place(target, folder=folder, allow=allow) if isinstance(target, str) else None
        if place is not None:
            found |= {file for file, _ in imported_files(str(target).rpartition(".")[0], place).values()}
    return sorted(found)


def targets_in(section: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of every `_target_`.

    Args:
        section: A config, or a part of it.
        prefix: Dotted key of the part. Default: empty, for a whole config.
    """
    if isinstance(section, Mapping):
        for key, value in section.items():
            here = f"{prefix}.{key}" if prefix else str(key)
            if key == "_target_":
                yield here, value
            else:
                yield from targets_in(value, here)
    elif isinstance(section, list | tuple):
        for position, value in enumerate(section):
            yield from targets_in(value, f"{prefix}.{position}")


def _session_faults(key: str, target: str) -> list[Fault]:
    """Return a fault if this process has no object of a session of this name."""
    try:
        session_object(target)
    except NotOfSessionError as error:
        return [Fault(key=key, value=target, allowed="a function or data of this Python session", advice=f"{error}.")]
    return []


def _nearest(target: object) -> str:
    """Return `Did you mean ...? ` with the nearest namespace for `keras.loses.Huber`; empty without one."""
    module, _, name = str(target).rpartition(".")
    near = difflib.get_close_matches(module, _NAMESPACES, n=1, cutoff=0.85)
    return f"Did you mean {near[0]}.{name}? " if near and near[0] != module else ""


def _hidden_faults(key: str, target: str, place: Path) -> Iterator[Fault]:
    """Yield a fault for each module of the user's that a target needs and in place of which Python takes another."""
    top = target.partition(".")[0]
    allowed = f"modules of {place} with names that Python finds only there"
    taken = hidden_by(top, place)
    if taken is not None:
        advice = f"Python takes {top} from {taken}. Rename the one of {place}, also in the config."
        yield Fault(key=key, value=target, allowed=allowed, advice=advice)
        return
    imported = imported_files(target.rpartition(".")[0], place)
    importers = {name.partition(".")[0]: importer for name, (_, importer) in imported.items()}
    for name, importer in importers.items():
        where = hidden_by(name, place)
        if where is None:
            continue
        advice = f"{importer.name} imports {name}, which Python takes from {where}. Rename the one of {place}."
        yield Fault(key=key, value=target, allowed=allowed, advice=advice)


def _search_last(places: Collection[Path]) -> None:
    """Let Python search folders after all others, in this process and in its children."""
    known = {Path(place or ".").resolve() for place in sys.path}
    new = sorted(os.fspath(place) for place in places if place.resolve() not in known)
    names = {name.removesuffix(".py") for place in new for name in os.listdir(place)}
    for name in filter(str.isidentifier, names):
        spec = find_module(name)
        if spec is not None and spec.origin is None:
            # A package without an __init__.py, such as google. A module comes before it even from a later place,
            # unless the package is loaded, which runs nothing.
            importlib.import_module(name)
    if new:
        sys.path.extend(new)
        importlib.invalidate_caches()


def _is_allowed(target: str, *, folder: Path, allow: Collection[str]) -> bool:
    """Return whether a target may be called; an allowed one is imported, to check where its object is defined."""
    return _may_be_imported(target, allow=allow) and _is_at_home(target, folder=folder, allow=allow)


def _exists(target: str) -> bool:
    try:
        locate(target)
    except Unimportable:
        return False
    return True


def _is_at_home(target: str, *, folder: Path, allow: Collection[str]) -> bool:
    """Import a target, and return whether its object is defined in a module that a config may name."""
    try:
        located = inspect.unwrap(locate(target))
    except (Unimportable, ValueError):
        return True  # reported with the other faults
    home = getattr(located, "__module__", None) or ""
    family, _, _ = target.partition(".")
    # A module also holds its imports, and `from subprocess import run` must be no way around the list. Keras and
    # Optuna define the objects of these parts in other modules. Of this project, only the modules for configs are
    # allowed.
    is_defined_there = family != "study" and home.partition(".")[0] == family
    return (
        is_defined_there
        or _may_be_imported(f"{home}.it", allow=allow)
        or _own_place(f"{home}.it", folder=folder, allow=allow) is not None
    )


def _may_be_imported(target: str, *, allow: Collection[str]) -> bool:
    """Return whether a target is of this project, of Keras, of Optuna, or of a further package that is allowed."""
    if "." not in target or not all(part.isidentifier() for part in target.split(".")):
        return False
    if any(target.startswith(f"{package}.") for package in allow):
        return True
    module, _, name = target.rpartition(".")
    if any(f"{module}.".startswith(f"{namespace}.") for namespace in _NAMESPACES):
        return name not in _BUILDERS
    return False


def _own_place(target: str, *, folder: Path, allow: Collection[str]) -> Path | None:
    """Return the folder whose module a target names; None if it names none of the user's.

    A package of the same name elsewhere that the user has allowed is meant instead.
    """
    family, *parts = target.split(".")
    if not parts or family in _FAMILIES or not all(part.isidentifier() for part in (family, *parts)):
        return None
    # Usually both are the folder where the command was started. A launcher's worker, for example, runs in another one.
    for place in dict.fromkeys((folder, Path.cwd())):
        spec = find_in_folder(family, place)
        if spec is None or strange_places(family, spec, place):  # also one in a package folder below
            continue
        if hidden_by(family, place) is None:
            return place
        # A folder without an __init__.py, such as one of data, may have the name of a package and no modules.
        found = (spec, find_in_folder(target.rpartition(".")[0], place))
        is_allowed = any(target.startswith(f"{package}.") for package in allow)
        if any(each is not None and each.origin is not None for each in found) and not is_allowed:
            return place
    return None
