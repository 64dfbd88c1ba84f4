"""Models of every kind that a user trains with Keras: plain, subclassed, with own steps, losses, metrics and files."""

import os

import keras
import numpy as np
from keras import layers, ops


def functional(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    hidden = layers.Dense(12, activation="relu")(layers.Flatten()(inputs))
    return keras.Model(inputs, layers.Dense(n_outputs, name="out")(hidden))


def sequential(n_outputs):
    return keras.Sequential([layers.Flatten(), layers.Dense(12, activation="tanh"), layers.Dense(n_outputs)])


class Plain(keras.Model):
    """A subclass with nothing but `call`."""

    def __init__(self, n_outputs):
        super().__init__()
        self.flat, self.hidden, self.out = (
            layers.Flatten(),
            layers.Dense(12, activation="relu"),
            layers.Dense(n_outputs),
        )

    def call(self, x):
        return self.out(self.hidden(self.flat(x)))


def subclassed(n_outputs):
    return Plain(n_outputs)


class WithOwnLoss(Plain):
    """Adds a penalty to the compiled loss."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        compiled = super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        return compiled + 0.01 * ops.mean(ops.square(y_pred))


def own_loss(n_outputs):
    return WithOwnLoss(n_outputs)


class Penalty(layers.Layer):
    """Adds the mean square of its inputs to the loss."""

    def call(self, x):
        self.add_loss(0.05 * ops.mean(ops.square(x)))
        return x


class WithPenalty(Plain):
    """Has a layer that adds a loss."""

    def __init__(self, n_outputs):
        super().__init__(n_outputs)
        self.penalty = Penalty()

    def call(self, x):
        return self.out(self.penalty(self.hidden(self.flat(x))))


def added_loss(n_outputs):
    return WithPenalty(n_outputs)


class WithOwnMetric(Plain):
    """Measures the size of its outputs."""

    def __init__(self, n_outputs):
        super().__init__(n_outputs)
        self.size = keras.metrics.Mean(name="output_size")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.size.update_state(ops.mean(ops.abs(y_pred)))
        return super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)


def own_metric(n_outputs):
    return WithOwnMetric(n_outputs)


class WithOwnTest(Plain):
    """Evaluates with a step of its own, in the form of any backend."""

    def test_step(self, *arguments):
        return super().test_step(*arguments)


def own_test_step(n_outputs):
    return WithOwnTest(n_outputs)


class WithJaxStep(Plain):
    """Trains with a step for JAX, as in Keras's guide."""

    def train_step(self, state, data):
        import jax

        trainable, others, optimizer, metrics = state
        x, y = data

        def loss_of(trainable, others):
            y_pred, others = self.stateless_call(trainable, others, x)
            return self.compute_loss(x, y, y_pred), (y_pred, others)

        (loss, (y_pred, others)), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable, others)
        gradients = [0.5 * each for each in gradients]
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        logs, after, place = {}, [], 0
        for metric in self.metrics:
            own = metrics[place : place + len(metric.variables)]
            place += len(own)
            given = (loss,) if metric.name == "loss" else (y, y_pred)
            own = metric.stateless_update_state(own, *given)
            found = metric.stateless_result(own)
            logs |= found if isinstance(found, dict) else {metric.name: found}
            after += own
        return logs, (trainable, others, optimizer, after)


def jax_step(n_outputs):
    return WithJaxStep(n_outputs)


class WithTensorFlowStep(Plain):
    """Trains with a step for TensorFlow, as in Keras's guide."""

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x)
            loss = self.compute_loss(x, y, y_pred)
        gradients = [0.5 * each for each in tape.gradient(loss, self.trainable_variables)]
        self.optimizer.apply(gradients, self.trainable_variables)
        self._loss_tracker.update_state(loss)
        return self.compute_metrics(x, y, y_pred)


def tensorflow_step(n_outputs):
    return WithTensorFlowStep(n_outputs)


class WithTensorFlow(Plain):
    """Computes with an operation of TensorFlow."""

    def call(self, x):
        import tensorflow as tf

        return self.out(tf.nn.elu(self.hidden(self.flat(x))))


def tensorflow_inside(n_outputs):
    return WithTensorFlow(n_outputs)


def save_pretrained(path):
    """Save a model of the digits whose weights no seed gives."""
    keras.utils.set_random_seed(99)
    inputs = keras.Input((8, 8, 1))
    hidden = layers.Dense(12, activation="relu", name="first")(layers.Flatten()(inputs))
    hidden = layers.BatchNormalization(name="norm")(hidden)
    keras.Model(inputs, layers.Dense(10, name="head")(hidden)).save(path)


def pretrained():
    """Load the model of the file that the environment names, with its first layer frozen."""
    model = keras.saving.load_model(os.environ["PRETRAINED"], compile=False)
    model.get_layer("first").trainable = False
    return model


def mixed_precision(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    flat = layers.Flatten(dtype="mixed_bfloat16")(inputs)
    hidden = layers.Dense(12, activation="relu", dtype="mixed_bfloat16")(flat)
    return keras.Model(inputs, layers.Dense(n_outputs, dtype="float32")(hidden))


def half_precision(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    flat = layers.Flatten(dtype="mixed_float16")(inputs)
    return keras.Model(inputs, layers.Dense(n_outputs, dtype="float32")(flat))


class WithBatchLoss(WithJaxStep):
    """Returns the loss of a batch alone, and updates no metric."""

    def train_step(self, state, data):
        logs, after = super().train_step(state, data)
        return {"loss": logs["loss"]}, after


def batch_loss(n_outputs):
    return WithBatchLoss(n_outputs)


class WithoutLoss(WithJaxStep):
    """Returns its loss under another name."""

    def train_step(self, state, data):
        logs, after = super().train_step(state, data)
        return {"total": logs["loss"]}, after


def no_loss(n_outputs):
    return WithoutLoss(n_outputs)


class OwnNoise(layers.Layer):
    """Draws from NumPy's generator in training."""

    def call(self, x, training=False):
        return x * (1 + np.random.normal()) if training else x  # noqa: NPY002


def numpy_noise(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, layers.Dense(n_outputs)(OwnNoise()(layers.Flatten()(inputs))))


class Meddling(keras.callbacks.Callback):
    """Takes back that a training stops, and changes what is logged."""

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        self.model.stop_training = False

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        logs["val_accuracy"] = 0.5
        self.model.stop_training = False


class OwnStopping(keras.callbacks.EarlyStopping):
    """A subclass of what a study does itself."""


class UnseededNoise(layers.Layer):
    """Draws in training from a generator that no seed of the run reaches."""

    def call(self, x, training=False):
        return x + keras.random.normal(ops.shape(x)) if training else x


def unseeded_noise(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, layers.Dense(n_outputs)(UnseededNoise()(layers.Flatten()(inputs))))
