import keras
import pytest

from study.core.errors import BackendError
from study.optimizers.keras_hooks import require_hooks, variable_index, with_decay


def test_the_known_version_has_the_hooks():
    require_hooks(keras.optimizers.Optimizer)
    optimizer, variables = keras.optimizers.SGD(), [keras.Variable(0.0), keras.Variable(1.0)]
    optimizer.build(variables)
    assert [variable_index(optimizer, variable) for variable in variables] == [0, 1]


def test_a_version_without_them_is_refused_in_words():
    class Renamed:
        def _get_variable_index(self, variable):
            raise NotImplementedError

    with pytest.raises(BackendError, match=r"expected optimizers with _backend_update_step, .*Install keras>="):
        require_hooks(Renamed)


def test_a_step_without_decay_is_returned_as_it_is():
    optimizer, variable, step = keras.optimizers.SGD(), keras.Variable([2.0]), keras.ops.ones(1)
    assert with_decay(optimizer, variable, step, rate=0.1) is step
    optimizer = keras.optimizers.SGD(weight_decay=0.5)
    assert float(with_decay(optimizer, variable, step, rate=0.1)[0]) == pytest.approx(1.1)
