"""Read a search range: an interval on a scale, or a list of choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.config.reader import Reader, did_you_mean, is_number
from study.core.search_space import SCALES, Range, frozen

_KEYS = ("low", "high", "scale", "integer", "step", "choices", "optional")
_OF_CHOICES = ("choices", "optional")


def read_range(read: Reader, key: str, argument: str, entry: Any, *, of_lists: bool = False) -> Range | None:
    """Return a range, or None if it has a fault.

    Args:
        read: The reader, which collects the faults.
        key: The dotted key of the range.
        argument: The name of what is searched.
        entry: The range as the config has it.
        of_lists: Accept lists of numbers or texts as choices. Default False.
    """
    if not isinstance(entry, Mapping):
        advice = f"Write {key}.low=... and {key}.high=..., or {key}.choices=[...]."
        read.fault(key, entry, allowed=f"a range of {', '.join(_KEYS)}", advice=advice)
        return None
    before = len(read.faults)
    for name in entry:
        if name not in _KEYS:
            allowed = f"one of {', '.join(_KEYS)}"
            read.fault(f"{key}.{name}", entry[name], allowed=allowed, advice=did_you_mean(name, _KEYS))
    if entry.get("choices") is not None:
        return _choices(read, key, argument, entry, of_lists=of_lists)
    low: Any
    high: Any
    low, high, scale = entry.get("low"), entry.get("high"), entry.get("scale", "linear")
    integer, step = entry.get("integer", False), entry.get("step")
    if scale not in SCALES:
        advice = f"Write {key}.integer=true." if scale in ("int", "integer") else did_you_mean(str(scale), SCALES)
        read.fault(f"{key}.scale", scale, allowed=f"one of {', '.join(SCALES)}", advice=advice)
    if not isinstance(integer, bool):
        read.fault(f"{key}.integer", integer, allowed="true or false", advice="Correct it, or leave it out.")
    for name, end in (("low", low), ("high", high)):
        if not is_number(end):
            allowed = "a finite number; a range that depends on another value is not possible"
            advice = f"Set {key}.{name}. For a range that depends on a choice, make a study for each choice."
            read.fault(f"{key}.{name}", end, allowed=allowed, advice=advice)
    if len(read.faults) == before:
        _check_ends(read, key, low, high, scale)
        _check_steps(read, key, entry)
    if len(read.faults) > before:
        return None
    ends = {"low": int(low), "high": int(high)} if integer else {"low": float(low), "high": float(high)}
    return Range(argument=argument, **ends, scale=scale, integer=integer, step=step)


def _choices(read: Reader, key: str, argument: str, entry: Mapping[str, Any], *, of_lists: bool) -> Range | None:
    before, choices = len(read.faults), entry["choices"]
    if not isinstance(choices, list | tuple) or not choices:
        advice = f"Write {key}.choices=[0.1,0.01]."
        read.fault(f"{key}.choices", choices, allowed="a list with at least one value", advice=advice)
        return None
    for name in entry:
        if of_lists and name in _KEYS and name not in _OF_CHOICES and entry[name] is not None:
            advice = f"Remove {key}.{name}, or {key}.choices."
            read.fault(f"{key}.{name}", entry[name], allowed="no value beside choices", advice=advice)
    for choice in choices:
        parts = choice if of_lists and isinstance(choice, list | tuple) else [choice]
        if not all(isinstance(part, bool | str | None) or is_number(part) for part in parts):
            allowed = "finite numbers, texts, true, false or null" + (", or lists of them" if of_lists else "")
            read.fault(f"{key}.choices", choice, allowed=allowed, advice="Write single values.")
            return None
    told = [choice for index, choice in enumerate(choices) if choice in choices[:index]] if of_lists else []
    for choice in told:
        read.fault(f"{key}.choices", choice, allowed="each choice once", advice="Remove the repetition.")
    if len(read.faults) > before:
        return None
    return Range(argument=argument, choices=frozen(choices))


def _check_ends(read: Reader, key: str, low: Any, high: Any, scale: str) -> None:
    """Check that two numbers are the ends of a range on a scale."""
    if low >= high:
        read.fault(f"{key}.low", low, allowed=f"a number below {key}.high={high}", advice="Lower it, or raise high.")
    if scale == "log" and low <= 0:
        advice = f"Raise it, or set {key}.scale=linear."
        read.fault(f"{key}.low", low, allowed="a number above 0 on a log scale", advice=advice)
    if scale == "one_minus_log" and round(1.0 - high, 12) <= 0:  # twelve digits, as in `Range.bounds`
        advice = f"Lower it, or set {key}.scale=linear."
        allowed = "a number below 1 on a one_minus_log scale, at most 0.999999999999"
        read.fault(f"{key}.high", high, allowed=allowed, advice=advice)


def _check_steps(read: Reader, key: str, entry: Mapping[str, Any]) -> None:
    """Check that whole numbers have whole ends, and that whole steps lead from one end to the other."""
    low, high, scale, step = entry["low"], entry["high"], entry.get("scale", "linear"), entry.get("step")
    integer = entry.get("integer", False)
    if integer and scale == "one_minus_log":
        read.fault(f"{key}.scale", scale, allowed="linear or log for whole numbers", advice="Correct it.")
    for name in ("low", "high") if integer else ():
        if entry[name] != int(entry[name]):
            advice = f"Write a whole number, or set {key}.integer=false."
            read.fault(f"{key}.{name}", entry[name], allowed="a whole number", advice=advice)
    if step is None:
        return
    if not is_number(step) or step <= 0 or (integer and step != int(step)):
        kind = "a whole number of at least 1" if integer else "a number above 0"
        read.fault(f"{key}.step", step, allowed=kind, advice="Correct it, or leave it out.")
    elif scale != "linear":
        advice = f"Leave out {key}.step, or set {key}.scale=linear."
        read.fault(f"{key}.step", step, allowed="no value on a log scale", advice=advice)
    elif abs((high - low) / step - round((high - low) / step)) > 1e-9:
        advice = f"Set {key}.high to {low + step * int((high - low) / step):g}, or change the step."
        read.fault(f"{key}.step", step, allowed=f"a step that leads from {low} to {high}", advice=advice)
