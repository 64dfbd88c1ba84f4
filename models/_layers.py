"""Parts that several architectures share, and the checks of their arguments.

Messages have the form that the rest of the project uses: the key as a user types it, the value, what is allowed,
what to do next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

_PRELU = "prelu"


def activation_layer(activation: object, *, key: str = "model.activation") -> keras.Layer:
    """Return a layer for an activation's name; `prelu` has weights of its own and is a layer in Keras.

    Args:
        activation: The name.
        key: Its name in the refusal. Default `model.activation`.

    Raises:
        ValueError: Keras knows no such activation.
    """
    if isinstance(activation, str) and activation.lower() == _PRELU:
        return keras.layers.PReLU()
    allowed = "the name of an activation in Keras, or prelu"
    advice = f"Use for instance {key}=relu, tanh, gelu or silu."
    if not isinstance(activation, str):
        raise refusal(key, activation, allowed=allowed, advice=advice)
    try:
        return keras.layers.Activation(activation)
    except ValueError as error:
        raise refusal(key, activation, allowed=allowed, advice=advice) from error


def output_layer(n_outputs: int, **arguments: Any) -> keras.Layer:
    """Return the last layer of every model: logits, in full precision even where the rest computes in fewer bits.

    Raises:
        ValueError: `n_outputs` is not a whole number of at least 1.
    """
    if not _is_whole(n_outputs) or n_outputs < 1:
        advice = "Let the data set's load() give the number of its classes."
        raise refusal("n_outputs", n_outputs, allowed="a whole number of at least 1", advice=advice)
    return keras.layers.Dense(n_outputs, name="output", dtype=keras.config.floatx(), **arguments)


def hidden_layer(
    x: Any,
    units: int,
    *,
    activation: object,
    dropout: float,
    batch_norm: bool,
    l2: float,
    kernel_initializer: keras.Initializer | str = "glorot_uniform",
) -> Any:
    """Add a fully connected layer, with normalization, activation and dropout.

    Args:
        x: The input.
        units: Width of the layer.
        activation: See `activation_layer`.
        dropout: Share of units dropped behind the activation.
        batch_norm: Normalize over the batch before the activation.
        l2: See `l2_penalty`.
        kernel_initializer: The kernel's initializer. Default `glorot_uniform`.

    Returns:
        The output.
    """
    # Normalizing removes the mean, and any bias with it.
    penalty = l2_penalty(l2)
    x = keras.layers.Dense(
        units, use_bias=not batch_norm, kernel_initializer=kernel_initializer, kernel_regularizer=penalty
    )(x)
    if batch_norm:
        x = keras.layers.BatchNormalization()(x)
    x = activation_layer(activation)(x)
    return keras.layers.Dropout(dropout)(x) if dropout > 0 else x


def sequence_of(inputs: Any, *, model: str) -> Any:
    """Return the input as a sequence (steps, features): unchanged, or the rows of an image.

    Raises:
        ValueError: It is neither.
    """
    shape = tuple(inputs.shape[1:])
    if len(shape) < 2:
        allowed = "sequences (steps, features), or images, whose rows are the steps"
        advice = "Choose model=mlp or model=linear, which take any shape, or another data set."
        raise refusal(f"model={model}, input_shape", shape, allowed=allowed, advice=advice)
    return inputs if len(shape) == 2 else keras.layers.Reshape((shape[0], -1))(inputs)


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
    # Any sequence is accepted, also OmegaConf's lists. Text is a sequence too, but not of numbers.
    if not isinstance(hidden, Sequence) or not all(_is_whole(units) and units >= 1 for units in hidden):
        advice = "Write model.hidden=[300,100], or model.hidden=[100] for one layer."
        raise refusal("model.hidden", hidden, allowed="a list of whole numbers of at least 1", advice=advice)
    return list(hidden)


def check_units(units: int) -> int:
    """Return the width of a layer.

    Raises:
        ValueError: It is not a whole number of at least 1.
    """
    return check_count(units, key="model.units", example=64)


def check_dropout(dropout: float) -> None:
    """Refuse a share of dropped units that is not from 0 to below 1.

    Raises:
        ValueError: It is not.
    """
    if not _is_number(dropout) or not 0 <= dropout < 1:
        advice = "Set model.dropout=0 for none, or to a share such as 0.5."
        raise refusal("model.dropout", dropout, allowed="a number from 0 to below 1", advice=advice)


def check_batch_norm(batch_norm: bool) -> None:
    """Refuse anything but true and false.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(batch_norm, bool):
        allowed = "true or false"
        raise refusal("model.batch_norm", batch_norm, allowed=allowed, advice="Set model.batch_norm=true or false.")


def check_positive(value: float, *, key: str, example: float) -> None:
    """Refuse a value that is no finite number above 0.

    Raises:
        ValueError: It is not.
    """
    if not _is_number(value) or not 0 < value < math.inf:
        raise refusal(key, value, allowed="a finite number above 0", advice=f"Set for instance {key}={example}.")


def check_count(value: int, *, key: str, example: int) -> int:
    """Return a whole number of at least 1.

    Raises:
        ValueError: It is not.
    """
    if not _is_whole(value) or value < 1:
        raise refusal(key, value, allowed="a whole number of at least 1", advice=f"Set {key}={example}.")
    return value


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
    """Return the error for an invalid argument of a model."""
    return ValueError(f"{key}={value!s}: expected {allowed}. {advice}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
