"""A multilayer perceptron that starts from He's initialization, or from any multiple of it.

Source: K. He, X. Zhang, S. Ren and J. Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2: kernels from a
normal distribution of variance 2 / fan-in keep the size of signals through layers of rectifiers, biases start at
0. The output layer starts so too, as in networks that are written by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from study.models._layers import (
    check_batch_norm,
    check_dropout,
    check_hidden,
    check_positive,
    hidden_layer,
    l2_penalty,
    output_layer,
)


def build(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    hidden: Sequence[int] = (100, 100, 100, 100),
    activation: str = "relu",
    dropout: float = 0.0,
    batch_norm: bool = False,
    l2: float = 0.0,
    init_scale: float = 1.0,
) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Shape of one example.
        n_outputs: Width of the output.
        hidden: Units of each hidden layer. An empty list leaves logistic regression. Default (100, 100, 100, 100).
        activation: Name of an activation in Keras, or `prelu`. Default `relu`.
        dropout: Share of units dropped after each hidden layer, from 0 to below 1. Default 0.
        batch_norm: Normalize over the batch between each hidden layer and its activation. Default False.
        l2: Weight decay of the kernels: the penalty is l2 / 2 times the sum of their squares. Default 0.
        init_scale: Factor on He's standard deviation, sqrt(2 / fan-in), of every kernel. Default 1.

    Returns:
        A model that maps (n, *input_shape) to logits, (n, n_outputs).

    Raises:
        ValueError: An argument is invalid.
    """
    check_dropout(dropout)
    check_batch_norm(batch_norm)
    check_positive(init_scale, key="model.init_scale", example=1.0)
    inputs = keras.Input(tuple(input_shape))
    x = keras.layers.Flatten()(inputs)
    for units in check_hidden(hidden):
        x = hidden_layer(
            x,
            units,
            activation=activation,
            dropout=dropout,
            batch_norm=batch_norm,
            l2=l2,
            kernel_initializer=_normal(init_scale),
        )
    output = output_layer(n_outputs, kernel_initializer=_normal(init_scale), kernel_regularizer=l2_penalty(l2))
    return keras.Model(inputs, output(x), name="he_mlp")


def _normal(init_scale: float) -> keras.Initializer:
    """Return a new initializer for a layer: an initializer that is used twice draws the same numbers twice."""
    return keras.initializers.VarianceScaling(
        scale=2.0 * init_scale**2, mode="fan_in", distribution="untruncated_normal"
    )
