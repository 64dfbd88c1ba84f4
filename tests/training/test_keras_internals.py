"""A version of Keras without a private member is refused if numbers depend on the member, and accepted otherwise."""

import sys
from types import ModuleType, SimpleNamespace

import keras
import numpy as np
import pytest

from study.core.errors import BackendError
from study.training import keras_internals
from study.training.backend import without_tensorflow
from study.training.initial_weights import NotReplayableError, build_without_values
from study.training.precision import use_precision

ADAPTER = "keras.src.trainers.data_adapters.data_adapter"
DTYPES = "keras.src.backend.common.dtypes"
MODULES = "keras.src.utils.module_utils"


def tiny():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


@pytest.mark.parametrize(
    ("module", "call", "expected"),
    [
        (ADAPTER, keras_internals.data_adapter_class, "the class DataAdapter"),
        ("keras.src.models", keras_internals.functional_class, "the class Functional"),
        (DTYPES, lambda: keras_internals.keep_64_bits(True), "a table of result types"),
        (None, lambda: keras_internals.rate_of(SimpleNamespace()), "its rate in `_learning_rate`"),
        (None, lambda: keras_internals.n_calls(SimpleNamespace()), "its calls in `_inbound_nodes`"),
    ],
)
def test_an_unknown_version_is_refused_in_words(monkeypatch, module, call, expected):
    if module is not None:
        monkeypatch.setitem(sys.modules, module, ModuleType(module))  # has none of the members
    monkeypatch.setattr(keras, "__version__", "9.0")
    with pytest.raises(BackendError, match=rf"keras 9\.0: expected .*{expected}.*Install keras>=3\.15,<3\.16"):
        call()


def test_the_known_version_has_all_members():
    model = tiny()
    assert issubclass(keras_internals.data_adapter_class(), object)
    assert isinstance(model, keras_internals.functional_class()) or type(model) is keras.Sequential
    assert [layer.name for layer in keras_internals.all_layers(model) or ()][-1] == model.layers[-1].name
    assert keras_internals.n_calls(model.layers[-1]) == 1
    assert float(np.asarray(keras_internals.rate_of(keras.optimizers.SGD(0.25)))) == 0.25
    with keras.StatelessScope(initialize_variables=False):
        waiting = keras.Variable(keras.initializers.Ones(), shape=(2,))
    assert isinstance(keras_internals.initializer_of(waiting), keras.initializers.Ones)
    keras.utils.clear_session(free_memory=False)


def test_without_the_table_of_types_only_float64_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, DTYPES, ModuleType(DTYPES))
    keras_internals.keep_64_bits(False)
    use_precision("float32")


def test_without_initializers_a_model_is_built_for_every_trial(monkeypatch):
    monkeypatch.setattr("study.training.initial_weights.initializer_of", lambda _variable: None)
    with pytest.raises(NotReplayableError, match="made in another way"):
        build_without_values(tiny)
    keras.utils.clear_session(free_memory=False)


def test_without_a_list_of_layers_none_is_returned():
    assert keras_internals.all_layers(SimpleNamespace()) is None


@pytest.mark.parametrize("known", [True, False])
def test_tensorflow_is_hidden_where_that_is_possible(monkeypatch, known):
    from keras.src.utils.module_utils import tensorflow

    before = tensorflow._available
    if not known:
        monkeypatch.setitem(sys.modules, MODULES, ModuleType(MODULES))
    with keras_internals.tensorflow_hidden():
        assert tensorflow._available is (False if known else before)
    assert tensorflow._available is before


def test_a_loaded_tensorflow_is_not_hidden(monkeypatch):
    from keras.src.utils.module_utils import tensorflow

    monkeypatch.setitem(sys.modules, "tensorflow", sys.modules.get("tensorflow", ModuleType("tensorflow")))
    before = tensorflow._available
    with without_tensorflow():
        assert tensorflow._available is before


@pytest.mark.parametrize("is_known", [True, False])
def test_only_the_known_version_has_parts_put_off(monkeypatch, is_known):
    put_off = []

    def import_module(name):
        found = [finder for finder in sys.meta_path if type(finder).__module__.endswith("deferred_import")]
        put_off.append((name, len(found)))

    monkeypatch.setattr(keras_internals, "is_installed", lambda *_: is_known)
    monkeypatch.setattr("study.training.keras_internals.importlib.import_module", import_module)
    keras_internals.import_keras()
    assert put_off == [("keras", int(is_known))]
