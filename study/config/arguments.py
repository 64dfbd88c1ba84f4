"""Faults for the arguments of a target: mistyped keys, and values of another type than the argument has."""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import math
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from study.config.allowlist import targets_in
from study.config.instantiate import Section, Unimportable, locate, parameters, takes_any_keyword
from study.config.known_keys import correction
from study.config.moved_targets import moved_to, renamed_argument
from study.config.reader import is_number
from study.core.errors import Fault

# Keys of a section that are no arguments of its target; the reader of the section checks these itself.
_CHECKED_ELSEWHERE = ("optimizer", "dataset.task")
# Arguments of Keras's losses and metrics without a type, null by default: Keras computes with any number.
_WHOLE_NUMBERS = ("ignore_class", "class_id", "top_k")
# Keys of a section that say how its target is called; with `_partial_: true`, the function itself is meant.
_OF_SECTIONS = ("_target_", "_partial_")
# Errors of pydantic for types that no value of a config has.
_OF_OBJECTS = ("needs_python_object", "is_instance_of", "is_subclass_of", "callable_type")


def signature_faults(
    prefix: str,
    target: str,
    arguments: Mapping[str, Any],
    *,
    names: Collection[str] = (),
    further: Collection[str] = (),
) -> list[Fault]:
    """Check that a target can be imported and takes the arguments.

    Args:
        prefix: The config section's key, such as `optimizer`.
        target: The dotted path.
        arguments: The arguments of the call, by name.
        names: Dotted keys of the whole config, to suggest. Default: those of the section alone.
        further: Names of arguments that the section may have besides. Default: none.
    """
    try:
        known = (*parameters(target), *further)
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


def section_faults(key: str, section: Mapping[str, Any], *, further: Collection[str] = ()) -> list[Fault]:
    """Check that the target of a section can be imported and takes the section's other keys.

    A target with `**arguments` takes any.

    Args:
        key: The section's key, such as `dataset.task.loss`.
        section: `_target_` and its arguments.
        further: Names of arguments that the section may have besides. Default: none.
    """
    target = section.get("_target_")
    if not isinstance(target, str):
        advice = f"Set {key}._target_, such as keras.losses.MeanSquaredError."
        return [Fault(key=f"{key}._target_", value=target, allowed="a dotted path", advice=advice)]
    arguments = {name: value for name, value in section.items() if name != "_target_"}
    faults = signature_faults(key, target, arguments, further=further)
    if len(faults) == 1 and faults[0].key == f"{key}._target_":
        module, _, name = target.rpartition(".")
        near = difflib.get_close_matches(name, _public_names(module), n=2)
        nearest = f"Did you mean {' or '.join(near)}? " if near else ""
        return [replace(faults[0], advice=f"{nearest}{faults[0].advice}")]
    return [*([] if takes_any_keyword(target) else faults), *_type_faults(key, target, arguments)]


def _type_faults(key: str, target: str, arguments: Mapping[str, Any]) -> list[Fault]:
    """Compare values of a loss or a metric with the types of the defaults, and other values with the annotations."""
    faults = []
    known = parameters(target)
    for name, value in arguments.items():
        default = known[name].default if name in known else None
        fits, allowed = True, ""
        if target.startswith("keras.") and name in known and name in _WHOLE_NUMBERS:
            fits = value is None or (isinstance(value, int) and not isinstance(value, bool))
            allowed = "a whole number, or null"
        elif isinstance(default, bool):
            fits, allowed = isinstance(value, bool), "true or false"
        elif isinstance(default, int | float):
            fits, allowed = is_number(value), "a finite number"
        elif isinstance(default, str):
            fits, allowed = isinstance(value, str | None), "a text"
        elif name in known:
            expected = _expected(target, name, value)
            fits, allowed = expected is None, expected or ""
        if not fits:
            faults.append(Fault(key=f"{key}.{name}", value=value, allowed=allowed, advice=f"Correct {key}.{name}."))
    return faults


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
            faults += unknown_arguments(prefix, target, {k: v for k, v in section.items() if k not in _OF_SECTIONS})
    return faults


def argument_type_faults(raw: Mapping[str, Any]) -> list[Fault]:
    """Return a fault for every value of another type than its argument has, in every section with a target.

    The type is the argument's annotation. Without one, the default tells something: an argument that is true or false
    by default takes no text, and one that is a number or a text takes neither true nor false. The default always fits.
    An argument without annotation and default takes no null.

    Args:
        raw: The resolved config.
    """
    faults: list[Fault] = []
    for key in (key.removesuffix("._target_") for key, _ in targets_in(raw)):
        if not any(key == other or key.startswith(f"{other}.") for other in _CHECKED_ELSEWHERE):
            faults += _faults_of(key, _section(raw, key))
    return faults


def _faults_of(key: str, section: Section) -> list[Fault]:
    target = section["_target_"]
    try:
        known = parameters(target)
    except (Unimportable, AttributeError):  # it is a fault of its own
        return []
    faults = []
    for name, value in section.items():
        if name in known and (allowed := _expected(target, name, value)):
            advice = f"Correct {key}.{name}."
            if allowed.startswith("a text") and not isinstance(value, str | list | Mapping):
                written = "null" if value is None else str(value).lower()
                advice = f"A text that looks like another value stands in quotes: \"{key}.{name}='{written}'\"."
            faults.append(Fault(key=f"{key}.{name}", value=value, allowed=allowed, advice=advice))
    return faults


def _expected(target: str, name: str, value: Any) -> str | None:
    """Return the type of an argument in words if the value has another one."""
    parameter = parameters(target)[name]
    if _holds_section(value) or (type(value) is type(parameter.default) and value == parameter.default):
        return None
    if parameter.annotation is not parameter.empty:
        return _other_than(_resolved(target, parameter.annotation), value)
    if parameter.default is parameter.empty:
        return "a value" if value is None else None
    return _other_than_default(parameter.default, value)


def _holds_section(value: Any) -> bool:
    """Return whether a value is, or has in it, a section from which the target builds an object itself."""
    return next(targets_in(value), None) is not None


def _resolved(target: str, annotation: Any) -> Any:
    """Return an annotation as a type; `Any` if its names cannot be found, as if they are only for a type checker."""
    called = inspect.unwrap(locate(target))
    function = inspect.getattr_static(called, "__init__") if isinstance(called, type) else called
    scope = getattr(function, "__globals__", {})
    try:
        return typing.get_type_hints(types.SimpleNamespace(__annotations__={"it": annotation}), scope)["it"]
    except Exception:  # an annotation of the user's own can fail in any way
        return Any


def _other_than(kind: Any, value: Any) -> str | None:
    """Return a type in words if a value of a config has another one."""
    try:
        adapter = TypeAdapter(kind, config=None if _has_config(kind) else ConfigDict(arbitrary_types_allowed=True))
        # In JSON a list may become a tuple, and a text a path; a number never becomes a text, nor a text a number.
        adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        if any(each["type"] in _OF_OBJECTS for each in error.errors()):
            return None  # an object, which the function may make of the value itself
        return _in_words(kind)
    except (PydanticUserError, TypeError, ValueError):  # a type that says nothing about values of a config
        return None
    return None


def _has_config(kind: Any) -> bool:
    """Return whether pydantic takes no configuration for a type, since the type has its own."""
    return isinstance(kind, type) and (hasattr(kind, "__pydantic_config__") or hasattr(kind, "__dataclass_fields__"))


def _other_than_default(default: Any, value: Any) -> str | None:
    """Return the kind of a default in words if a value is certainly not meant for its argument."""
    is_flag = isinstance(value, bool)
    if isinstance(default, bool):
        return "true or false" if isinstance(value, str) else None
    if isinstance(default, int | float):
        return "a number" if is_flag else None
    if isinstance(default, str):
        return "a text" if is_flag or (isinstance(value, float) and not math.isfinite(value)) else None
    return None


def _in_words(kind: Any) -> str:
    simple = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "null"}
    if kind in simple:
        return simple[kind]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_in_words(part) for part in parts))
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, parts))}"
    if isinstance(origin, type) and issubclass(origin, Sequence) and parts:
        return f"a list ({kind})"
    return f"a value of the type {getattr(kind, '__name__', kind) if origin is None else kind}"


def _section(raw: Any, key: str) -> Mapping[str, Any]:
    node = raw
    for part in key.split("."):
        node = node[int(part)] if isinstance(node, list | tuple) else node[part]
    return node  # type: ignore[no-any-return]


def _unknown_advice(prefix: str, target: str, name: str, known: Collection[str], names: Collection[str]) -> str:
    if new := renamed_argument(target, name):
        return f"It has been renamed: write {prefix}.{new}."
    advice = correction(f"{prefix}.{name}", names, known)
    # The key is often that of a file, whose class the user replaced: it can be removed on the command line alone.
    return advice.replace(
        f"Remove {prefix}.{name} or", f"Remove {prefix}.{name} ('~{prefix}.{name}' on the command line) or"
    )
