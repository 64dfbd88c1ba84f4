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
        activation: The name of an activation in Keras, or `prelu`.
        key: The config key that the error names. Default `model.activation`.

    Raises:
        ValueError: Keras has no activation of this name.
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
    """Return the last layer of a model: logits, in full precision also where the other layers compute in fewer bits.

    Args:
        n_outputs: Width of the output, at least 1.
        **arguments: Further arguments of `keras.layers.Dense`. Default: none.

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
        x: The input, a symbolic tensor of shape (n, n_features).
        units: Width of the layer.
        activation: See `activation_layer`.
        dropout: Share of units dropped after the activation, from 0 to below 1.
        batch_norm: Normalize over the batch before the activation.
        l2: See `l2_penalty`.
        kernel_initializer: The kernel's initializer. Default `glorot_uniform`.

    Returns:
        The output, a symbolic tensor of shape (n, units).
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

    Args:
        inputs: A symbolic tensor: a sequence (n, steps, features), or images (n, height, width, channels).
        model: The model's YAML name, for the error.

    Raises:
        ValueError: The input is neither a sequence nor an image.
    """
    shape = tuple(inputs.shape[1:])
    if len(shape) < 2:
        allowed = "sequences (steps, features), or images, whose rows are the steps"
        advice = "Choose model=mlp or model=linear, which take any shape, or another data set."
        raise refusal(f"model={model}, input_shape", shape, allowed=allowed, advice=advice)
    return inputs if len(shape) == 2 else keras.layers.Reshape((shape[0], -1))(inputs)


def l2_penalty(l2: float) -> keras.Regularizer | None:
    """Return the penalty l2 / 2 * sum(w^2), whose gradient is l2 * w, as papers count weight decay; None for zero.

    Args:
        l2: Factor of the penalty, at least 0.

    Raises:
        ValueError: The factor is negative or no finite number.
    """
    if not _is_number(l2) or not 0 <= l2 < math.inf:
        advice = "Set model.l2=0 for no penalty, or to a small number such as 0.0001."
        raise refusal("model.l2", l2, allowed="a finite number of at least 0", advice=advice)
    # Keras leaves out the half.
    return keras.regularizers.L2(l2 / 2) if l2 > 0 else None


def check_hidden(hidden: Any) -> list[int]:
    """Return the units of the hidden layers as a list.

    Args:
        hidden: The units of each layer, first layer first.

    Raises:
        ValueError: The units are not a list of whole numbers of at least 1.
    """
    # Any sequence is accepted, OmegaConf's lists too. Text is also a sequence, but its items are no numbers.
    if not isinstance(hidden, Sequence) or not all(_is_whole(units) and units >= 1 for units in hidden):
        advice = "Write model.hidden=[300,100], or model.hidden=[100] for one layer."
        raise refusal("model.hidden", hidden, allowed="a list of whole numbers of at least 1", advice=advice)
    return list(hidden)


def check_units(units: int) -> int:
    """Return the width of a layer.

    Args:
        units: The width, at least 1.

    Raises:
        ValueError: The width is not a whole number of at least 1.
    """
    return check_count(units, key="model.units", example=64)


def check_dropout(dropout: float) -> None:
    """Refuse a share of dropped units that is not from 0 to below 1.

    Args:
        dropout: The share.

    Raises:
        ValueError: The share is out of this range or no number.
    """
    if not _is_number(dropout) or not 0 <= dropout < 1:
        advice = "Set model.dropout=0 for none, or to a share such as 0.5."
        raise refusal("model.dropout", dropout, allowed="a number from 0 to below 1", advice=advice)


def check_batch_norm(batch_norm: bool) -> None:
    """Refuse a value of `batch_norm` other than true and false.

    Args:
        batch_norm: The value.

    Raises:
        ValueError: The value is neither true nor false.
    """
    if not isinstance(batch_norm, bool):
        allowed = "true or false"
        raise refusal("model.batch_norm", batch_norm, allowed=allowed, advice="Set model.batch_norm=true or false.")


def check_positive(value: float, *, key: str, example: float) -> None:
    """Refuse a value that is not a finite number above 0.

    Args:
        value: The value.
        key: The config key that the error names.
        example: An allowed value that the error proposes.

    Raises:
        ValueError: The value is not a finite number above 0.
    """
    if not _is_number(value) or not 0 < value < math.inf:
        raise refusal(key, value, allowed="a finite number above 0", advice=f"Set for instance {key}={example}.")


def check_count(value: int, *, key: str, example: int) -> int:
    """Return a whole number of at least 1.

    Args:
        value: The number.
        key: The config key that the error names.
        example: An allowed value that the error proposes.

    Raises:
        ValueError: The value is not a whole number of at least 1.
    """
    if not _is_whole(value) or value < 1:
        raise refusal(key, value, allowed="a whole number of at least 1", advice=f"Set {key}={example}.")
    return value


def check_images(input_shape: tuple[int, ...], *, model: str, min_side: int) -> None:
    """Refuse inputs that are not images, and images too small for a model.

    Args:
        input_shape: Shape of one example.
        model: The model's YAML name, for the error.
        min_side: The shortest allowed side, in pixels.

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
    """Return the error for an invalid argument of a model.

    Args:
        key: The config key, such as `model.units`.
        value: The value received.
        allowed: The allowed values, in words.
        advice: The next step, as a sentence.
    """
    return ValueError(f"{key}={value!s}: expected {allowed}. {advice}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
