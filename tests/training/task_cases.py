# ruff: noqa: ARG001, ARG002 - the arguments are given by name
"""Models, losses and metrics, right and wrong, that configs of tests name in `_target_`."""

import keras


def dense(input_shape, n_outputs, *, extra=0, activation=None, last="Dense"):
    """Return a model that may be wider than asked for, with an activation in one of three places."""
    inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(inputs)
    if last == "Dense":
        return keras.Model(inputs, keras.layers.Dense(n_outputs + extra, activation=activation)(x))
    x = keras.layers.Dense(n_outputs + extra)(x)
    layer = keras.layers.Softmax() if last == "Softmax" else keras.layers.Activation(activation)
    x = keras.Sequential([layer])(x) if last == "inside" else layer(x)
    return keras.Model(inputs, keras.layers.Dropout(0.1)(x))


class OnlyCall(keras.Model):
    """A subclass with nothing but `call`: its weights are made when it is called for the first time."""

    def __init__(self, n_outputs, activation=None):
        super().__init__()
        self.flat, self.hidden = keras.layers.Flatten(), keras.layers.Dense(8, activation="relu")
        self.last = keras.layers.Dense(n_outputs, activation=activation)

    def call(self, inputs):
        """Return the outputs."""
        return self.last(self.hidden(self.flat(inputs)))


def only_call(input_shape, n_outputs, *, activation=None):
    """Return a subclass with nothing but `call`."""
    return OnlyCall(n_outputs, activation)


def for_other_data(input_shape, n_outputs):
    """Return a model that does not use the shape of the data."""
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(n_outputs)])


def two_outputs(input_shape, n_outputs):
    """Return a model with two outputs."""
    inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, [keras.layers.Dense(n_outputs)(x), keras.layers.Dense(1)(x)])


def several(input_shape, n_outputs, *, names=("digit", "odd"), form="dict", extra=0, activation=None):
    """Return a model of outputs by name, whose first one may be too wide or have an activation."""
    inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(inputs)
    widths = n_outputs.values() if isinstance(n_outputs, dict) else n_outputs
    changes = [{"extra": extra, "activation": activation}, *[{"extra": 0, "activation": None}] * (len(names) - 1)]
    outputs = {
        name: keras.layers.Dense(width + change["extra"], activation=change["activation"], name=name)(x)
        for name, width, change in zip(names, widths, changes, strict=False)
    }
    forms = {
        "dict": outputs,
        "tuple": tuple(outputs.values()),
        "list": list(outputs.values()),
        "deep": {"in": outputs},
    }
    return keras.Model(inputs, forms[form])


class Pair(keras.Model):
    """A subclass that returns a tuple, for which Keras has no names."""

    def __init__(self):
        super().__init__()
        self.flat, self.digit, self.odd = keras.layers.Flatten(), keras.layers.Dense(3), keras.layers.Dense(1)

    def call(self, inputs):
        """Return the outputs."""
        x = self.flat(inputs)
        return self.digit(x), self.odd(x)


def pair(input_shape, n_outputs):
    """Return a subclass that returns a tuple."""
    return Pair()


def single(input_shape, n_outputs):
    """Return a model of the first output alone, without a name for it."""
    return dense(input_shape, n_outputs["digit"])


def never(name):
    """Return a metric that cannot be computed."""
    return keras.metrics.MeanMetricWrapper(lambda y_true, y_pred: y_true.nothing - y_pred, name=name)


class Unweighted(keras.metrics.Mean):
    """A metric that takes no sample weights."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add the targets."""
        if sample_weight is not None:
            raise NotImplementedError("no weights")
        super().update_state(y_true)


def frozen(input_shape, n_outputs):
    """Return a model without a weight to train."""
    model = dense(input_shape, n_outputs)
    model.trainable = False
    return model


def nothing(input_shape, n_outputs):
    """Forget to return the model."""


def missing_layer(input_shape, n_outputs):
    """Name a layer that does not exist."""
    return keras.layers.Dence(n_outputs)


def difference(y_true, y_pred):
    """Return a distance that needs targets in the type of the outputs."""
    return keras.ops.abs(y_true - y_pred[..., 0])


def distance(name):
    """Return a metric of this distance."""
    return keras.metrics.MeanMetricWrapper(difference, name=name)


class Renamed(keras.metrics.Mean):
    """A metric that ignores its name."""

    def __init__(self, name):
        super().__init__(name="own")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch."""
        super().update_state(y_pred)


def square():
    """Return a loss of one's own."""
    return difference


class SquaredLoss(keras.losses.Loss):
    """Squared distances, one for each example, or their sum or mean over the batch."""

    def __init__(self, over="", name="squared"):
        super().__init__(name=name)
        self.over = over

    def call(self, y_true, y_pred):
        """Return the distances."""
        each = keras.ops.mean((y_true - y_pred) ** 2, axis=-1)
        return getattr(keras.ops, self.over)(each) if self.over else each


class Kept(keras.metrics.Metric):
    """A mean of outputs of which the reset may leave a part."""

    def __init__(self, name="m", kept="", returned=""):
        super().__init__(name=name)
        self.kept, self.returned = kept, returned
        self.total = self.add_variable((), initializer="zeros", name="total")
        self.count = self.add_variable((), initializer="zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch."""
        self.total.assign_add(keras.ops.sum(y_pred))
        self.count.assign_add(keras.ops.sum(keras.ops.ones_like(y_pred)))

    def result(self):
        """Return the mean, or something else."""
        if self.returned:
            return {"none": None, "dict": {"a": self.total + 0, "b": self.count + 0}}[self.returned]
        return keras.ops.divide_no_nan(self.total, self.count)

    def reset_state(self):
        """Begin anew."""
        for variable in (self.total, self.count):
            if variable.name not in self.kept.split():
                variable.assign(keras.ops.zeros_like(variable))
