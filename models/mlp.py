"""A multilayer perceptron: fully connected layers over the flattened input."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from models._layers import activation_layer, check_dropout, check_hidden, l2_penalty, output_layer, refusal


def build(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    hidden: Sequence[int] = (300, 100),
    activation: str = "relu",
    dropout: float = 0.0,
    batch_norm: bool = False,
    l2: float = 0.0,
) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Shape of one example.
        n_outputs: Width of the output.
        hidden: Units of each hidden layer; empty leaves logistic regression.
        activation: Any name that Keras knows, or `prelu`.
        dropout: Share of units dropped after each hidden layer, from 0 to below 1.
        batch_norm: Normalize over the batch between each hidden layer and its activation.
        l2: Weight decay of the kernels: the penalty is l2 / 2 times the sum of their squares.

    Returns:
        A model that maps (n, *input_shape) to logits, (n, n_outputs).

    Raises:
        ValueError: An argument that it cannot be built with.
    """
    check_dropout(dropout)
    if not isinstance(batch_norm, bool):
        allowed = "true or false"
        raise refusal("model.batch_norm", batch_norm, allowed=allowed, advice="Set model.batch_norm=true or false.")
    inputs = keras.Input(tuple(input_shape))
    x = keras.layers.Flatten()(inputs)
    for units in check_hidden(hidden):
        # Normalizing takes the mean away, and any bias with it.
        x = keras.layers.Dense(units, use_bias=not batch_norm, kernel_regularizer=l2_penalty(l2))(x)
        if batch_norm:
            x = keras.layers.BatchNormalization()(x)
        x = activation_layer(activation)(x)
        if dropout > 0:
            x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, output_layer(n_outputs, kernel_regularizer=l2_penalty(l2))(x), name="mlp")
