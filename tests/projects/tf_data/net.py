import keras


def build(input_shape, n_outputs, *, width=16):
    """Return a small dense net."""
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dense(width, "relu"), keras.layers.Dense(n_outputs)]
    )
