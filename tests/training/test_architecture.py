"""The digest of an architecture: the same however often a model is built, another for each change of it."""

import keras
import numpy as np
import pytest
import task_cases

from study.training.architecture import architecture_digest, architecture_text, unserializable
from study.training.initial_weights import outline


def net(width=8, activation="relu", kernel_initializer="glorot_uniform", rate=0.1, units=(3,)):
    x = keras.Input((4,))
    y = keras.layers.Dense(width, activation=activation, kernel_initializer=kernel_initializer)(x)
    y = keras.layers.Dropout(rate)(y)
    for unit in units:
        y = keras.layers.Dense(unit)(y)
    return keras.Model(x, y)


def test_building_again_gives_the_same_digest():
    first = architecture_digest(net())
    assert architecture_digest(net()) == first
    assert architecture_digest(outline(net)) == first


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 9},
        {"activation": "sigmoid"},
        {"kernel_initializer": "zeros"},
        {"rate": 0.2},
        {"units": (3, 3)},
    ],
)
def test_every_change_gives_another_digest(changes):
    assert architecture_digest(net(**changes)) != architecture_digest(net())


def of_operations(function, *, nested):
    x = keras.Input((4,))
    inner = keras.Model(x, function(keras.layers.Dense(3, activation="relu")(x)))
    if not nested:
        return inner
    y = keras.Input((4,))
    return keras.Model(y, inner(y))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("function", [keras.ops.zeros_like, keras.ops.relu])
def test_operations_have_the_same_digest_however_many_there_were_before(function, nested):
    first = architecture_digest(of_operations(function, nested=nested))
    assert architecture_digest(of_operations(function, nested=nested)) == first
    assert architecture_digest(of_operations(keras.ops.ones_like, nested=nested)) != first


class Subclassed(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.dense = keras.layers.Dense(width)

    def build(self, shape):
        self.dense.build(shape)
        self.built = True

    def call(self, x):
        return self.dense(x)


def subclassed(width):
    model = Subclassed(width)
    model.build((None, 4))
    return model


def test_a_model_that_keras_cannot_serialize_is_told_by_its_layers_and_weights():
    with pytest.raises(NotImplementedError):
        subclassed(3).get_config()
    assert architecture_digest(subclassed(3)) == architecture_digest(subclassed(3))
    assert architecture_digest(subclassed(3)) != architecture_digest(subclassed(4))


def test_a_lambda_has_the_same_digest_in_every_process():
    def made(factor):
        return keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * factor), keras.layers.Dense(2)])

    assert architecture_digest(made(2)) == architecture_digest(made(2))


def test_a_model_that_is_not_built_yet_is_described_too():
    assert architecture_text(Subclassed(3)) == "1 layers, 0 weights"
    assert architecture_digest(Subclassed(3)) == architecture_digest(Subclassed(3))


def test_the_text_counts_layers_and_weights():
    assert architecture_text(net()) == "4 layers, 67 weights"


def test_a_subclass_that_keras_cannot_save_is_known():
    model = task_cases.OnlyCall(2)
    model(np.zeros((1, 3), np.float32))
    assert unserializable(model).startswith("NotImplementedError: Object OnlyCall was created by passing")
    assert unserializable(net()) == ""
