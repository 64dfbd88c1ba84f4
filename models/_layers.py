"""Parts that several architectures share, and the checks of what they are built with.

Messages have the form that the rest of the project uses: the key as a user types it, the value, what is allowed,
what to do next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

_PRELU = "prelu"


def activation_layer(activation: object) -> keras.Layer:
    """Return a layer for an activation's name; `prelu` has weights of its own and is a layer in Keras.

    Raises:
        ValueError: Keras knows no such activation.
    """
    if isinstance(activation, str) and activation.lower() == _PRELU:
        return keras.layers.PReLU()
    allowed = "the name of an activation in Keras, or prelu"
    advice = "Use for instance model.activation=relu, tanh, gelu or silu."
    if not isinstance(activation, str):
        raise refusal("model.activation", activation, allowed=allowed, advice=advice)
    try:
        return keras.layers.Activation(activation)
    except ValueError as error:
        raise refusal("model.activation", activation, allowed=allowed, advice=advice) from error


def output_layer(n_outputs: int, **arguments: Any) -> keras.Layer:
    """Return the last layer of every model: logits, in float32 even where the rest computes in fewer bits.

    Raises:
        ValueError: There is nothing to put out.
    """
    if not _is_whole(n_outputs) or n_outputs < 1:
        advice = "Let the data set's load() give the number of its classes."
        raise refusal("n_outputs", n_outputs, allowed="a whole number of at least 1", advice=advice)
    return keras.layers.Dense(n_outputs, name="output", dtype="float32", **arguments)


def l2_penalty(l2: float) -> keras.Regularizer | None:
    """Return the penalty l2 / 2 * sum(w^2), whose gradient is l2 * w, as papers count weight decay; None for zero.

    Raises:
        ValueError: The factor is negative or no finite number.
    """
    if not _is_number(l2) or not 0 <= l2 < math.inf:
        advice = "Set model.l2=0 for no penalty, or to a small number such as 0.0001."
        raise refusal("model.l2", l2, allowed="a finite number of at least 0", advice=advice)
    # Keras leaves out the half.
    return keras.regularizers.L2(l2 / 2) if l2 > 0 else None


def check_hidden(hidden: Any) -> list[int]:
    """Return the units of the hidden layers.

    Raises:
        ValueError: They are not a list of whole numbers of at least 1.
    """
    # Any sequence will do, OmegaConf's own lists as well; text is one too, but not of numbers.
    if not isinstance(hidden, Sequence) or not all(_is_whole(units) and units >= 1 for units in hidden):
        advice = "Write model.hidden=[300,100], or model.hidden=[100] for one layer."
        raise refusal("model.hidden", hidden, allowed="a list of whole numbers of at least 1", advice=advice)
    return list(hidden)


def check_units(units: int) -> int:
    """Return the width of a layer.

    Raises:
        ValueError: It is not a whole number of at least 1.
    """
    if not _is_whole(units) or units < 1:
        raise refusal("model.units", units, allowed="a whole number of at least 1", advice="Set model.units=64.")
    return units


def check_dropout(dropout: float) -> None:
    """Refuse a share of dropped units that is not from 0 to below 1.

    Raises:
        ValueError: It is not.
    """
    if not _is_number(dropout) or not 0 <= dropout < 1:
        advice = "Set model.dropout=0 for none, or to a share such as 0.5."
        raise refusal("model.dropout", dropout, allowed="a number from 0 to below 1", advice=advice)


def check_images(input_shape: tuple[int, ...], *, model: str, min_side: int) -> None:
    """Refuse inputs that are no images, or images too small for a model.

    Raises:
        ValueError: The shape is not (height, width, channels), or a side is shorter than `min_side`.
    """
    if len(input_shape) != 3 or min(input_shape[:2]) < min_side:
        raise refusal(
            f"model={model}, input_shape",
            tuple(input_shape),
            allowed=f"images (height, width, channels) of at least {min_side}x{min_side} pixels",
            advice="Choose model=mlp or model=linear, which take any shape, or another data set.",
        )


def refusal(key: str, value: object, *, allowed: str, advice: str) -> ValueError:
    """Return the error for an argument that a model cannot be built with."""
    return ValueError(f"{key}={value!s}: expected {allowed}. {advice}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
