"""Join configs and code: import the object of a `_target_` and call it with the rest of its section."""

from __future__ import annotations

import functools
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from study.core.errors import refuse_out_of_memory
from study.core.session_objects import NotOfSessionError, is_of_session, session_object

# A section of a resolved config: a `_target_` and its arguments.
Section = Mapping[str, Any]
_DEEPEST = 30
_LARGEST = 1_000_000  # values on one level


class Unimportable(ImportError):
    """The object of a dotted path cannot be imported, or cannot be called."""


def locate(target: str) -> Callable[..., Any]:
    """Import the object that a dotted path names. `study.config.allowlist` limits the names of a config.

    Args:
        target: The dotted path, such as `keras.optimizers.Adam`.

    Raises:
        MemoryRanOutError: Memory ran out.
        Unimportable: No module of the path can be imported, the module has no such member, or it cannot be called.
    """
    if is_of_session(target):
        try:
            return session_object(target).called
        except NotOfSessionError as error:
            raise Unimportable(str(error)) from error
    module_name, _, member = target.rpartition(".")
    if not module_name or not member:
        raise Unimportable(f"{target!r} is not a dotted path such as 'keras.optimizers.Adam'")
    try:
        located = pkgutil.resolve_name(f"{module_name}:{member}")
    except Exception as error:  # a module of the user's own can fail in any way
        refuse_out_of_memory(error, f"importing {module_name}")
        is_plain = isinstance(error, ImportError | AttributeError)
        place = "" if is_plain else f"importing {module_name} raises {type(error).__name__}: "
        raise Unimportable(f"{place}{error}") from error
    if not callable(located):
        raise Unimportable(f"{target!r} cannot be called")
    return located  # type: ignore[no-any-return]


def instantiate(section: Section, **arguments: Any) -> Any:
    """Call the section's `_target_` with the other keys of the section as arguments.

    Args:
        section: `_target_` and its arguments.
        **arguments: Further arguments; they replace those of the section.
    """
    values = {key: value for key, value in section.items() if key != "_target_"}
    return locate(section["_target_"])(**(values | arguments))


def parameters(target: str) -> Mapping[str, inspect.Parameter]:
    """Return the named parameters that a target accepts, without `self` and catch-alls.

    Args:
        target: The dotted path.

    Raises:
        Unimportable: The target cannot be imported, or has no readable signature.
    """
    try:
        return _parameters(locate(target))
    except ValueError as error:  # built-in functions have none
        raise Unimportable(f"{target!r} has no readable signature") from error


def takes_any_keyword(target: str) -> bool:
    """Return whether a target accepts keywords of any name, with `**kwargs`; also if it cannot be imported or read.

    Args:
        target: The dotted path.
    """
    try:
        signature = inspect.signature(locate(target))
    except (Unimportable, ValueError):
        return True
    return any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.parameters.values())


def takes(target: str, name: str) -> bool:
    """Return whether a target takes an argument of this name, by its signature or by `**kwargs`.

    Args:
        target: The dotted path.
        name: Name of the argument.
    """
    return takes_any_keyword(target) or name in parameters(target)


@functools.lru_cache(maxsize=64)  # asked several times for every trial
def _parameters(called: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    catch_alls = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    signature = inspect.signature(called)
    return MappingProxyType({name: p for name, p in signature.parameters.items() if p.kind not in catch_alls})


def like_default(value: Any, default: object) -> Any:
    """Return an integer as a float if the default is a float, since Keras refuses an integer rate.

    Args:
        value: The value of an argument.
        default: The argument's default.
    """
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_integer and isinstance(default, float) else value


def is_too_deep(raw: object) -> bool:
    """Return whether an object is nested deeper than any config, for example because it contains itself.

    An object that is larger than any config is refused too: a short text can name one list many times in another.

    Args:
        raw: The object: mappings and lists, nested.
    """
    level: dict[int, tuple[Any, int]] = {id(raw): (raw, 1)}  # with the number of places where each object stands
    for _ in range(_DEEPEST):
        inner: dict[int, tuple[Any, int]] = {}
        size = 0
        for node, n_places in level.values():
            if isinstance(node, Mapping | list | tuple):
                size += n_places * len(node)
                for item in node.values() if isinstance(node, Mapping) else node:
                    if isinstance(item, Mapping | list | tuple):
                        inner[id(item)] = (item, inner.get(id(item), (item, 0))[1] + n_places)
        if size > _LARGEST:
            return True
        level = inner
    return bool(level)
