"""Search ranges and the points in them, apart from the library that searches."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

Scale = Literal["linear", "log", "one_minus_log"]
SCALES: tuple[str, ...] = get_args(Scale)

# A value of an optimizer's argument.
Value = float | int | bool | str | None | tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Range:
    """The search range of one argument of an optimizer: an interval on a scale, or a list of choices.

    Attributes:
        argument: The constructor's argument, such as `beta_1`.
        low: Lower end, in the argument's own values. None (the default): there are choices instead.
        high: Upper end, in the argument's own values. None (the default): there are choices instead.
        scale: `linear`, `log`, or `one_minus_log`: log-uniform on one minus the value. Default `linear`.
        choices: The values to choose from. None (the default): an interval.
    """

    argument: str
    low: float | None = None
    high: float | None = None
    scale: Scale = "linear"
    choices: tuple[Value, ...] | None = None

    @property
    def coordinate(self) -> str:
        """The name of the coordinate that is drawn: the argument itself, or `one_minus_<argument>`."""
        return f"one_minus_{self.argument}" if self.scale == "one_minus_log" else self.argument

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval of the coordinate that is drawn, lower end first."""
        low, high = cast(float, self.low), cast(float, self.high)
        if self.scale == "one_minus_log":
            # 1 - 0.99 is not 0.01 in floating point; twelve digits are more than a user types.
            return round(1.0 - high, 12), round(1.0 - low, 12)
        return low, high

    @property
    def described(self) -> str:
        """The range in words."""
        if self.choices is not None:
            return f"one of {', '.join(map(text_of, self.choices))}"
        return f"a number from {self.low} to {self.high}, the range searched"

    def holds(self, value: Value) -> bool:
        """Return whether a value of the argument lies in the range, both ends included.

        Args:
            value: The value of the argument, not of its coordinate.
        """
        if self.choices is not None:
            return value in self.choices
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and cast(float, self.low) <= cast(float, value) <= cast(float, self.high)


def n_grid_points(ranges: Mapping[str, Range], n_points: int) -> int:
    """Return the number of points of a grid: `n_points` along each interval, and all choices.

    Args:
        ranges: The ranges searched, by argument.
        n_points: Number of points along each interval.
    """
    return math.prod(n_points if r.choices is None else len(set(r.choices)) for r in ranges.values())


def to_arguments(ranges: Mapping[str, Range], coordinates: Mapping[str, Value]) -> dict[str, Value]:
    """Turn drawn coordinates into the optimizer's arguments.

    Args:
        ranges: The ranges searched, by argument.
        coordinates: A drawn value for the coordinate of each range.

    Returns:
        A value for each argument, in the order of `ranges`.
    """
    point: dict[str, Value] = {}
    for argument, searched in ranges.items():
        drawn = coordinates[searched.coordinate]
        point[argument] = 1.0 - cast(float, drawn) if searched.scale == "one_minus_log" else drawn
    return point


def to_coordinates(ranges: Mapping[str, Range], point: Mapping[str, Value]) -> dict[str, Value]:
    """Turn arguments that lie in their ranges into coordinates, the inverse of `to_arguments`.

    Args:
        ranges: The ranges searched, by argument.
        point: Values for some of the arguments, or for all.
    """
    coordinates: dict[str, Value] = {}
    for argument, value in point.items():
        searched = ranges[argument]
        if searched.choices is None:
            low, high = searched.bounds
            drawn = 1.0 - cast(float, value) if searched.scale == "one_minus_log" else float(cast(float, value))
            value = min(max(drawn, low), high)  # the bounds are rounded, the value's difference from one is not
        coordinates[searched.coordinate] = value
    return coordinates


def text_of(value: Any) -> str:
    """Return a value as the text that a user types on the command line; lists as JSON."""
    if isinstance(value, bool) or value is None or isinstance(value, list | tuple | dict):
        return json.dumps(value)
    return str(value)


def value_of(text: str) -> Value:
    """Read a recorded value back: numbers, booleans, null and lists are JSON, everything else is text.

    Args:
        text: The text, as `text_of` returns it.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return tuple(map(str, value)) if isinstance(value, list) else value
