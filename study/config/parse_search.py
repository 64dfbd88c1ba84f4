"""Read `search`: ranges of any keys of the config, in sections like the config's own."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from study.config.instantiate import Unimportable, like_default, parameters, takes_any_keyword
from study.config.known_keys import correction
from study.config.losses import built_loss
from study.config.parse_range import read_range
from study.config.reader import Reader, is_number
from study.core.errors import Fault
from study.core.search_space import Range, Value, frozen

_MISSING = object()
_OPTIMIZER = "optimizer"
_RANGE = frozenset({"low", "high", "scale", "integer", "step", "choices"})
_TASK = "dataset.task"
# Keys, and sections of keys, that can be searched, besides the optimizer's arguments.
_SEARCHED = (
    "model",
    "schedule",
    "trainer.batch_size",
    "trainer.early_stopping",
    f"{_TASK}.loss",
    f"{_TASK}.loss_weights",
    f"{_TASK}.class_weight",
    "dataset.augment",
)
# A value of each type, by the type's name in a signature.
_OF_TYPE: Mapping[Any, Any] = {"bool": False, "int": 0, "float": 0.0, "str": ""}
_DESCRIBING = ("name", "kind", "requires", "_target_")


def with_optimizer_ranges(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a config whose ranges of the optimizer's arguments are all in `optimizer.search`.

    A range with both ends or with choices replaces the one of `optimizer.search`, another one changes a part of it. An
    argument of `search.optimizer` is searched, also if `search_only` does not name it.

    Args:
        raw: The resolved config.
    """
    search, optimizer = raw.get("search"), raw.get(_OPTIMIZER)
    given = search.get(_OPTIMIZER) if isinstance(search, Mapping) else None
    if not isinstance(given, Mapping) or not given or not isinstance(optimizer, Mapping):
        return raw
    known = optimizer.get("search")
    ranges = dict(known) if isinstance(known, Mapping) else {}
    for argument, entry in given.items():
        before = ranges.get(argument)
        whole = not isinstance(entry, Mapping) or "choices" in entry or {"low", "high"} <= entry.keys()
        ranges[argument] = entry if whole or not isinstance(before, Mapping) else {**before, **entry}
        if isinstance(ranges[argument], Mapping):
            ranges[argument] = {key: value for key, value in ranges[argument].items() if key != "optional"}
    changed = {**optimizer, "search": ranges}
    if isinstance(only := optimizer.get("search_only"), list):
        changed["search_only"] = [*only, *(argument for argument in given if argument not in only)]
    return {
        **raw,
        _OPTIMIZER: changed,
        "search": {key: value for key, value in search.items() if key != _OPTIMIZER},  # type: ignore[union-attr]
    }


def fixed_and_searched(raw: Mapping[str, Any]) -> list[Fault]:
    """Return a fault for each argument of the optimizer that has a value and a range in `search`.

    Args:
        raw: The resolved config, before `with_optimizer_ranges`.
    """
    search, optimizer = raw.get("search"), raw.get(_OPTIMIZER)
    given = search.get(_OPTIMIZER) if isinstance(search, Mapping) else None
    fixed = optimizer if isinstance(optimizer, Mapping) else {}
    return [
        Fault(
            key=f"{_OPTIMIZER}.{argument}",
            value=fixed[argument],
            allowed=f"no value, since search.{_OPTIMIZER}.{argument} searches it",
            advice=f"Remove {_OPTIMIZER}.{argument}, or search.{_OPTIMIZER}.{argument}.",
        )
        for argument in (given if isinstance(given, Mapping) else ())
        if fixed.get(argument) is not None
    ]


def read_search(read: Reader, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ranges of `search` and the config's own values of their keys, as arguments of `StudyConfig`.

    Args:
        read: The reader, which collects the faults.
        raw: The resolved config.
    """
    section, ranges, own = read.section("search", optional=True), dict[str, Range](), dict[str, Value]()
    for key, entry in _entries(section, ""):
        found, allowed = _own(raw, key), _refusal(key)
        if found is None and (allowed is None or "." not in key or key.partition(".")[0] not in raw):
            advice = correction(key, read.names, _siblings(raw, key)).replace("Remove ", "Remove search.")
            read.fault(f"search.{key}", entry, allowed="a key of the config", advice=advice)
            continue
        if found is None or allowed is not None:
            allowed = allowed or "a key of the config"
            read.fault(f"search.{key}", entry, allowed=allowed, advice=f"Remove search.{key}.")
            continue
        value, default = found
        searched = read_range(read, f"search.{key}", key, entry, of_lists=True)
        if searched is not None and (searched := _typed(read, searched, entry, value, default)) is not None:
            ranges[key], own[key] = searched, frozen(value)
    # The order of words must not matter, and a sampler draws in the order of the ranges.
    return {"searched": dict(sorted(ranges.items())), "own_values": dict(sorted(own.items()))}


def _entries(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and their ranges; what is no section counts as a range."""
    for name, inner in node.items() if isinstance(node, Mapping) else ():
        key = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(inner, Mapping) and inner and not _RANGE & inner.keys():
            yield from _entries(inner, key)
        elif inner != {}:
            yield key, inner


def _refusal(key: str) -> str | None:
    """Return why a key cannot be searched, as what is allowed instead; None if it can."""
    last = key.rpartition(".")[2]
    if last in _DESCRIBING:
        return f"a key whose value is a number, a text or a list; {last} decides what the section is"
    if any(key == part or key.startswith(f"{part}.") for part in _SEARCHED):
        return None
    if key.startswith("dataset."):
        return (
            "a key that leaves the data as they are (dataset.task.loss, loss_weights and class_weight, "
            "dataset.augment): another value of this one would load other data in every trial"
        )
    return f"a key below {', '.join(_SEARCHED)}, or an argument of the optimizer: all trials of a study share this one"


def _own(raw: Mapping[str, Any], key: str) -> tuple[Any, Any] | None:
    """Return the config's own value of a key and the default in the signature; None if the config has no such key."""
    *parents, last = key.split(".")
    node: Any = raw
    for part in parents:
        node = _inner(node, part)
    default = _default(node, last)
    value = _inner(node, last, default)
    if value is _MISSING:
        return None
    return value, _like_annotation(node, last) if default is _MISSING else default


def _inner(node: Any, part: str, otherwise: Any = _MISSING) -> Any:
    if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
        return node[int(part)]
    if isinstance(node, Mapping):
        found = node.get(part, node.get(int(part), otherwise) if part.isdecimal() else otherwise)
        return found
    return otherwise


def _default(section: Any, name: str) -> Any:
    """Return the default of a target's argument; `_MISSING` without a default."""
    found = _parameter(section, name)
    return _MISSING if found is None or found.default is inspect.Parameter.empty else found.default


def _like_annotation(section: Any, name: str) -> Any:
    """Return some value of the type that an argument is annotated with; `_MISSING` for other types, or without one."""
    found = _parameter(section, name)
    return (
        _MISSING if found is None else _OF_TYPE.get(getattr(found.annotation, "__name__", found.annotation), _MISSING)
    )


def _parameter(section: Any, name: str) -> inspect.Parameter | None:
    target = section.get("_target_") if isinstance(section, Mapping) else None
    if not isinstance(target, str):
        return None
    target = built_loss({**section, name: None})["_target_"]  # also an argument that ours adds
    try:
        return parameters(target).get(name)
    except Unimportable:
        return None


def _siblings(raw: Mapping[str, Any], key: str) -> list[str]:
    """Return the arguments of the target whose section has the key."""
    node: Any = raw
    for part in key.split(".")[:-1]:
        node = _inner(node, part)
    target = node.get("_target_") if isinstance(node, Mapping) else None
    if not isinstance(target, str) or takes_any_keyword(target):
        return []
    return list(parameters(target))


def _typed(read: Reader, searched: Range, entry: Any, value: Any, default: Any) -> Range | None:
    """Return a range whose values have the type of the key's own value and of its default, or None with a fault."""
    key, like = f"search.{searched.argument}", default if default is not _MISSING and default is not None else value
    if isinstance(value, Mapping):
        allowed = f"a single value, and this is a section of {', '.join(map(str, value))}"
        read.fault(key, entry, allowed=allowed, advice=f"Write {key}.KEY for one of them.")
        return None
    if searched.choices is not None:
        for choice in searched.choices:
            if allowed_type := _unlike(choice, like, nullable=value is None or default is None):
                read.fault(f"{key}.choices", choice, allowed=allowed_type, advice="Correct it.")
                return None
        return replace(searched, choices=tuple(like_default(choice, like) for choice in searched.choices))
    if isinstance(like, bool | str | list | tuple):
        kind = "true and false" if isinstance(like, bool) else "texts" if isinstance(like, str) else "lists"
        read.fault(key, entry, allowed=f"choices of {kind}", advice=f"Write {key}.choices=[...].")
        return None
    if isinstance(like, int) and (default is not _MISSING or _are_whole(searched)):
        for name in ("low", "high"):
            if (end := getattr(searched, name)) != int(end):
                read.fault(f"{key}.{name}", end, allowed="a whole number", advice="Correct it.")
                return None
        return replace(searched, low=int(searched.low or 0), high=int(searched.high or 0), integer=True)
    return searched


def _are_whole(searched: Range) -> bool:
    ends = (searched.low, searched.high, searched.step or 0)
    return all(isinstance(end, int | float) and end == int(end) for end in ends)


def _unlike(choice: Any, like: Any, *, nullable: bool) -> str:
    """Return the type of value that is allowed if a choice has another one; empty if it has that one."""
    if choice is None and nullable:
        return ""
    is_list = isinstance(choice, tuple)
    if isinstance(like, list | tuple):
        return "" if is_list else "lists, such as [64]"
    if is_list:
        return "single values"
    if isinstance(like, bool):
        return "" if isinstance(choice, bool) else "true or false"
    if isinstance(like, int):
        return "" if isinstance(choice, int) and not isinstance(choice, bool) else "whole numbers"
    if isinstance(like, float):
        return "" if is_number(choice) else "finite numbers"
    if isinstance(like, str):
        return "" if isinstance(choice, str) else "texts"
    return ""
