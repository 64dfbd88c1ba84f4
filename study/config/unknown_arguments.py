"""Faults for arguments that a target does not take, such as a mistyped key of a section."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from study.config.allowlist import targets_in
from study.config.instantiate import Unimportable, parameters, takes_any_keyword
from study.config.known_keys import correction
from study.config.moved_targets import moved_to, renamed_argument
from study.config.reader import is_number
from study.core.errors import Fault


def signature_faults(
    prefix: str, target: str, arguments: Mapping[str, Any], *, names: Collection[str] = ()
) -> list[Fault]:
    """Check that a target can be imported and takes the arguments.

    Args:
        prefix: The config section's key, such as `optimizer`.
        target: The dotted path.
        arguments: The arguments of the call, by name.
        names: Dotted keys of the whole config, to suggest. Default: those of the section alone.
    """
    try:
        known = parameters(target)
    except Unimportable as error:
        next_step = "Correct the path, or put the module where Python finds it: the working directory is searched."
        if new := moved_to(target):
            next_step = f"It has moved: write {new}."
        return [
            Fault(key=f"{prefix}._target_", value=target, allowed=f"an importable object ({error})", advice=next_step)
        ]
    return [
        Fault(
            key=f"{prefix}.{name}",
            value=arguments[name],
            allowed=f"an argument of {target}: {', '.join(known)}",
            advice=_unknown_advice(prefix, target, name, known, names),
        )
        for name in arguments
        if name not in known
    ]


def section_faults(key: str, section: Mapping[str, Any]) -> list[Fault]:
    """Check that the target of a section can be imported and takes the section's other keys.

    A target with `**arguments` takes any.

    Args:
        key: The section's key, such as `dataset.task.loss`.
        section: `_target_` and its arguments.
    """
    target = section.get("_target_")
    if not isinstance(target, str):
        advice = f"Set {key}._target_, such as keras.losses.MeanSquaredError."
        return [Fault(key=f"{key}._target_", value=target, allowed="a dotted path", advice=advice)]
    arguments = {name: value for name, value in section.items() if name != "_target_"}
    faults = signature_faults(key, target, arguments)
    if len(faults) == 1 and faults[0].key == f"{key}._target_":
        module, _, name = target.rpartition(".")
        near = difflib.get_close_matches(name, _public_names(module), n=2)
        nearest = f"Did you mean {' or '.join(near)}? " if near else ""
        return [replace(faults[0], advice=f"{nearest}{faults[0].advice}")]
    known = parameters(target)
    return [*([] if takes_any_keyword(target) else faults), *_type_faults(key, arguments, known)]


def _type_faults(key: str, arguments: Mapping[str, Any], known: Mapping[str, inspect.Parameter]) -> list[Fault]:
    """Compare values with the types of the defaults: Python would take any text for true."""
    faults = []
    for name, value in arguments.items():
        default = known[name].default if name in known else None
        fits, allowed = True, ""
        if isinstance(default, bool):
            fits, allowed = isinstance(value, bool), "true or false"
        elif isinstance(default, int | float):
            fits, allowed = is_number(value), "a finite number"
        elif isinstance(default, str):
            fits, allowed = isinstance(value, str | None), "a text"
        if not fits:
            faults.append(Fault(key=f"{key}.{name}", value=value, allowed=allowed, advice=f"Correct {key}.{name}."))
    return faults


def declared_type_faults(key: str, section: Mapping[str, Any]) -> list[Fault]:
    """Compare values with the types that a target declares: a whole number, a number, or true and false.

    Null is a fault for an argument without a default.

    Args:
        key: The section's key, such as `pruner`.
        section: `_target_` and its arguments.
    """
    target = section.get("_target_")
    try:
        known = parameters(target) if isinstance(target, str) else {}
    except Unimportable:
        return []
    faults = []
    for name, value in section.items():
        declared = _declared(known[name]) if name in known else ""
        if value is None and name in known and _needs_value(known[name]):
            faults.append(Fault(key=f"{key}.{name}", value=value, allowed="a value", advice=f"Set {key}.{name}."))
        elif declared and value is not None and not _DECLARED[declared][0](value):
            advice = f"Correct {key}.{name}."
            faults.append(Fault(key=f"{key}.{name}", value=value, allowed=_DECLARED[declared][1], advice=advice))
    return faults


def _needs_value(parameter: inspect.Parameter) -> bool:
    """Return whether an argument has no default, and does not declare that it may be None."""
    may_be_none = re.search("None|Optional", str(parameter.annotation)) is not None
    return parameter.default is inspect.Parameter.empty and not may_be_none


def _declared(parameter: inspect.Parameter) -> str:
    """Return the declared type of an argument; empty for other types than those of `_DECLARED`, and for none."""
    if isinstance(parameter.default, bool):
        return "bool"
    annotation = parameter.annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    text = text.removesuffix(" | None")
    return text if text in _DECLARED else ""


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_DECLARED: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "int": (_is_whole, "a whole number"),
    "float": (is_number, "a finite number"),
}


def _public_names(module: str) -> list[str]:
    try:
        return [name for name in dir(importlib.import_module(module)) if not name.startswith("_")]
    except Exception:  # a module of the user's own can fail in any way; the fault tells it
        return []


def unknown_arguments(prefix: str, target: str, arguments: Any) -> list[Fault]:
    """Return a fault for every argument that a target does not take; none if the target cannot be imported.

    Args:
        prefix: The config section's key, such as `optimizer.untuned`.
        target: The dotted path.
        arguments: The section; anything but a mapping has no keys.
    """
    found = signature_faults(prefix, target, arguments) if target and isinstance(arguments, Mapping) else []
    return [fault for fault in found if not fault.key.endswith("._target_")]


def nested_faults(raw: Mapping[str, Any]) -> list[Fault]:
    """Return a fault for every unknown argument of a section with a target below another section.

    Such is the function of a landscape. Sections at the root, losses and metrics are checked where they are read.

    Args:
        raw: The resolved config.
    """
    faults: list[Fault] = []
    for key, target in targets_in(raw):
        prefix = key.removesuffix("._target_")
        is_nested = "." in prefix and not prefix.startswith("dataset.task.")
        if is_nested and isinstance(target, str) and not takes_any_keyword(target):
            section = _section(raw, prefix)
            faults += unknown_arguments(prefix, target, {k: v for k, v in section.items() if k != "_target_"})
    return faults


def _section(raw: Any, key: str) -> Mapping[str, Any]:
    node = raw
    for part in key.split("."):
        node = node[int(part)] if isinstance(node, list | tuple) else node[part]
    return node  # type: ignore[no-any-return]


def _unknown_advice(prefix: str, target: str, name: str, known: Collection[str], names: Collection[str]) -> str:
    if new := renamed_argument(target, name):
        return f"It has been renamed: write {prefix}.{new}."
    return correction(f"{prefix}.{name}", names, known)
