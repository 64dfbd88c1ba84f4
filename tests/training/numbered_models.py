"""Models with one number each: in a layer, in a regularizer, in a recurrent cell; and some that hide theirs.

Losses, a schedule and a layer of augmentation that hide theirs too.
"""

import inspect

import keras
import numpy as np
from keras import layers, ops

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


class _Scaled(layers.Layer):
    """Layer whose number is the initial value of a weight."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer=keras.initializers.Constant(self.value))

    def call(self, x):
        return x * self.scale


def scaled(input_shape, n_outputs, *, value=0.3):
    return _model(input_shape, n_outputs, _Scaled(value))


def begun_with(input_shape, n_outputs, *, value=0.3):
    """Return a model whose number also stands in a function that computes an initial weight."""

    def initial(shape, dtype=None):
        return ops.full(shape, value, dtype=dtype)

    hidden = layers.Dense(12, bias_initializer=initial)
    return _model(input_shape, n_outputs, lambda x: layers.Dropout(value)(hidden(x)))


def given_weights(input_shape, n_outputs, *, value=0.3):
    """Return a model that is given weights while it is built, which depend on its number."""
    hidden = layers.Dense(12)
    made = _model(input_shape, n_outputs, lambda x: layers.Dropout(value)(hidden(x)))
    hidden.set_weights([weight * value for weight in hidden.get_weights()])
    return made


class _RootOfNumPy(layers.Layer):
    """Layer that computes with its number by a function that takes numbers alone."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def call(self, x):
        return x * np.sqrt(self.value)


class _Table(layers.Layer):
    """Layer that looks its number up."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def call(self, x):
        return x * {0.2: 3.0}.get(self.value, 1.0)


def rooted_by_numpy(input_shape, n_outputs, *, value=0.3):
    return _model(input_shape, n_outputs, _RootOfNumPy(value))


def looked_up(input_shape, n_outputs, *, value=0.3):
    return _model(input_shape, n_outputs, _Table(value))


def penalizing(value=0.1):
    """Return a loss, a function that has its number from the function around it."""

    def loss(y_true, y_pred):
        base = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        return base + value * ops.mean(y_pred**2, axis=-1)

    return loss


class WeighingLoss(keras.losses.Loss):
    """Cross-entropy with a penalty, whose number is in an array or in an attribute."""

    def __init__(self, value=0.1, shown=False):
        super().__init__()
        self.weights = value if shown else np.full((10,), value, np.float32)

    def call(self, y_true, y_pred):
        base = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        return base + ops.mean(self.weights * y_pred**2, axis=-1)


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """Schedule whose number is in a table or in an attribute."""

    def __init__(self, value=0.1, shown=False):
        self.value = value if shown else np.linspace(1.0, value, 20, dtype=np.float32)

    def __call__(self, step):
        if isinstance(self.value, np.ndarray):
            return ops.take(self.value, ops.minimum(ops.cast(step, "int32"), 19))
        return 1.0 - self.value * ops.cast(step, "float32") / 100.0


class Blurring(layers.Layer):
    """Layer of augmentation whose number is in a function of its own."""

    def __init__(self, value=0.1):
        super().__init__()
        self.seeds = keras.random.SeedGenerator()
        self.change = lambda x: x + value * keras.random.normal(ops.shape(x), seed=self.seeds)

    def call(self, x):
        return self.change(x)


def optional(input_shape, n_outputs, *, value=0.3):
    """Return a model that leaves the layer out at 0."""
    return _model(input_shape, n_outputs, layers.Dropout(value) if value else layers.Activation("linear"))


def two_outputs(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    hidden = layers.Dense(16, "relu")(layers.Flatten()(inputs))
    return keras.Model(inputs, {name: layers.Dense(n, name=name)(hidden) for name, n in n_outputs.items()})
