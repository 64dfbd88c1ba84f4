import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from study.pipeline.kept_model import kept_model_cautions

OWN = """
import keras


class OnlyCall(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.units, self.last = units, keras.layers.Dense(units)

    def call(self, x):
        return self.last(x)


@keras.saving.register_keras_serializable("kept")
class Saved(OnlyCall):
    def get_config(self):
        return {"units": self.units}


@keras.saving.register_keras_serializable("kept")
class Scale(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x


class Plain(keras.layers.Layer):
    def call(self, x):
        return x
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A module of a user's."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_kept_here.py").write_text(OWN)
    sys.path.append(str(folder))
    import own_kept_here

    yield own_kept_here
    sys.path.remove(str(folder))
    del sys.modules["own_kept_here"]


@pytest.fixture
def cautions(compose):
    config = compose("optimizer=sgd", "tracking.log_model=true")

    def told(*layers, log_model=True):
        model = layers[0] if isinstance(layers[0], keras.Model) else keras.Sequential([keras.Input((3,)), *layers])
        of = replace(config, tracking=replace(config.tracking, log_model=log_model))
        return list(kept_model_cautions(of, model))

    return told


def test_a_model_of_keras_and_registered_classes_gets_none(own, cautions):
    assert cautions(own.Scale(), keras.layers.Dense(2)) == []


def test_a_subclass_that_keras_can_save_gets_none(own, cautions):
    model = own.Saved(2)
    model(np.zeros((1, 3)))
    assert cautions(model) == []


def test_an_unregistered_class_is_named_with_its_module_and_the_next_step(own, cautions):
    (told,) = cautions(own.Plain(), own.Scale())
    assert told.startswith("tracking.log_model=true: the model of model=mlp uses the class Plain of own_kept_here,")
    assert "@keras.saving.register_keras_serializable() above it" in told
    assert "Scale" not in told


def test_a_model_that_cannot_be_loaded_is_named(own, cautions):
    (told,) = cautions(keras.layers.Lambda(lambda x: x + 1), own.Scale())
    assert "will be kept, but no other process can load it: a keras.layers.Lambda has a lambda" in told
    assert "It uses the class Scale of own_kept_here." in told


def test_a_model_that_keras_cannot_save_is_named(own, cautions):
    model = own.OnlyCall(2)
    model(np.zeros((1, 3)))
    (told,) = cautions(model)
    assert "will not be kept, since Keras cannot save it (" in told
    assert "OnlyCall" in told


def test_a_part_of_this_project_is_named(cautions):
    from study.models.bounded_point import Between

    (told,) = cautions(keras.layers.Dense(2, kernel_constraint=Between(low=0.0, high=1.0)))
    assert "only where this project is installed, since it needs study.models.bounded_point" in told


def test_nothing_is_said_where_no_model_is_kept(own, cautions):
    assert cautions(own.Plain(), keras.layers.Lambda(lambda x: x + 1), log_model=False) == []
