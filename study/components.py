"""Join configs and code: import what a `_target_` names and call it with the rest of its section."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from study.errors import Fault

# A section of a resolved config: a `_target_` and its arguments.
Section = Mapping[str, Any]


def locate(target: str) -> Callable[..., Any]:
    """Import the object that a dotted path names.

    Raises:
        ImportError: No module of the path can be imported, or it has no such member.
    """
    module_name, _, member = target.rpartition(".")
    if not module_name:
        raise ImportError(f"{target!r} is not a dotted path such as 'keras.optimizers.Adam'")
    try:
        located = getattr(importlib.import_module(module_name), member)
    except AttributeError as error:
        raise ImportError(f"module {module_name!r} has no {member!r}") from error
    if not callable(located):
        raise ImportError(f"{target!r} cannot be called")
    return located  # type: ignore[no-any-return]


def instantiate(section: Section, **arguments: Any) -> Any:
    """Call the section's `_target_` with the section's other keys and `arguments`, which win."""
    values = {key: value for key, value in section.items() if key != "_target_"}
    return locate(section["_target_"])(**(values | arguments))


def parameters(target: str) -> Mapping[str, inspect.Parameter]:
    """Return the named parameters that a target accepts, `self` and catch-alls left out.

    Raises:
        ImportError: The target cannot be imported.
    """
    signature = inspect.signature(locate(target))
    catch_alls = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {name: p for name, p in signature.parameters.items() if p.kind not in catch_alls}


def signature_faults(prefix: str, target: str, arguments: Mapping[str, Any]) -> list[Fault]:
    """Check that a target can be imported and takes the arguments.

    Args:
        prefix: The config section's key, such as `optimizer`.
        target: The dotted path.
        arguments: What it is to be called with, by name.
    """
    try:
        known = parameters(target)
    except ImportError as error:
        advice = "Correct the path, or put the module where Python finds it: the working directory is searched."
        return [
            Fault(key=f"{prefix}._target_", value=target, allowed=f"something importable ({error})", advice=advice)
        ]
    return [
        Fault(
            key=f"{prefix}.{name}",
            value=arguments[name],
            allowed=f"an argument of {target}: {', '.join(known)}",
            advice=f"Remove {prefix}.{name} or correct its name.",
        )
        for name in arguments
        if name not in known
    ]
