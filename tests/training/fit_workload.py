"""Models, layers and optimizers that make it hard to train one trial after the other in one program."""

import keras
import numpy as np

TRACES = []


class Traced(keras.layers.Layer):  # type: ignore[misc]
    """Counts its Python calls; a traced program calls it only while it is traced."""

    def call(self, x):
        TRACES.append("call")
        return x


class Counting(keras.layers.Layer):  # type: ignore[misc]
    """Computes with the number of its Python calls."""

    def __init__(self):
        super().__init__()
        self.n_calls = 0

    def call(self, x):
        self.n_calls += 1
        return x / self.n_calls


class DrawsWhenTraced(keras.layers.Layer):  # type: ignore[misc]
    """Computes with a number that NumPy draws when the layer is called."""

    def call(self, x):
        return x * np.random.uniform()  # noqa: NPY002


class OldRandomness(keras.layers.Layer):  # type: ignore[misc]
    """Draws with an operation of TensorFlow that holds its state internally."""

    def call(self, x):
        import tensorflow as tf

        return x * tf.random.uniform(())


class OwnVariable(keras.layers.Layer):  # type: ignore[misc]
    """Keeps a count in a variable that Keras does not know."""

    def build(self, _shape):
        import tensorflow as tf

        self.count = tf.Variable(1.0, trainable=False)

    def call(self, x):
        return x / self.count.assign_add(1.0)


def around(layer):
    return {"_target_": "fit_workload.with_layer", "layer": layer}


def with_layer(input_shape, n_outputs, *, layer):
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(n_outputs)(globals()[layer]()(x)))


def with_drawn_constant(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(inputs) * float(np.random.uniform(0.5, 1.0))  # noqa: NPY002
    return keras.Model(inputs, keras.layers.Dense(n_outputs)(x))


class Descent(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Gradient descent whose step is the rate times `speed`, stored in one of several ways."""

    def __init__(self, learning_rate=0.1, speed=1.0, way="plain"):
        super().__init__(learning_rate=learning_rate)
        self.way = way
        if way == "hidden":
            self.box = Box(speed)
        elif way == "renamed":
            self.half = speed / 2
        else:
            self.speed = speed
        self.n_updates = 0

    def build(self, variables):
        super().build(variables)
        if self.way == "derived":
            self.half = self.speed / 2

    def update_step(self, gradient, variable, learning_rate):
        match self.way:
            case "hidden":
                speed = self.box.content
            case "renamed" | "derived":
                speed = 2 * self.half
            case "taken out":
                speed = float(self.speed)
            case "counted":
                self.n_updates += 1
                speed = self.speed / self.n_updates
            case "array":
                speed = np.asarray([self.speed], "float32")[0]
            case _:
                speed = self.speed
        step = keras.ops.cast(learning_rate, variable.dtype) * gradient
        self.assign_sub(variable, step * speed)


class Box:
    """Holds a number in an object of unknown type."""

    def __init__(self, content):
        self.content = content
