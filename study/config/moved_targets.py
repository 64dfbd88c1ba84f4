"""Names in recorded configs that have changed: moved targets, and renamed arguments."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study.config.own_source import find_module

# Modules and packages, old to new. Without a release in between, no version tells old configs from new ones.
_MOVED = {
    "models.surfaces": "study.models.landscape_functions",
    "models": "study.models",
    "study.search_pruners": "study.search.pruners",
    "study.search_samplers": "study.search.samplers",
}

# By target, arguments that have a new name, old to new.
_RENAMED_ARGUMENTS = {"study.models.landscape.build": {"surface": "function"}}


def moved_to(target: str, *, folders: Sequence[Path] = ()) -> str | None:
    """Return the new place of a dotted path; None if it has not moved, or if the user has a module of that name.

    Args:
        target: The dotted path, as recorded.
        folders: Folders with modules of the user, besides the working directory. Default: none.

    Examples:
        >>> moved_to("study.search_pruners.BatchQuantile")
        'study.search.pruners.BatchQuantile'
        >>> moved_to("keras.optimizers.Adam")
    """
    for old, new in _MOVED.items():
        if target.startswith(f"{old}.") and not _can_be_found(target.rpartition(".")[0], folders):
            moved = new + target.removeprefix(old)
            return moved if _is_defined(moved) else None
    return None


def renamed_argument(target: str, name: str) -> str | None:
    """Return the new name of a target's argument; None if it was not renamed.

    Args:
        target: Dotted path of the target, in its new place.
        name: Name of the argument, as recorded.

    Examples:
        >>> renamed_argument("study.models.landscape.build", "surface")
        'function'
        >>> renamed_argument("study.models.landscape.build", "start")
    """
    return _RENAMED_ARGUMENTS.get(target, {}).get(name)


def translate_moved(raw: Mapping[str, Any], *, folders: Sequence[Path] = ()) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a recorded config in today's names, and the names that were translated, old to new.

    Args:
        raw: The recorded config.
        folders: Folders with modules of the user, besides the working directory. Default: none.
    """
    moved: dict[str, str] = {}

    def translated(node: Any) -> Any:
        if isinstance(node, Mapping):
            return section(node)
        return [translated(item) for item in node] if isinstance(node, list | tuple) else node

    def section(node: Mapping[str, Any]) -> dict[str, Any]:
        old = node.get("_target_")
        target = moved_to(old, folders=folders) if isinstance(old, str) else None
        if target is not None:
            moved[str(old)] = target
        found = {}
        for name, value in node.items():
            new_name = renamed_argument(target or str(old), name)
            if new_name is not None:
                moved[f"{name} of {target or old}"] = new_name
            found[new_name or name] = translated(value)
        return found if target is None else {**found, "_target_": target}

    return section(raw), moved


def _is_defined(target: str) -> bool:
    """Return whether the module of a dotted path defines its last part, without importing anything."""
    module, _, name = target.rpartition(".")
    origin = getattr(find_module(module), "origin", None)
    if origin is None or not origin.endswith(".py"):
        return False
    nodes = ast.parse(Path(origin).read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name for node in nodes)


def _can_be_found(module: str, folders: Sequence[Path] = ()) -> bool:
    return find_module(module, folders=[*folders, Path.cwd()]) is not None
