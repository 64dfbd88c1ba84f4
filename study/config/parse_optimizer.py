"""Read an optimizer's section: fixed arguments, and ranges of searched ones."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from study.config.argument_domains import optimizer_domain_faults
from study.config.arguments import signature_faults, unknown_arguments
from study.config.instantiate import like_default, parameters
from study.config.known_keys import correction
from study.config.parse_exclusion import read_exclusion
from study.config.parse_range import read_range
from study.config.reader import Reader, did_you_mean, is_number
from study.config.schema import NOT_ARGUMENTS, OptimizerConfig
from study.core.search_space import Range, Value, text_of

RATE = "learning_rate"
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
_ACCUMULATION = "gradient_accumulation_steps"
_AVERAGES = ("ema_momentum", "ema_overwrite_frequency")


def read_optimizer(read: Reader, *, recorded: bool = False) -> OptimizerConfig:
    """Return the optimizer of a config; faults go to the reader.

    An argument with a value is fixed. The others are searched if `search` has a range for them; with `search_only`,
    only the arguments named there are searched. An argument that is neither fixed nor searched keeps the value in
    `untuned`, else Keras's own.

    Args:
        read: The reader of the config.
        recorded: True for a config from a store, which an earlier version may have checked less. Default False.
    """
    section = read.section("optimizer")
    target = read.text("optimizer._target_")
    arguments = {key: value for key, value in section.items() if key not in NOT_ARGUMENTS}
    unknown = signature_faults("optimizer", target, arguments, names=read.names) if target else []
    read.faults += [*unknown, *unknown_arguments("optimizer.untuned", target, section.get("untuned"))]
    known = {} if not target or (unknown and "_target_" in unknown[0].key) else parameters(target)
    fixed = {
        key: _read_argument(read, key, value, known[key].default)
        for key, value in arguments.items()
        if value is not None and key in known
    }
    ranges = _read_ranges(read, read.section("optimizer.search", optional=True), known, fixed)
    if not recorded:
        _check_numbers(read, fixed, ranges)
        read.faults += optimizer_domain_faults(target, fixed, ranges)
        _check_ignored(read, fixed, ranges)
    given = read.section("optimizer.untuned", optional=True)
    untuned = {key: value for key, value in given.items() if key not in fixed}
    return OptimizerConfig(
        name=read.name("optimizer.name"),
        target=target,
        fixed={**untuned, **fixed},
        ranges=ranges,
        exclude=read_exclusion(read, fixed),
    )


def _read_ranges(
    read: Reader, search: Mapping[str, Any], known: Mapping[str, inspect.Parameter], fixed: Mapping[str, Value]
) -> dict[str, Range]:
    """Return the ranges to be searched, by argument."""
    only = read.value("optimizer.search_only", default=None)
    if only is not None and not (isinstance(only, list) and all(isinstance(name, str) for name in only)):
        advice = "Write optimizer.search_only=[learning_rate]."
        read.fault("optimizer.search_only", only, allowed="a list of arguments", advice=advice)
        only = None
    for argument in search:
        if known and argument not in known:
            allowed = f"an argument of the optimizer: {', '.join(known)}"
            read.fault(
                f"optimizer.search.{argument}",
                search[argument],
                allowed=allowed,
                advice=correction(f"optimizer.search.{argument}", (), known),
            )
    for argument in only or ():
        if argument not in search:
            allowed = f"arguments with a range: {', '.join(search)}"
            read.fault("optimizer.search_only", argument, allowed=allowed, advice=did_you_mean(argument, search))
        elif argument in fixed:
            advice = f"Remove optimizer.{argument} from the command or from optimizer.search_only."
            read.fault(f"optimizer.{argument}", fixed[argument], allowed="null for a searched argument", advice=advice)
    ranges = {}
    for argument, entry in search.items():
        if known and argument not in known:
            continue
        searched = read_range(read, f"optimizer.search.{argument}", argument, entry)
        wanted = argument in only if only is not None else not (isinstance(entry, Mapping) and entry.get("optional"))
        if searched is not None and wanted and argument not in fixed:
            ranges[argument] = searched
            if searched.choices is None and argument in known and isinstance(known[argument].default, bool):
                key = f"optimizer.search.{argument}"
                read.fault(
                    key, entry, allowed="choices of true and false", advice=f"Write {key}={{choices: [true, false]}}."
                )
    return ranges


def _check_numbers(read: Reader, fixed: Mapping[str, Value], ranges: Mapping[str, Range]) -> None:
    """Refuse numbers that float32 rounds to 0, 1 or infinity: the optimizer would divide by zero, or do nothing."""
    if read.value("trainer.precision", default=None) == "float64":
        return
    ends = {f"optimizer.{name}": value for name, value in fixed.items()}
    for name, searched in ranges.items():
        key = f"optimizer.search.{name}"
        pairs = [("low", searched.low), ("high", searched.high), *(("choices", c) for c in searched.choices or ())]
        for end, value in pairs:
            _check_number(read, f"{key}.{end}", value)
    for key, value in ends.items():
        _check_number(read, key, value)


def _check_number(read: Reader, key: str, value: object) -> None:
    if not isinstance(value, int | float) or not is_number(value):
        return
    with np.errstate(all="ignore"):
        rounded = float(np.float32(value))
    if math.isinf(rounded) or (value and not rounded) or value < 1 == rounded:
        allowed = f"a number that float32 does not round to {rounded:g}"
        nearest = (
            "0.99999994 is the largest below 1" if value < 1 == rounded else "it has 7 digits, from 1e-45 to 3e38"
        )
        advice = f"In float32, in which the optimizer computes, {nearest}. Correct {key}."
        read.fault(key, value, allowed=allowed, advice=advice)


def _check_ignored(read: Reader, fixed: Mapping[str, Value], ranges: Mapping[str, Range]) -> None:
    """Refuse what Keras ignores: a clipping at 0 or less, and arguments of an average without an average."""
    for name in _CLIPPING:
        low = ranges[name].low if name in ranges else None
        for key, value in ((f"optimizer.{name}", fixed.get(name)), (f"optimizer.search.{name}.low", low)):
            if is_number(value) and value <= 0:  # type: ignore[operator]
                advice = f"Set {key} to more than 0, or to null for no clipping."
                read.fault(key, value, allowed="a number above 0, since it is ignored otherwise", advice=advice)
    if is_number(n := fixed.get(_ACCUMULATION)) and n == 0:
        key = f"optimizer.{_ACCUMULATION}"
        allowed, advice = "a whole number of at least 2, since 0 is ignored", f"Set {key} to 2 or more, or to null."
        read.fault(key, n, allowed=allowed, advice=advice)
    if fixed.get("use_ema") or "use_ema" in ranges:
        return
    for name in _AVERAGES:
        if fixed.get(name) is not None or name in ranges:
            key = f"optimizer.{name}" if name in fixed else f"optimizer.search.{name}"
            value = fixed.get(name, "a range")
            advice = f"Set optimizer.use_ema=true, or remove {key}."
            read.fault(key, value, allowed="null without optimizer.use_ema=true, since it is ignored", advice=advice)


def _read_argument(read: Reader, argument: str, value: Any, default: Any) -> Value:
    """Check a fixed value against the type of the constructor's default, and return it in that type."""
    if isinstance(value, list):
        if argument == RATE or isinstance(default, int | float):
            advice = f"To search these values, write optimizer.search.{argument}.choices={text_of(value)}."
            read.fault(f"optimizer.{argument}", value, allowed="a single value", advice=advice)
        return tuple(map(str, value))
    if argument == RATE:  # an optimizer of one's own may have no default for it
        default = 0.0
    if isinstance(default, bool):
        if not isinstance(value, bool):
            read.fault(
                f"optimizer.{argument}", value, allowed="true or false", advice=f"Correct optimizer.{argument}."
            )
    elif isinstance(default, int | float):
        if not is_number(value):
            advice = f"Correct optimizer.{argument}, or leave it out to search it."
            read.fault(f"optimizer.{argument}", value, allowed="a finite number", advice=advice)
        else:
            value = like_default(value, default)
    return value  # type: ignore[no-any-return]
