"""The residual network of 20 layers for images of CIFAR's size.

Source: K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2
(n = 3), with identity shortcuts everywhere (option A); initialization after He et al., "Delving Deep into
Rectifiers", 2015. The paper's augmentation of the images is not part of the model.
"""

from __future__ import annotations

from typing import Any

import keras

from study.models._layers import check_images, l2_penalty, output_layer

_MIN_SIDE = 4  # two halvings
_N_BLOCKS = 3
# The paper leaves these open. These are the defaults of Torch; Keras's slower average (0.99) would not have settled
# by the first validations of a short run.
_BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


def build(input_shape: tuple[int, ...], n_outputs: int, *, l2: float = 1e-4) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Height, width and channels of an image of at least 4x4 pixels.
        n_outputs: Width of the output.
        l2: Weight decay of the kernels: the penalty is l2 / 2 times the sum of their squares. Default 1e-4, the
            paper's.

    Returns:
        A model that maps (n, *input_shape) to logits, (n, n_outputs).

    Raises:
        ValueError: The input is no image, or too small, or `l2` is negative.
    """
    check_images(input_shape, model="resnet20", min_side=_MIN_SIDE)
    inputs = keras.Input(tuple(input_shape))
    x = keras.layers.Activation("relu")(_convolution(inputs, 16, strides=1, l2=l2))
    for filters in (16, 32, 64):
        for block in range(_N_BLOCKS):
            x = _block(x, filters, strides=2 if filters > 16 and block == 0 else 1, l2=l2)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = output_layer(n_outputs, kernel_initializer="he_normal", kernel_regularizer=l2_penalty(l2))(x)
    return keras.Model(inputs, outputs, name="resnet20")


def _block(x: Any, filters: int, *, strides: int, l2: float) -> Any:
    """Add two convolutions and the shortcut around them."""
    shortcut = x if strides == 1 else _narrowed(x, filters, strides=strides)
    x = keras.layers.Activation("relu")(_convolution(x, filters, strides=strides, l2=l2))
    x = _convolution(x, filters, strides=1, l2=l2)
    return keras.layers.Activation("relu")(keras.layers.Add()([x, shortcut]))


def _convolution(x: Any, filters: int, *, strides: int, l2: float) -> Any:
    """Add a convolution of 3x3 and batch normalization; the latter makes a bias superfluous."""
    x = keras.layers.Conv2D(
        filters,
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(),
        kernel_regularizer=l2_penalty(l2),
    )(x)
    return keras.layers.BatchNormalization(**_BATCH_NORM)(x)


def _narrowed(x: Any, filters: int, *, strides: int) -> Any:
    """Add a shortcut without parameters: every second pixel, and zeros for the new channels (option A)."""
    x = keras.layers.AveragePooling2D(1, strides, padding="same")(x)
    return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, filters - x.shape[-1])))
