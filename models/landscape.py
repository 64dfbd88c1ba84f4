"""A point on a landscape as a model: its one weight vector is the position, its first output the height there.

So every optimizer, schedule and trainer works on a landscape as on any other model: one step of the training is one
step on the landscape. The model consists of Keras's own parts alone, so a saved model loads without this project.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from study.models._layers import refusal


def build(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    function: Mapping[str, str],
    start: Sequence[float],
    domain: Sequence[Sequence[float]],
) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Shape of one example, (1,): an input without information.
        n_outputs: Width of the output: 1 for the height, and 1 for each coordinate. Places that the landscape does not
            use hold 0.
        function: A mapping whose `_target_` is the dotted path of a function of one or more coordinates in plain
            arithmetic.
        start: The position before the first step, one number for each coordinate, in the domain.
        domain: The part of the landscape that is drawn: for each coordinate the lowest and the highest value. Steps
            may leave the domain.

    Returns:
        A model that maps (n, 1) to the height and the coordinates, (n, n_outputs), the same in every row.

    Raises:
        ValueError: An argument is invalid.
    """
    height = _named_function(function)
    n_dimensions = len(inspect.signature(height).parameters)
    bounds = _bounds(domain, n_dimensions)
    position = _start(start, n_dimensions, bounds)
    _check_height(height, position)
    _check_places(tuple(input_shape), n_outputs, n_dimensions)
    inputs = keras.Input(tuple(input_shape))
    floatx = keras.config.floatx()  # TensorFlow would first convert a list to float32
    # With an input of zeros, this layer returns only its offset: a weight vector that is the position. Its arithmetic
    # is in the weights' own precision, also where other models compute in bfloat16.
    nothing = keras.ops.repeat(keras.ops.zeros_like(inputs, dtype=floatx), n_dimensions, axis=-1)
    place = keras.layers.LayerNormalization(
        scale=False,
        beta_initializer=keras.initializers.Constant(np.asarray(position, floatx)),
        dtype=floatx,
        name="position",
    )(nothing)
    coordinates = [place[:, index] for index in range(n_dimensions)]
    unused = [keras.ops.zeros_like(coordinates[0])] * (n_outputs - 1 - n_dimensions)
    outputs = keras.ops.stack([height(*coordinates), *coordinates, *unused], axis=-1)
    return keras.Model(inputs, outputs, name="landscape")


class Height(keras.losses.Loss):  # type: ignore[misc]
    """The height at the model's position: the model's first output. The target is ignored."""

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: ARG002 - Keras passes it
        """Return the heights, shape (n_examples,).

        Args:
            y_true: The targets, which are ignored.
            y_pred: The model's outputs, shape (n_examples, n_outputs).
        """
        return y_pred[:, 0]


class Coordinate(keras.metrics.MeanMetricWrapper):  # type: ignore[misc]
    """A coordinate of the model's position.

    Args:
        name: The metric's name. Default `x1`.
        index: The coordinate's number, counted from 1 as in x1, x2. Default 1.
        dtype: Type in which the mean is computed. None (the default): Keras's own.
    """

    def __init__(self, name: str = "x1", *, index: int = 1, dtype: Any = None) -> None:
        super().__init__(lambda y_true, y_pred: y_pred[:, index], name=name, dtype=dtype)  # noqa: ARG005
        self.index = index

    def get_config(self) -> dict[str, Any]:
        """Return the arguments with which Keras saves the metric."""
        return {"name": self.name, "index": self.index, "dtype": self.dtype}


def _named_function(function: object) -> Callable[..., Any]:
    """Return the function that `model.function` names; the allow-list has checked the name before."""
    target = function.get("_target_") if isinstance(function, Mapping) else None
    allowed = "the dotted path of a function of x1, or of x1 and x2"
    advice = (
        "Use for instance model.function._target_=study.models.landscape_functions.ellipse, "
        "or a function in a module of your own."
    )
    module, _, name = str(target).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
        kinds = [parameter.kind for parameter in inspect.signature(found).parameters.values()]
    except (ImportError, ValueError, AttributeError, TypeError) as error:
        raise refusal("model.function._target_", target, allowed=allowed, advice=advice) from error
    if not kinds or any(kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds):
        raise refusal("model.function._target_", target, allowed=allowed, advice=advice)
    return found  # type: ignore[no-any-return]


def _bounds(domain: object, n_dimensions: int) -> list[tuple[float, float]]:
    """Return the lowest and the highest value of each coordinate."""
    pairs = list(domain) if _is_list(domain) else []  # type: ignore[call-overload]
    whole = len(pairs) == n_dimensions and all(
        _is_list(pair) and len(pair) == 2 and all(map(_is_finite, pair)) and pair[0] < pair[1] for pair in pairs
    )
    if not whole:
        allowed = f"a lowest and a higher finite value for each coordinate, and the landscape has {n_dimensions}"
        advice = f"Write model.domain={_written([[-10, 10]] * n_dimensions)}."
        raise refusal("model.domain", domain, allowed=allowed, advice=advice)
    return [(float(low), float(high)) for low, high in pairs]


def _start(start: object, n_dimensions: int, bounds: Sequence[tuple[float, float]]) -> list[float]:
    """Return the start as a position in the domain."""
    numbers = list(start) if _is_list(start) else []  # type: ignore[call-overload]
    if len(numbers) != n_dimensions or not all(map(_is_finite, numbers)):
        allowed = f"a finite number for each coordinate, and the landscape has {n_dimensions}"
        advice = f"Write model.start={_written([1.0] * n_dimensions)}."
        raise refusal("model.start", start, allowed=allowed, advice=advice)
    if not all(low <= number <= high for number, (low, high) in zip(numbers, bounds, strict=True)):
        allowed = f"a position in model.domain={_written([list(pair) for pair in bounds])}"
        raise refusal("model.start", start, allowed=allowed, advice="Move the start, or widen model.domain.")
    return [float(number) for number in numbers]


def _check_height(height: Callable[..., Any], position: Sequence[float]) -> None:
    """Refuse a start where the landscape has no height to descend from."""
    with np.errstate(all="ignore"):
        found = np.asarray(height(*np.asarray(position, dtype=np.float64)))
    if found.shape != () or not np.isfinite(found):
        allowed = f"a position where the landscape has a finite value; here it is {found}"
        raise refusal("model.start", list(position), allowed=allowed, advice="Move the start to such a position.")


def _check_places(input_shape: tuple[int, ...], n_outputs: int, n_dimensions: int) -> None:
    """Refuse a data set that a landscape cannot use."""
    if input_shape != (1,):
        allowed = "(1,), since a landscape uses no data"
        advice = "Choose dataset=landscape, or another model."
        raise refusal("a landscape as model, input_shape", input_shape, allowed=allowed, advice=advice)
    if n_outputs < 1 + n_dimensions:
        allowed = f"at least {1 + n_dimensions}: the height, and {n_dimensions} coordinates"
        advice = "Choose a landscape of fewer coordinates, or a data set of your own with more outputs."
        raise refusal("n_outputs", n_outputs, allowed=allowed, advice=advice)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _written(value: object) -> str:
    return str(value).replace(" ", "")
