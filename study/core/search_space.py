"""Search ranges and the points in them, apart from the library that searches."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

Scale = Literal["linear", "log", "one_minus_log"]
SCALES: tuple[str, ...] = get_args(Scale)

# A value of an optimizer's argument, or of another key of a config.
Value = float | int | bool | str | None | tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Range:
    """The search range of one value: an interval on a scale, or a list of choices.

    Attributes:
        argument: The optimizer's argument, such as `beta_1`, or a dotted key, such as `model.dropout`.
        low: Lower end, in the argument's own values. None (the default): there are choices instead.
        high: Upper end, in the argument's own values. None (the default): there are choices instead.
        scale: `linear`, `log`, or `one_minus_log`: log-uniform on one minus the value. Default `linear`.
        choices: The values to choose from. None (the default): an interval.
        integer: Draw whole numbers. Default False.
        step: Distance between neighbors, from `low` on. None (the default): any number, or any whole number.
    """

    argument: str
    low: float | None = None
    high: float | None = None
    scale: Scale = "linear"
    choices: tuple[Value, ...] | None = None
    integer: bool = False
    step: float | None = None

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
    def is_of_structures(self) -> bool:
        """True for whole numbers and choices, other than choices of numbers with a fraction."""
        if self.choices is None:
            return self.integer
        return not all(type(choice) is float for choice in self.choices)

    @property
    def described(self) -> str:
        """The range in words."""
        if self.choices is not None:
            return f"one of {', '.join(map(text_of, self.choices))}"
        kind = "a whole number" if self.integer else "a number"
        steps = "" if self.step is None else f" in steps of {self.step:g}"
        return f"{kind} from {self.low} to {self.high}{steps}, the range searched"

    @property
    def parameters(self) -> dict[str, Any]:
        """The attributes that describe the range, without `integer` and `step` where these have their defaults."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in ("integer", "step") or value not in (False, None)
        }

    @property
    def examples(self) -> tuple[Value, ...]:
        """Values to try before the search: all choices, or both ends and a value halfway on the scale."""
        return self.choices if self.choices is not None else tuple(map(self.value, self.grid(3)))

    def holds(self, value: Value) -> bool:
        """Return whether a value of the argument lies in the range, both ends included.

        Args:
            value: The value of the argument, not of its coordinate.
        """
        if self.choices is not None:
            return value in self.choices
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        low, step = cast(float, self.low), self.step or (1.0 if self.integer else None)
        on_step = step is None or math.isclose((value - low) / step, round((value - low) / step), abs_tol=1e-9)
        return low <= value <= cast(float, self.high) and on_step

    def drawn(self, value: Value) -> Value:
        """Return the value of the coordinate for a value of the argument, which lies in the range.

        Args:
            value: The value of the argument.
        """
        if self.choices is not None:
            return text_of(value) if isinstance(value, tuple) else value
        if self.integer:
            return round(cast(float, value))
        low, high = self.bounds
        number = 1.0 - cast(float, value) if self.scale == "one_minus_log" else float(cast(float, value))
        return min(max(number, low), high)  # the bounds are rounded, the value's difference from one is not

    def value(self, drawn: Value) -> Value:
        """Return the value of the argument for a drawn value of the coordinate.

        Args:
            drawn: The value of the coordinate.
        """
        if self.choices is not None:
            written = {text_of(choice): choice for choice in self.choices if isinstance(choice, tuple)}
            return written.get(drawn, drawn) if isinstance(drawn, str) else drawn
        if self.step is not None and not self.integer:
            return round(cast(float, drawn), 12)  # 0.1 + 2 * 0.1 is 0.3
        return 1.0 - cast(float, drawn) if self.scale == "one_minus_log" else drawn

    def grid(self, n_points: int) -> tuple[Value, ...]:
        """Return values of the coordinate at equal distances on its scale, both ends included, or all choices.

        Args:
            n_points: Number of values along an interval; fewer if it has not so many.
        """
        if self.choices is not None:
            return tuple(self.drawn(choice) for choice in self.choices)
        low, high = self.bounds
        if self.step is not None:
            n_points = min(n_points, 1 + round((high - low) / self.step))
        spaced = np.linspace(low, high, n_points) if self.scale == "linear" else np.geomspace(low, high, n_points)
        values = [float(value) for value in np.clip(spaced, low, high)]
        if self.step is not None:
            values = [low + self.step * round((value - low) / self.step) for value in values]
        return tuple(dict.fromkeys(round(value) if self.integer else value for value in values))


def n_grid_points(ranges: Mapping[str, Range], n_points: int) -> int:
    """Return the number of points of a grid: `n_points` along each interval, and all choices.

    Args:
        ranges: The ranges searched, by argument.
        n_points: Number of points along each interval.
    """
    return math.prod(len(set(searched.grid(n_points))) for searched in ranges.values())


def of_optimizer(hyperparameters: Mapping[str, Value]) -> dict[str, Value]:
    """Return the optimizer's arguments among hyperparameters: those whose name has no dot.

    Args:
        hyperparameters: A trial's hyperparameters, by name.
    """
    return {name: value for name, value in hyperparameters.items() if "." not in name}


def of_config(hyperparameters: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values of other keys of the config among hyperparameters, by dotted key.

    Args:
        hyperparameters: A trial's hyperparameters, by name.
    """
    return {name: value for name, value in hyperparameters.items() if "." in name}


def to_arguments(ranges: Mapping[str, Range], coordinates: Mapping[str, Value]) -> dict[str, Value]:
    """Turn drawn coordinates into arguments.

    Args:
        ranges: The ranges searched, by argument.
        coordinates: A drawn value for the coordinate of each range.

    Returns:
        A value for each argument, in the order of `ranges`.
    """
    return {argument: searched.value(coordinates[searched.coordinate]) for argument, searched in ranges.items()}


def to_coordinates(ranges: Mapping[str, Range], point: Mapping[str, Value]) -> dict[str, Value]:
    """Turn arguments that lie in their ranges into coordinates, the inverse of `to_arguments`.

    Args:
        ranges: The ranges searched, by argument.
        point: Values for some of the arguments, or for all.
    """
    return {ranges[argument].coordinate: ranges[argument].drawn(value) for argument, value in point.items()}


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
    read: Value = frozen(value)
    return read


def frozen(value: Any) -> Any:
    """Return a value with tuples in place of lists, at all levels.

    Args:
        value: The value.
    """
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value
