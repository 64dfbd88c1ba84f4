"""Multinomial logistic regression: one affine map from the flattened input to the logits."""

from __future__ import annotations

import keras

from study.models._layers import l2_penalty, output_layer


def build(input_shape: tuple[int, ...], n_outputs: int, *, l2: float = 0.0) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Shape of one example.
        n_outputs: Width of the output.
        l2: Weight decay of the kernel: the penalty is l2 / 2 times the sum of its squares. Default 0.

    Returns:
        A model that maps (n, *input_shape) to logits, (n, n_outputs).

    Raises:
        ValueError: An argument is invalid.
    """
    inputs = keras.Input(tuple(input_shape))
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, output_layer(n_outputs, kernel_regularizer=l2_penalty(l2))(x), name="linear")
