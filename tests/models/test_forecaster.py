"""The forecaster's output has the requested activation, and the activation's bounds."""

import keras
import numpy as np
import pytest

from study.models import lstm_forecaster

ACTIVATIONS = (
    *("linear", "tanh", "sigmoid", "softmax", "softplus", "softsign"),
    *("relu", "relu6", "leaky_relu", "prelu", "elu"),
)


def windows(n=64):
    return np.random.default_rng(0).normal(scale=5, size=(n, 20, 1)).astype(np.float32)


def outputs(model):
    """Return the values before the activation, and those after it."""
    before = keras.Model(model.input, model.get_layer("output").output)
    return tuple(keras.ops.convert_to_numpy(part(windows(), training=False)) for part in (before, model))


def steeper(model):
    """Make the output large, so that bounded activations show their bounds."""
    kernel, bias = model.get_layer("output").get_weights()
    model.get_layer("output").set_weights([40 * kernel, bias])
    return model


# Keras says of a softmax over one output that it is likely a mistake, and it is right.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_output_is_the_activation_of_a_dense_layer(activation):
    keras.utils.set_random_seed(0)
    model = steeper(lstm_forecaster.build((20, 1), 1, activation=activation))
    before, after = outputs(model)
    assert after.shape == (64, 1)
    assert before.min() < -1 < 1 < before.max()
    if activation == "prelu":  # starts as a rectifier, and has a slope to learn
        assert np.array_equal(after, np.maximum(before, 0))
        assert model.layers[-1].trainable_variables[0].shape == (1,)
    else:
        expected = keras.ops.convert_to_numpy(
            getattr(keras.activations, activation)(keras.ops.convert_to_tensor(before))
        )
        np.testing.assert_allclose(after, expected, rtol=1e-6)


def test_softmax_over_one_output_is_one():
    keras.utils.set_random_seed(1)
    with pytest.warns(UserWarning, match="softmax over axis"):
        _, after = outputs(steeper(lstm_forecaster.build((20, 1), 1, activation="softmax")))
    assert np.all(after == 1)


def test_layers_and_sizes_are_those_of_the_publication():
    model = lstm_forecaster.build((20, 1), 1)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["InputLayer", "LSTM", "Dropout", "Dense", "Activation"]
    assert model.layers[1].units == 32
    assert model.layers[2].rate == pytest.approx(0.2)  # keeps 0.8
    assert model.count_params() == 4 * (1 * 32 + 32 * 32 + 32) + 32 + 1
    assert "Dropout" not in [type(layer).__name__ for layer in lstm_forecaster.build((20, 1), 1, dropout=0.0).layers]


@pytest.mark.parametrize("activation", ["rleu", "leakyrelu6", 3])
def test_an_activation_that_keras_lacks_is_refused(activation):
    with pytest.raises(
        ValueError, match=r"model\.activation=.*: expected the name of an activation in Keras, or prelu"
    ):
        lstm_forecaster.build((20, 1), 1, activation=activation)


def test_a_forecaster_needs_a_sequence():
    with pytest.raises(ValueError, match=r"model=lstm_forecaster, input_shape=\(20,\): expected sequences"):
        lstm_forecaster.build((20,), 1)
