"""Faults for arguments that a target does not take, such as a mistyped key of a section."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from study.config.allowlist import targets_in
from study.config.instantiate import Unimportable, parameters, takes_any_keyword
from study.config.known_keys import correction
from study.config.moved_targets import moved_to, renamed_argument
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

    Such are losses, metrics and the function of a landscape. Sections at the root are checked where they are read.

    Args:
        raw: The resolved config.
    """
    faults: list[Fault] = []
    for key, target in targets_in(raw):
        prefix = key.removesuffix("._target_")
        if "." in prefix and isinstance(target, str) and not takes_any_keyword(target):
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
