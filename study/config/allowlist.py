"""The code that a config may name: parts of this project, of Keras and Optuna, and modules of the user's folder.

A config may come from other people, with a store or a file. So loading a config must not run arbitrary code.
"""

from __future__ import annotations

import difflib
import importlib.util
import inspect
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from study.config.instantiate import Unimportable, locate
from study.config.moved_targets import moved_to
from study.core.errors import Fault

# Only the parts of each package that a config needs: keras.saving, for example, can load anything.
_NAMESPACES = (
    "study.models",
    "study.datasets",
    "study.optimizers",
    "study.training",
    "study.search.samplers",
    "study.search.pruners",
    "keras.optimizers",
    "keras.losses",
    "keras.metrics",
    "optuna.samplers",
    "optuna.pruners",
)
# Functions in these parts that build any object that their arguments describe.
_BUILDERS = ("deserialize", "get", "serialize")
_FAMILIES = frozenset(namespace.partition(".")[0] for namespace in _NAMESPACES)


def target_faults(raw: Mapping[str, Any], *, folder: Path, allow: Collection[str] = ()) -> list[Fault]:
    """Return a fault for every `_target_` and required package that a config may not name.

    The module's text says what a config may name. A target that is refused by its name is not imported.

    Args:
        raw: The resolved config.
        folder: The user's folder, whose modules are allowed.
        allow: Further packages that the user allows. Default: none.
    """
    families = ", ".join((*_NAMESPACES, *allow))
    advice = (
        "Choose one of them. To use another package, which you trust and chose yourself, allow it: "
        "allow_targets=[PACKAGE] for study run, --allow PACKAGE for study reproduce."
    )
    allowed = f"an object of {families}, or of a module in {folder}"
    faults = []
    for key, target in targets_in(raw):
        new = moved_to(target) if isinstance(target, str) else None
        if new is not None:
            faults.append(Fault(key=key, value=target, allowed=allowed, advice=f"It has moved: write {new}."))
        elif target is not None and not (isinstance(target, str) and _is_allowed(target, folder=folder, allow=allow)):
            faults.append(Fault(key=key, value=target, allowed=allowed, advice=f"{_nearest(target)}{advice}"))
    return faults


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


def _nearest(target: object) -> str:
    """Return `Did you mean ...? ` with the nearest namespace for `keras.loses.Huber`; empty without one."""
    module, _, name = str(target).rpartition(".")
    near = difflib.get_close_matches(module, _NAMESPACES, n=1, cutoff=0.85)
    return f"Did you mean {near[0]}.{name}? " if near and near[0] != module else ""


def _is_allowed(target: str, *, folder: Path, allow: Collection[str]) -> bool:
    """Return whether a target may be called; an allowed one is imported, to check where its object is defined."""
    if not _may_be_imported(target, folder=folder, allow=allow):
        return False
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
    return is_defined_there or _may_be_imported(f"{home}.it", folder=folder, allow=allow)


def _may_be_imported(target: str, *, folder: Path, allow: Collection[str]) -> bool:
    if "." not in target or not all(part.isidentifier() for part in target.split(".")):
        return False
    if any(target.startswith(f"{package}.") for package in allow):
        return True
    module, _, name = target.rpartition(".")
    if any(f"{module}.".startswith(f"{namespace}.") for namespace in _NAMESPACES):
        return name not in _BUILDERS
    family = target.partition(".")[0]
    return family not in _FAMILIES and _is_own(family, folder)


def _is_own(module: str, folder: Path) -> bool:
    """Return whether a top-level module lies in the folder itself, not in a package folder below."""
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return False
    if found is None:
        return False
    places = list(found.submodule_search_locations or ()) or [found.origin or ""]
    # Usually both are the folder where the command was started. A launcher's worker, for example, runs in another one.
    own = {(here / name).resolve() for here in (folder, Path.cwd()) for name in (module, f"{module}.py")}
    return all(Path(place).resolve() in own for place in places)
