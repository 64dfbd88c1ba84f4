"""A hidden layer of rectifiers with dropout and a logit: the network that courses write from scratch in NumPy.

Source: the shape of a network in courses (12288-100-1). Kernels start from a normal distribution of variance
2 / fan-in: K. He, X. Zhang, S. Ren and J. Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2.
"""

from __future__ import annotations

import keras

from study.models._layers import check_units, output_layer, refusal

_FANS = ("in", "out")


def build(
    input_shape: tuple[int, ...], n_outputs: int, *, units: int = 100, keep: float = 1.0, output_fan: str = "in"
) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Shape of one example.
        n_outputs: Width of the output: 1 for two classes.
        units: Width of the hidden layer. Default 100.
        keep: Probability that training keeps a hidden unit, above 0 and at most 1. Default 1: no dropout.
        output_fan: The width that scales the output layer's initialization. `in` (the default): as He et al. derive
            it. `out`: a published slip, with which a single output starts with a spread of sqrt(2) instead of sqrt(2 /
            units).

    Returns:
        A model that maps (n, *input_shape) to logits, (n, n_outputs).

    Raises:
        ValueError: An argument is invalid.
    """
    given: object = keep
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 1:
        advice = "Set model.keep=1 for no dropout, or to a probability such as 0.8."
        raise refusal("model.keep", keep, allowed="a number above 0 and at most 1", advice=advice)
    if output_fan not in _FANS:
        raise refusal("model.output_fan", output_fan, allowed="in or out", advice="Set model.output_fan=in.")
    inputs = keras.Input(tuple(input_shape))
    x = keras.layers.Flatten()(inputs)
    x = keras.layers.Dense(check_units(units), kernel_initializer=_normal("in"))(x)
    x = keras.layers.Activation("relu")(x)
    # The layer stays at keep 1, where Keras ignores it: trainer=numpy shows one of the slips with this layer.
    x = keras.layers.Dropout(1 - keep)(x)
    return keras.Model(inputs, output_layer(n_outputs, kernel_initializer=_normal(output_fan))(x), name="two_layer")


def _normal(fan: str) -> keras.Initializer:
    return keras.initializers.VarianceScaling(scale=2.0, mode=f"fan_{fan}", distribution="untruncated_normal")
