"""A recurrent forecaster: one LSTM over a window of a series, dropout, and a dense layer with an activation.

Source: S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; dropout between
layers alone, not over time, after W. Zaremba, I. Sutskever and O. Vinyals, "Recurrent Neural Network Regularization",
2014.
"""

from __future__ import annotations

import keras

from study.models._layers import activation_layer, check_dropout, check_units, output_layer, sequence_of


def build(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    units: int = 32,
    dropout: float = 0.2,
    activation: str = "linear",
) -> keras.Model:
    """Build the model.

    The activation bounds the output: softmax over a single output is 1 for any weights.

    Args:
        input_shape: Steps and features of a window; or height, width and channels of an image, whose rows are then
            the steps.
        n_outputs: Numbers to forecast.
        units: Width of the LSTM's state. Default 32.
        dropout: Share of the last state dropped, from 0 to below 1. The probability of keeping a unit is one minus
            this share. Default 0.2.
        activation: Activation of the output: a name in Keras, or `prelu`, which learns a slope for each output.
            Default `linear`.

    Returns:
        A model that maps (n, *input_shape) to forecasts, (n, n_outputs).

    Raises:
        ValueError: The input is no sequence, or an argument is invalid.
    """
    check_dropout(dropout)
    inputs = keras.Input(tuple(input_shape))
    x = sequence_of(inputs, model="lstm_forecaster")
    x = keras.layers.LSTM(check_units(units))(x)
    if dropout > 0:
        x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, activation_layer(activation)(output_layer(n_outputs)(x)), name="lstm_forecaster")
