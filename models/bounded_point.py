"""One number that stays in an interval: the variable of an online learner with linear costs."""

from __future__ import annotations

import math
from typing import Any

import keras

from study.models._layers import refusal


def build(
    input_shape: tuple[int, ...], n_outputs: int, *, start: float = 1.0, low: float = -1.0, high: float = 1.0
) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Shape of one example. The mean over the example is the slope of its cost.
        n_outputs: Width of the output, at least 2; places after the second hold 0.
        start: The number before the first step, from `low` to `high`. Default 1.
        low: The lowest allowed number. Default -1.
        high: The highest allowed number, above `low`. Default 1.

    Returns:
        A model that maps (n, *input_shape) to the cost, slope times number, and the number, (n, n_outputs).

    Raises:
        ValueError: An argument is invalid.
    """
    _check(start, low, high)
    if n_outputs < 2:
        advice = "Choose dataset=online_linear, or a data set of your own with two outputs."
        raise refusal("n_outputs", n_outputs, allowed="at least 2: the cost and the number", advice=advice)
    inputs = keras.Input(tuple(input_shape))
    slope = keras.ops.mean(keras.layers.Flatten()(inputs), axis=-1, keepdims=True)
    number = keras.layers.Dense(
        1,
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(start),
        kernel_constraint=Between(low=low, high=high),
        dtype=keras.config.floatx(),
        name="number",
    )(keras.ops.ones_like(slope))
    unused = [keras.ops.zeros_like(number)] * (n_outputs - 2)
    outputs = keras.ops.concatenate([slope * number, number, *unused], axis=-1)
    return keras.Model(inputs, outputs, name="bounded_point")


class Between(keras.constraints.Constraint):  # type: ignore[misc]
    """The projection onto an interval: a weight outside the interval moves to the nearest end.

    Args:
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    def __init__(self, *, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, w: Any) -> Any:
        """Return the weights, each in the interval."""
        return keras.ops.clip(w, self.low, self.high)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which Keras saves the constraint."""
        return {"low": self.low, "high": self.high}


def _check(start: float, low: float, high: float) -> None:
    """Refuse ends that make no interval, and a start outside it."""
    for name, value in (("start", start), ("low", low), ("high", high)):
        if not _is_finite(value):
            raise refusal(f"model.{name}", value, allowed="a finite number", advice=f"Correct model.{name}.")
    if low >= high:
        advice = "Lower it, or raise model.high."
        raise refusal("model.low", low, allowed=f"less than model.high={high}", advice=advice)
    if not low <= start <= high:
        allowed = f"a number from model.low={low} to model.high={high}"
        raise refusal("model.start", start, allowed=allowed, advice="Move it into the interval.")


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
