import sys

import keras
import pytest

from study.models import bounded_point, he_mlp, resnet20
from study.training.custom_objects import custom_objects, load_fault

OWN = """
import keras


@keras.saving.register_keras_serializable("own")
class Scale(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x


class Plain(keras.layers.Layer):
    def call(self, x):
        return x


class Limit(keras.constraints.Constraint):
    def __call__(self, w):
        return keras.ops.clip(w, -1.0, 1.0)


class Forgets(keras.layers.Layer):
    def __init__(self, k, **arguments):
        super().__init__(**arguments)
        self.k = k

    def call(self, x):
        return x

    def get_config(self):
        return super().get_config()


def bend(x):
    return keras.ops.maximum(x, 0.0)


def local():
    class Local(Plain):
        pass

    return Local()
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A module of a user's."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_layers_here.py").write_text(OWN)
    sys.path.append(str(folder))
    import own_layers_here

    yield own_layers_here
    sys.path.remove(str(folder))
    del sys.modules["own_layers_here"]


def net(*layers):
    return keras.Sequential([keras.Input((3,)), *layers])


def named(model):
    return {each.name: (each.key, each.module, each.is_class, each.is_registered) for each in custom_objects(model)}


def test_built_in_models_have_none_but_a_constraint():
    arguments = {"hidden": [4], "activation": "relu", "dropout": 0.1, "batch_norm": True, "l2": 0.1, "init_scale": 1.0}
    for model in (he_mlp.build((4, 4, 1), 3, **arguments), resnet20.build((8, 8, 3), 3, l2=0.1)):
        assert custom_objects(model) == []
        assert load_fault(model, []) == ""
    between = ("Between", "study.models.bounded_point", True, False)
    assert named(bounded_point.build((1,), 2)) == {"Between": between}


def test_classes_and_functions_are_found_wherever_a_layer_has_them(own):
    inner = keras.Sequential([own.Scale(), keras.layers.Dense(2, activation=own.bend)])
    model = net(own.Plain(), inner, keras.layers.Dense(2, activation="relu", kernel_constraint=own.Limit()))
    assert named(model) == {
        "Scale": ("own>Scale", "own_layers_here", True, True),
        "Plain": ("Plain", "own_layers_here", True, False),
        "bend": ("bend", "own_layers_here", False, False),
        "Limit": ("Limit", "own_layers_here", True, False),
    }
    assert load_fault(model, custom_objects(model)) == ""


def test_those_that_no_other_process_can_load_are_named(own):
    for layer, told in (
        (own.local(), "local.<locals>.Local of own_layers_here is not at the top of a module"),
        (own.Forgets(2), "could not be deserialized properly"),
        (keras.layers.Lambda(lambda x: x + 1), "a keras.layers.Lambda has a lambda, which Keras loads only with"),
    ):
        model = net(layer)
        assert told in load_fault(model, custom_objects(model))


def test_a_lambda_layer_of_a_named_function_can_be_loaded(own):
    model = net(keras.layers.Lambda(own.bend))
    assert named(model) == {"bend": ("bend", "own_layers_here", False, False)}
    assert load_fault(model, custom_objects(model)) == ""


def test_a_class_of_the_started_program_is_refused(own, monkeypatch):
    monkeypatch.setattr(own.Plain, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Plain", own.Plain, raising=False)
    model = net(own.Plain())
    assert "is in the program that was started" in load_fault(model, custom_objects(model))
