"""Faults for arguments that a target does not take, such as a mistyped key of a section.

If a file lists the keys of a section, Hydra refuses a mistyped key earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.config.instantiate import Unimportable, parameters
from study.config.moved_targets import moved_to, renamed_argument
from study.core.errors import Fault


def signature_faults(prefix: str, target: str, arguments: Mapping[str, Any]) -> list[Fault]:
    """Check that a target can be imported and takes the arguments.

    Args:
        prefix: The config section's key, such as `optimizer`.
        target: The dotted path.
        arguments: The arguments of the call, by name.
    """
    try:
        known = parameters(target)
    except Unimportable as error:
        advice = "Correct the path, or put the module where Python finds it: the working directory is searched."
        if new := moved_to(target):
            advice = f"It has moved: write {new}."
        return [
            Fault(key=f"{prefix}._target_", value=target, allowed=f"an importable object ({error})", advice=advice)
        ]
    return [
        Fault(
            key=f"{prefix}.{name}",
            value=arguments[name],
            allowed=f"an argument of {target}: {', '.join(known)}",
            advice=_unknown_advice(prefix, target, name),
        )
        for name in arguments
        if name not in known
    ]


def _unknown_advice(prefix: str, target: str, name: str) -> str:
    if new := renamed_argument(target, name):
        return f"It has been renamed: write {prefix}.{new}."
    return f"Remove {prefix}.{name} or correct its name."
