"""A multilayer perceptron: fully connected layers over the flattened input."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from study.models._layers import (
    activation_layer,
    check_batch_norm,
    check_dropout,
    check_hidden,
    hidden_layer,
    l2_penalty,
    output_layer,
)


def build(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    hidden: Sequence[int] = (300, 100),
    activation: str = "relu",
    dropout: float = 0.0,
    batch_norm: bool = False,
    l2: float = 0.0,
    output_activation: str = "linear",
) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Shape of one example.
        n_outputs: Width of the output.
        hidden: Units of each hidden layer. An empty list leaves logistic regression. Default (300, 100).
        activation: Name of an activation in Keras, or `prelu`. Default `relu`.
        dropout: Share of units dropped after each hidden layer, from 0 to below 1. Default 0.
        batch_norm: Normalize over the batch between each hidden layer and its activation. Default False.
        l2: Weight decay of the kernels: the penalty is l2 / 2 times the sum of their squares. Default 0.
        output_activation: Activation of the output: a name in Keras, or `prelu`. Default `linear`.

    Returns:
        A model that maps (n, *input_shape) to logits, (n, n_outputs), or to the output activation's values.

    Raises:
        ValueError: An argument is invalid.
    """
    check_dropout(dropout)
    check_batch_norm(batch_norm)
    inputs = keras.Input(tuple(input_shape))
    x = keras.layers.Flatten()(inputs)
    for units in check_hidden(hidden):
        x = hidden_layer(x, units, activation=activation, dropout=dropout, batch_norm=batch_norm, l2=l2)
    x = output_layer(n_outputs, kernel_regularizer=l2_penalty(l2))(x)
    if output_activation != "linear":
        x = activation_layer(output_activation, key="model.output_activation")(x)
    return keras.Model(inputs, x, name="mlp")
