"""Ranges of the arguments of optimizers and schedules that Keras does not check: outside, a training diverges at once.

The names are those of Keras's own classes and of this package's. Classes of a user's own may use them for anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from study.config.reader import is_number
from study.core.errors import Fault
from study.core.search_space import Range

_OPTIMIZERS = ("keras.optimizers.", "study.optimizers.")
_SCHEDULES = ("keras.optimizers.schedules.", "study.optimizers.")
_SHARE = "fraction_of_steps"
# Arguments of schedules that are lists.
_LISTS = ("boundaries", "values")
# Arguments of schedules that raise a rate of 0.
_LATER_RATES = ("warmup_target", "end_learning_rate")


@dataclass(frozen=True, kw_only=True)
class _Domain:
    """An interval.

    Attributes:
        low: The lower end.
        above: The lower end does not belong to it. Default False.
        high: The upper end. Default inf.
        below: The upper end does not belong to it. Default False.
    """

    low: float = 0.0
    above: bool = False
    high: float = math.inf
    below: bool = False

    def holds(self, value: float) -> bool:
        """Return whether a number lies in the interval."""
        is_high_enough = value > self.low if self.above else value >= self.low
        return is_high_enough and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        low = f"a number above {self.low:g}" if self.above else f"a number of at least {self.low:g}"
        if self.high == math.inf:
            return low
        return f"{low} and {'below' if self.below else 'at most'} {self.high:g}"


_NOT_NEGATIVE, _POSITIVE = _Domain(), _Domain(above=True)
# A mean is divided by 1 minus the power of its decay.
_CORRECTED_DECAY, _DECAY = _Domain(high=1.0, below=True), _Domain(high=1.0)
_OF_OPTIMIZERS: Mapping[str, _Domain] = {
    "learning_rate": _NOT_NEGATIVE,
    "beta_1": _CORRECTED_DECAY,
    "beta_2": _CORRECTED_DECAY,
    "rho": _DECAY,
    "epsilon": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
    "loss_scale_factor": _POSITIVE,
}
# The largest gradient decays by beta_2, without a correction.
_ADAMAX, _OF_ADAMAX = "keras.optimizers.Adamax", {"beta_2": _DECAY}
_OF_SCHEDULES: Mapping[str, _Domain] = {
    name: _NOT_NEGATIVE for name in ("initial_learning_rate", "end_learning_rate", "alpha", "decay_rate", "m_mul")
} | {
    "values": _NOT_NEGATIVE,
    "warmup_target": _POSITIVE,
    "decay_steps": _POSITIVE,
    "first_decay_steps": _POSITIVE,
    "warmup_steps": _NOT_NEGATIVE,
    "warmup_fraction": _Domain(high=1.0, below=True),
}


def optimizer_domain_faults(target: str, fixed: Mapping[str, Any], ranges: Mapping[str, Range]) -> list[Fault]:
    """Return a fault for every fixed value and every end of a range that lies outside its argument's range.

    Args:
        target: Dotted path of the optimizer.
        fixed: The fixed arguments, by name.
        ranges: The searched ranges, by argument.
    """
    if not target.startswith(_OPTIMIZERS):
        return []
    domains = {**_OF_OPTIMIZERS, **(_OF_ADAMAX if target == _ADAMAX else {})}
    found = [(f"optimizer.{name}", name, value) for name, value in fixed.items()]
    for name, searched in ranges.items():
        key = f"optimizer.search.{name}"
        ends: list[tuple[str, object]] = [("choices", each) for each in searched.choices or ()]
        if searched.choices is None:
            ends = [("low", searched.low), ("high", searched.high)]
        found += [(f"{key}.{end}", name, value) for end, value in ends]
    return [
        Fault(key=key, value=value, allowed=str(domains[name]), advice=f"Correct {key}.")
        for key, name, value in found
        if name in domains and not _is_inside(domains[name], value)
    ]


def schedule_faults(section: Mapping[str, Any]) -> list[Fault]:
    """Return a fault for every argument of a schedule that is out of its range, or is no share of the steps.

    Args:
        section: The schedule's section: `_target_` and its arguments.
    """
    found = []
    for name, value in section.items():
        items = enumerate(value) if isinstance(value, list | tuple) else [("", value)]
        for index, item in items:
            key = f"schedule.{name}" if index == "" else f"schedule.{name}.{index}"
            found += list(_item_faults(key, item))
    if not found and str(section.get("_target_")).startswith(_SCHEDULES):
        found += [*_domain_faults(section), *_order_faults(section), *_idle_faults(section)]
    return found


def _is_inside(domain: _Domain, value: object) -> bool:
    """Return whether a value lies in an interval; also for what is no number, which Keras refuses, except for true."""
    return value is not True and (not is_number(value) or domain.holds(value))  # type: ignore[arg-type]


def _item_faults(key: str, value: Any) -> Iterator[Fault]:
    """Check a single value: numbers are finite, and a section is `{fraction_of_steps: f}` with f above 0."""
    if isinstance(value, Mapping) and "_target_" not in value:
        advice = f"Write {key}={{{_SHARE}: 0.5}} for half of the steps, or a number of steps."
        for other in (each for each in value if each != _SHARE):
            yield Fault(key=f"{key}.{other}", value=value[other], allowed=f"{_SHARE} alone", advice=advice)
        share = value.get(_SHARE)
        if not is_number(share) or share <= 0:  # type: ignore[operator]
            yield Fault(key=f"{key}.{_SHARE}", value=share, allowed="a finite number above 0", advice=advice)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Fault(key=key, value=value, allowed="a finite number", advice=f"Correct {key}.")


def _domain_faults(section: Mapping[str, Any]) -> Iterator[Fault]:
    for name in _LISTS:
        if section.get(name) is not None and not isinstance(section[name], list | tuple):
            key = f"schedule.{name}"
            yield Fault(key=key, value=section[name], allowed="a list of numbers", advice=f"Write {key}=[...].")
    for name, domain in _OF_SCHEDULES.items():
        given = section.get(name)
        for value in given if isinstance(given, list | tuple) else (given,):
            if isinstance(value, bool) or not _is_inside(domain, value):
                key = f"schedule.{name}"
                yield Fault(key=key, value=value, allowed=str(domain), advice=f"Correct {key}.")


def _order_faults(section: Mapping[str, Any]) -> Iterator[Fault]:
    """Check that the boundaries of a step schedule rise; Keras takes them in any order and mixes up its values."""
    given = section.get("boundaries")
    for values in (_steps(given), _shares(given)) if isinstance(given, list | tuple) else ():
        if any(later <= earlier for earlier, later in pairwise(values)):
            yield Fault(
                key="schedule.boundaries",
                value=given,
                allowed="numbers of steps that rise",
                advice="Sort schedule.boundaries, with schedule.values in the same order.",
            )


def _steps(boundaries: list[Any] | tuple[Any, ...]) -> list[float]:
    return [each for each in boundaries if is_number(each)]


def _shares(boundaries: list[Any] | tuple[Any, ...]) -> list[float]:
    return [each[_SHARE] for each in boundaries if isinstance(each, Mapping)]


def _idle_faults(section: Mapping[str, Any]) -> Iterator[Fault]:
    """Check that the rate is not 0 at all steps."""
    key = "schedule.initial_learning_rate"
    if section.get("initial_learning_rate") == 0 and not any(section.get(name) for name in _LATER_RATES):
        advice = f"Set {key}=1.0, or a schedule.warmup_target."
        yield Fault(key=key, value=0, allowed="a factor above 0, since nothing is trained otherwise", advice=advice)
