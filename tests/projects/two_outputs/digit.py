"""Two outputs for a picture of a digit: the digit, and whether it is odd."""

import keras
from sklearn.datasets import load_digits

from study.datasets import Dataset, Split


def load():
    """Return the digits of scikit-learn with two targets by name."""
    digits = load_digits()
    x = (digits.images[..., None] / 16).astype("float32")
    is_odd = (digits.target % 2).astype("float32").reshape(-1, 1)
    split = Split(x=x, y={"digit": digits.target, "is_odd": is_odd})
    return Dataset(train=split, validation=0.1, test=0.2)


def build(input_shape, n_outputs, *, width=32):
    """Return a net of two outputs: `n_outputs` has a width for each of them, by name."""
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense(width, "relu")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, {name: keras.layers.Dense(n, name=name)(x) for name, n in n_outputs.items()})
