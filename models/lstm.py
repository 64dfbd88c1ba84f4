"""A recurrent network: one LSTM over a sequence, its last state mapped to the logits.

Source: S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997, with the forget gate
of F. Gers, J. Schmidhuber and F. Cummins, "Learning to Forget: Continual Prediction with LSTM", 2000. Reading an image
row by row as a sequence follows Q. Le, N. Jaitly and G. Hinton, "A Simple Way to Initialize Recurrent Networks of
Rectified Linear Units", 2015, who read it pixel by pixel.
"""

from __future__ import annotations

import keras

from study.models._layers import check_units, output_layer, sequence_of


def build(input_shape: tuple[int, ...], n_outputs: int, *, units: int = 64) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Steps and features of a sequence; or height, width and channels of an image, whose rows are then
            the steps.
        n_outputs: Width of the output.
        units: Width of the LSTM's state. Default 64.

    Returns:
        A model that maps (n, *input_shape) to logits, (n, n_outputs).

    Raises:
        ValueError: The input is no sequence, or an argument is invalid.
    """
    inputs = keras.Input(tuple(input_shape))
    x = sequence_of(inputs, model="lstm")
    x = keras.layers.LSTM(check_units(units))(x)
    return keras.Model(inputs, output_layer(n_outputs)(x), name="lstm")
