import keras
import numpy as np
import pytest
import task_cases

from study.training.initial_weights import built_with, outline


def dense():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def test_an_outline_has_shapes_and_no_values():
    model = outline(dense)
    assert model.output_shape == (None, 2)
    assert [variable._value for variable in model.variables] == [None, None]
    with keras.StatelessScope():  # which would give values to all that wait for them
        pass
    assert [variable._value for variable in model.variables] == [None, None]


def test_a_model_that_needs_its_values_is_built():
    def scaled():
        model = dense()
        model.set_weights([2 * weight for weight in model.get_weights()])
        return model

    assert all(np.isfinite(weight).all() for weight in outline(scaled).get_weights())


def test_a_model_of_given_weights_equals_one_that_was_built_and_then_set(tmp_path):
    def with_all():
        layers = [keras.layers.Dense(3), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
        return keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(2)])

    keras.utils.set_random_seed(1)
    expected = with_all()
    weights = [weight + 0.25 for weight in expected.get_weights()]
    expected.set_weights(weights)
    keras.utils.set_random_seed(1)
    model = built_with(with_all, weights, example=None)
    for variable, like in zip(model.variables, expected.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), like.numpy())
    with keras.StatelessScope():
        pass
    model.save(tmp_path / "model.keras")
    again, x = keras.saving.load_model(tmp_path / "model.keras"), np.ones((4, 3), dtype="float32")
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected.predict(x, verbose=0))


def test_a_model_of_given_weights_draws_none_of_its_own():
    class Counted(keras.initializers.Initializer):
        n_calls = 0

        def __call__(self, shape, dtype=None):
            Counted.n_calls += 1
            return keras.ops.zeros(shape, dtype)

    def counted():
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, kernel_initializer=Counted())])

    model = built_with(counted, [np.ones((3, 2)), np.zeros(2)], example=None)
    assert Counted.n_calls == (0 if keras.backend.backend() == "jax" else 1)
    assert np.sum(model.get_weights()[0]) == 6


def test_weights_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="shape"):
        built_with(dense, [np.ones((2, 3)), np.zeros(2)], example=None)


def test_a_subclass_with_nothing_but_call_gets_given_weights():
    weights = [np.ones((3, 8)), np.zeros(8), np.ones((8, 2)), np.zeros(2)]
    model = built_with(lambda: task_cases.OnlyCall(2), weights, example=np.zeros((1, 3), np.float32))
    assert np.asarray(model(np.ones((1, 3), np.float32))).tolist() == [[24.0, 24.0]]
