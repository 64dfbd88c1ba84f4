"""Read `enqueue`: the point of the first trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from study.config.arguments import unknown_arguments
from study.config.known_keys import is_misspelt
from study.config.reader import Reader
from study.config.schema import OptimizerConfig
from study.core.search_space import Range, Value, frozen

_MISSING = object()


def read_enqueue(
    read: Reader, raw: Mapping[str, Any], optimizer: OptimizerConfig, searched: Mapping[str, Range]
) -> dict[str, Any]:
    """Return the first trial's point and the config without what is ignored, as arguments of `StudyConfig`.

    The point has values of what is searched, each in its range; it is empty if nothing is given.

    The optimizer's arguments stand in `enqueue` by name, other keys in sections like those of the config. A file of
    another study may have more keys than this one searches: these are ignored, unless their name is nearly a searched
    one.

    Args:
        read: The reader, which collects the faults.
        raw: The resolved config.
        optimizer: The optimizer.
        searched: Ranges of searched keys besides the optimizer's arguments, by dotted key.
    """
    point = _point(read, optimizer, searched)
    return {"enqueue": point, "raw": _without_ignored(raw, point)}


def _point(read: Reader, optimizer: OptimizerConfig, searched: Mapping[str, Range]) -> dict[str, Value]:
    given, ranges = read.value("enqueue", default=None), {**optimizer.ranges, **searched}
    if given is None:
        return {}
    found = {key: frozen(_value(given, key)) for key in ranges}
    point = {key: value for key, value in found.items() if value is not _MISSING}
    for key in searched:  # a file has null for the default of the model's own
        if key in point and point[key] is None and not searched[key].holds(None):
            del point[key]
    arguments = {key: value for key, value in given.items() if not isinstance(value, Mapping)}
    misspelt = unknown_arguments("enqueue", optimizer.target, arguments)
    read.faults += [fault for fault in misspelt if is_misspelt(fault.key.removeprefix("enqueue."), ranges)]
    for key, value in _leaves(given):
        if "." in key and (near := _nearly(key, searched)) is not None:
            read.fault(f"enqueue.{key}", value, allowed="a searched key", advice=f"Did you mean enqueue.{near}?")
    if not point and not any(fault.key.startswith("enqueue.") for fault in read.faults):
        listed = ", ".join(ranges)
        advice = "Search one of its arguments, or another key of it, or leave enqueue out."
        read.fault("enqueue", given, allowed=f"a value for a searched argument or key: {listed}", advice=advice)
    for argument, value in point.items():
        if not ranges[argument].holds(value):
            search = "search" if "." in argument else "optimizer.search"
            advice = f"Widen {search}.{argument}, or set enqueue.{argument} to a value in it."
            read.fault(f"enqueue.{argument}", value, allowed=ranges[argument].described, advice=advice)
    return point


def _without_ignored(raw: Mapping[str, Any], point: Mapping[str, Value]) -> Mapping[str, Any]:
    """Return a config whose section `enqueue` has no sections of keys that the study does not search.

    A file of another study has them; with them, the same study would have another identity.
    """
    given = raw.get("enqueue")
    if not isinstance(given, Mapping) or not any(isinstance(value, Mapping) for value in given.values()):
        return raw
    kept: dict[str, Any] = {key: value for key, value in given.items() if not isinstance(value, Mapping)}
    for key, value in point.items():
        *parents, last = key.split(".")
        node = kept
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = list(value) if isinstance(value, tuple) else value
    return {**raw, "enqueue": kept}


def _value(given: Mapping[str, Any], key: str) -> Any:
    """Return the value under a dotted key, whose parts may also be places in a list; the missing value without one."""
    node: Any = given
    for part in key.split("."):
        if isinstance(node, list | tuple) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, Mapping):
            node = node.get(part, node.get(int(part), _MISSING) if part.isdecimal() else _MISSING)
        else:
            return _MISSING
    return _MISSING if isinstance(node, Mapping) else node


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, Mapping):
            yield from _leaves(value, key)
        else:
            yield key, value


def _nearly(key: str, searched: Mapping[str, Range]) -> str | None:
    """Return the searched key of the same section that a key is nearly; None without one."""
    section, _, last = key.rpartition(".")
    beside = {each.rpartition(".")[2]: each for each in searched if each.rpartition(".")[0] == section}
    return next((each for name, each in beside.items() if key not in searched and is_misspelt(last, [name])), None)
