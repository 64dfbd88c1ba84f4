"""A small real workload for the trainers' tests, built directly from the study's dataclasses."""

import math
from functools import cache
from pathlib import Path

import keras
import numpy as np
import yaml
from sklearn.datasets import load_digits

from study.config.schema import (
    Budget,
    Component,
    Objective,
    OptimizerConfig,
    Stores,
    StudyConfig,
    TrackingConfig,
)
from study.config.task import Task
from study.core.trainer_interface import Trial
from study.datasets import Dataset, Split
from study.training.fit.trainer import FitTrainer

CONF = Path(__file__).parents[2] / "conf"
CONSTANT = {"_target_": None}
LOSS = {"_target_": "keras.losses.SparseCategoricalCrossentropy", "from_logits": True}


@cache
def digits(n_train=200):
    images, labels = load_digits(return_X_y=True)
    x, y = (images / 16.0).astype(np.float32).reshape(-1, 8, 8, 1), labels.astype(np.int32)
    train, validation, test = slice(n_train), slice(1000, 1100), slice(1100, 1200)
    return Dataset(
        name="digits",
        source="scikit-learn",
        train=Split(x=x[train], y=y[train]),
        validation=Split(x=x[validation], y=y[validation]),
        test=Split(x=x[test], y=y[test]),
        n_outputs=10,
    )


def tiny(input_shape, n_outputs, *, dropout=0.0, batch_norm=False):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(16, activation="relu")(keras.layers.Flatten()(inputs))
    if batch_norm:
        hidden = keras.layers.BatchNormalization()(hidden)
    if dropout:
        hidden = keras.layers.Dropout(dropout)(hidden)
    return keras.Model(inputs, keras.layers.Dense(n_outputs, dtype="float32", name="output")(hidden))


def two_inputs(input_shape, n_outputs):
    """Return a net that takes its inputs by name, or in their order."""
    named = isinstance(input_shape, dict)
    shapes = input_shape if named else dict(enumerate(input_shape))
    inputs = {name: keras.Input(shape, name=name if named else None) for name, shape in shapes.items()}
    x = keras.layers.Concatenate()([keras.layers.Flatten()(each) for each in inputs.values()])
    outputs = keras.layers.Dense(n_outputs)(keras.layers.Dense(8, activation="tanh")(x))
    return keras.Model(inputs if named else tuple(inputs.values()), outputs)


class Mirror(keras.layers.Layer):
    """Layer that mirrors each picture, and has a seed generator that it uses in each call."""

    def __init__(self, seed=None):
        super().__init__()
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        drawn = keras.random.uniform((), seed=self.generator)
        return keras.ops.where(drawn < 2, keras.ops.flip(x, axis=2), x) if training else x


class Halved(Mirror):
    """Layer that returns the upper half of each picture."""

    def call(self, x, training=False):
        return super().call(x, training=training)[:, :4]


def broken(input_shape, n_outputs):
    raise ValueError(f"no model for {input_shape} and {n_outputs}")


def make_config(
    *,
    model=None,
    optimizer="keras.optimizers.SGD",
    schedule=CONSTANT,
    metrics=("accuracy",),
    loss=LOSS,
    n_epochs=2,
    n_steps=None,
    every_n_steps=None,
    deterministic=True,
    train_metrics="running",
    shuffle=True,
):
    nothing = Component(name="none", section={"_target_": None})
    return StudyConfig(
        dataset=Component(name="digits", section={}),
        task=Task(loss=loss, metrics=metrics, train_metrics=train_metrics, shuffle=shuffle),
        model=Component(name="tiny", section=model or {"_target_": "training_workload.tiny"}),
        optimizer=OptimizerConfig(name="any", target=optimizer, fixed={}, ranges={}),
        schedule=Component(name="schedule", section=schedule),
        trainer=Component(name="fit", section={}),
        backend=keras.backend.backend(),
        sampler=nothing,
        pruner=nothing,
        budget=Budget(n_trials=1, n_epochs=n_epochs, n_steps=n_steps, n_confirmations=0, time_limit_s=None),
        objective=Objective(metric="val_accuracy", direction="maximize", target=None, is_share=True),
        stores=Stores(tracking_uri="", artifacts=Path(), optuna_journal=Path()),
        tracking=TrackingConfig(every_n_steps=every_n_steps, system_metrics=False, log_model=False),
        experiment_name="experiment",
        study_name=None,
        labels=("",),
        study_seed=0,
        order_seed=0,
        split_seed=0,
        deterministic=deterministic,
        live=False,
        raw={},
        folder=Path(),
    )


def make_trainer(
    *,
    dataset=None,
    backend=None,
    batch_size=32,
    eval_batch_size=64,
    precision="float32",
    jit_compile="auto",
    **config,
):
    return FitTrainer(
        make_config(**config),
        dataset or digits(),
        backend=backend or keras.backend.backend(),
        batch_size=batch_size,
        eval_batch_size=eval_batch_size,
        precision=precision,
        jit_compile=jit_compile,
    )


def make_trial(number=0, *, test=False, keep_weights=False, **hyperparameters):
    return Trial(
        number=number,
        hyperparameters=hyperparameters,
        run_seed=1234,
        order_seed=5678,
        test=test,
        keep_weights=keep_weights,
    )


def keep_going(_trial, _report):
    return True


@cache
def read_yamls(folder):
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONF / folder).glob("*.yaml"))}


def midpoint(entry):
    if "choices" in entry:
        return entry["choices"][len(entry["choices"]) // 2]
    low, high = entry["low"], entry["high"]
    match entry["scale"]:
        case "linear":
            return (low + high) / 2
        case "log":
            return math.sqrt(low * high)
        case "one_minus_log":
            return 1.0 - math.sqrt((1.0 - low) * (1.0 - high))
    raise ValueError(entry["scale"])


def softmax_regression(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    dense = keras.layers.Dense(n_outputs, kernel_initializer="zeros", name="output")
    return keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))


def one_weight(input_shape, n_outputs):  # noqa: ARG001
    inputs = keras.Input(input_shape)
    ones = keras.layers.Lambda(lambda x: x[:, 0, 0, :] * 0.0 + 1.0, output_shape=(1,))(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)(ones))


@keras.saving.register_keras_serializable()
class ExplodingLoss(keras.losses.Loss):  # type: ignore[misc]
    """The loss 1000 w^2, for any target."""

    def call(self, y_true, y_pred):  # noqa: ARG002
        return 1000.0 * keras.ops.square(y_pred[:, 0])


def recurrent(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    rows = keras.layers.Reshape((input_shape[0], input_shape[1]))(inputs)
    hidden = keras.layers.LSTM(8, dropout=0.2)(rows)
    return keras.Model(inputs, keras.layers.Dense(n_outputs)(hidden))


def drawn_by_numpy(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    flat = keras.layers.Flatten()(inputs)
    kernel = np.random.normal(size=(flat.shape[-1], n_outputs)) * 0.1  # noqa: NPY002
    dense = keras.layers.Dense(n_outputs, kernel_initializer=lambda _shape, dtype: keras.ops.cast(kernel, dtype))
    return keras.Model(inputs, dense(flat))


def many_initializers(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(inputs)
    for name in ("he_normal", "glorot_normal", "random_uniform", "orthogonal", "truncated_normal", "lecun_uniform"):
        x = keras.layers.Dense(12, kernel_initializer=name, bias_initializer="random_normal", activation="tanh")(x)
    return keras.Model(inputs, keras.layers.Dense(n_outputs)(x))


def with_fixed_seed(input_shape, n_outputs):
    inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(inputs)
    x = keras.layers.Dense(8, kernel_initializer=keras.initializers.HeNormal(seed=7))(x)
    x = keras.layers.Dropout(0.5, seed=3)(x)
    return keras.Model(inputs, keras.layers.Dense(n_outputs)(x))
