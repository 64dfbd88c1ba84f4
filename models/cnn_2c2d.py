"""Two convolutional and two dense layers, the network called 2c2d in DeepOBS.

Source: F. Schneider, L. Balles and P. Hennig, "DeepOBS: A Deep Learning Optimizer Benchmark Suite", ICLR 2019; the
network is that of TensorFlow's early MNIST tutorial.
"""

from __future__ import annotations

import keras

from study.models._layers import check_images, output_layer

_MIN_SIDE = 4  # two halvings
_STDDEV = 0.05
_BIAS = 0.05


def build(input_shape: tuple[int, ...], n_outputs: int) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Height, width and channels of an image of at least 4x4 pixels.
        n_outputs: Width of the output.

    Returns:
        A model that maps (n, *input_shape) to logits, (n, n_outputs).

    Raises:
        ValueError: The input is no image, or too small.
    """
    check_images(input_shape, model="cnn_2c2d", min_side=_MIN_SIDE)
    inputs = keras.Input(tuple(input_shape))
    x = inputs
    for filters in (32, 64):
        x = keras.layers.Conv2D(filters, 5, padding="same", activation="relu", **_initializers())(x)
        x = keras.layers.MaxPooling2D(2, 2, padding="same")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(1024, activation="relu", **_initializers())(x)
    return keras.Model(inputs, output_layer(n_outputs, **_initializers())(x), name="cnn_2c2d")


def _initializers() -> dict[str, keras.Initializer]:
    """Return new initializers for a layer: an initializer that is used twice draws the same numbers twice."""
    return {
        "kernel_initializer": keras.initializers.TruncatedNormal(stddev=_STDDEV),
        "bias_initializer": keras.initializers.Constant(_BIAS),
    }
