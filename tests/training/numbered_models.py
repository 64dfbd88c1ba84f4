"""Models with one number each: in a layer, in a regularizer, in a recurrent cell; and some that hide theirs."""

import inspect

import keras
from keras import layers

# Arguments of Keras's layers that are rates of noise.
RATES = ("rate", "stddev")


def noise_layers():
    """Return the names of Keras's layers whose argument is a rate of noise."""
    found = []
    for name, layer in vars(layers).items():
        if inspect.isclass(layer) and set(RATES) & set(inspect.signature(layer.__init__).parameters):
            found.append(name)
    return sorted(found)


def regularizers():
    """Return the numbers of Keras's regularizers, such as `L1L2_l1`."""
    found = {}
    for regularizer in {each for each in vars(keras.regularizers).values() if inspect.isclass(each)}:
        for name, each in inspect.signature(regularizer.__init__).parameters.items():
            if isinstance(each.default, float):
                found[f"{regularizer.__name__}_{name}"] = (regularizer, name)
    return dict(sorted(found.items()))


def _wide(x, name):
    """Return a tensor of the rank that a layer needs."""
    dimensions = next((int(digit) for digit in "123" if f"{digit}D" in name), 0)
    return layers.Reshape({1: (6, 4), 2: (3, 2, 4), 3: (3, 2, 2, 2)}[dimensions])(x) if dimensions else x


def _model(input_shape, n_outputs, middle):
    inputs = keras.Input(input_shape)
    x = layers.Dense(24, activation="tanh")(layers.Flatten()(inputs))
    return keras.Model(inputs, layers.Dense(n_outputs)(layers.Flatten()(middle(x))))


def noisy(input_shape, n_outputs, *, rates):
    """Return a model with one of each layer of noise, with its rate."""

    def middle(x):
        for name, rate in rates.items():
            layer = getattr(layers, name)
            (argument,) = set(RATES) & set(inspect.signature(layer.__init__).parameters)
            x = layers.Flatten()(layer(**{argument: rate})(_wide(x, name)))
        return x

    return _model(input_shape, n_outputs, middle)


def penalized(input_shape, n_outputs, *, penalties, activity=0.1):
    """Return a model with a layer for each number of a regularizer; the penalty is a hundredth of it."""

    def middle(x):
        for name, value in penalties.items():
            regularizer, argument = regularizers()[name]
            x = layers.Dense(12, "tanh", kernel_regularizer=regularizer(**{argument: value / 100}))(x)
        return layers.Dense(12, activity_regularizer=keras.regularizers.L2(activity / 100))(x)

    return _model(input_shape, n_outputs, middle)


def normalized(input_shape, n_outputs, *, value=0.3, epsilon=0.01):
    return _model(input_shape, n_outputs, layers.BatchNormalization(momentum=value, epsilon=epsilon))


def recurrent(input_shape, n_outputs, *, layer, value=0.3, within=0.2):
    cell = getattr(layers, layer)(6, dropout=value, recurrent_dropout=within)
    return _model(input_shape, n_outputs, lambda x: cell(_wide(x, "1D")))


def attending(input_shape, n_outputs, *, value=0.3):
    def middle(x):
        sequence = _wide(x, "1D")
        return layers.MultiHeadAttention(2, 4, dropout=value)(sequence, sequence)

    return _model(input_shape, n_outputs, middle)


def hiding(input_shape, n_outputs, *, value=0.3):
    """Return a model whose number is not only in the layer that shows it."""
    noise = layers.Dropout(value)
    return _model(input_shape, n_outputs, lambda x: layers.Lambda(lambda t: t * value)(noise(x)))


def capped(input_shape, n_outputs, *, value=0.3):
    return _model(input_shape, n_outputs, layers.Dropout(min(value, 0.3)))


def cut_off(input_shape, n_outputs, *, value=0.3):
    """Return a model that takes large values for a slip."""
    return _model(input_shape, n_outputs, layers.Dropout(value if value < 0.55 else 0.1))


def deeper(input_shape, n_outputs, *, value=0.3):
    """Return a model that has a layer more at large values."""
    noise = layers.Dropout(value)
    return _model(input_shape, n_outputs, lambda x: layers.Dense(8)(noise(x)) if value > 0.55 else noise(x))


def rooted(input_shape, n_outputs, *, value=0.3):
    return _model(input_shape, n_outputs, layers.Dropout(value**0.5))


def drawn_wide(input_shape, n_outputs, *, value=0.3):
    initial = keras.initializers.RandomNormal(stddev=value)
    return _model(input_shape, n_outputs, layers.Dense(12, kernel_initializer=initial))


def optional(input_shape, n_outputs, *, value=0.3):
    """Return a model that leaves the layer out at 0."""
    return _model(input_shape, n_outputs, layers.Dropout(value) if value else layers.Activation("linear"))


def two_outputs(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    hidden = layers.Dense(16, "relu")(layers.Flatten()(inputs))
    return keras.Model(inputs, {name: layers.Dense(n, name=name)(hidden) for name, n in n_outputs.items()})
