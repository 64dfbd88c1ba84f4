"""Three convolutional and three dense layers, the network called 3c3d in DeepOBS.

Source: F. Schneider, L. Balles and P. Hennig, "DeepOBS: A Deep Learning Optimizer Benchmark Suite", ICLR 2019,
problem CIFAR-10 3c3d: weight decay 0.002 on the kernels, Glorot's initialization (normal for convolutions, uniform
for dense layers), biases of zero.
"""

from __future__ import annotations

import keras

from study.models._layers import check_images, l2_penalty, output_layer

# 5 x 5 without padding leaves 5, pooling 3, and the second convolution without padding needs those 3.
_MIN_SIDE = 9


def build(input_shape: tuple[int, ...], n_outputs: int, *, l2: float = 0.002) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Height, width and channels of an image of at least 9x9 pixels.
        n_outputs: Width of the output.
        l2: Weight decay of the kernels: the penalty is l2 / 2 times the sum of their squares. Default 0.002,
            DeepOBS's.

    Returns:
        A model that maps (n, *input_shape) to logits, (n, n_outputs).

    Raises:
        ValueError: The input is no image, or too small, or `l2` is negative.
    """
    check_images(input_shape, model="cnn_3c3d", min_side=_MIN_SIDE)
    inputs = keras.Input(tuple(input_shape))
    x = inputs
    for filters, kernel, padding in ((64, 5, "valid"), (96, 3, "valid"), (128, 3, "same")):
        x = keras.layers.Conv2D(
            filters,
            kernel,
            padding=padding,
            activation="relu",
            kernel_initializer=keras.initializers.GlorotNormal(),
            kernel_regularizer=l2_penalty(l2),
        )(x)
        x = keras.layers.MaxPooling2D(3, 2, padding="same")(x)
    x = keras.layers.Flatten()(x)
    for units in (512, 256):
        x = keras.layers.Dense(units, activation="relu", kernel_regularizer=l2_penalty(l2))(x)
    return keras.Model(inputs, output_layer(n_outputs, kernel_regularizer=l2_penalty(l2))(x), name="cnn_3c3d")
