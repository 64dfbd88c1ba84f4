"""The net to write from scratch: its layers, the spread of its initialization, and refused arguments."""

import keras
import numpy as np
import pytest

from study.models import mlp, two_layer


def test_it_is_the_published_net():
    model = two_layer.build((64, 64, 3), 1)
    assert model.count_params() == 12288 * 100 + 100 + 100 + 1
    assert [type(layer).__name__ for layer in model.layers[1:]] == [
        "Flatten",
        "Dense",
        "Activation",
        "Dropout",
        "Dense",
    ]
    assert model.get_layer("output").activation is keras.activations.linear


def test_the_output_starts_ten_times_as_far_spread_by_its_fan_out():
    def spreads(fan):
        keras.utils.set_random_seed(0)
        model = two_layer.build((100,), 1, units=10_000, output_fan=fan)
        return [model.get_weights()[index].std() for index in (0, 2)]

    # He's sqrt(2 / fan); ten thousand draws leave an error of less than 3 %.
    assert spreads("in") == pytest.approx([np.sqrt(2 / 100), np.sqrt(2 / 10_000)], rel=0.03)
    assert spreads("out") == pytest.approx([np.sqrt(2 / 100), np.sqrt(2)], rel=0.03)


def test_keep_is_one_minus_keras_rate():
    dropout = next(layer for layer in two_layer.build((4,), 1, keep=0.8).layers if "dropout" in layer.name)
    assert dropout.rate == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"keep": 0}, r"model\.keep=0: expected a number above 0 and at most 1"),
        ({"keep": True}, r"model\.keep=True"),
        ({"output_fan": "both"}, r"model\.output_fan=both: expected in or out"),
        ({"units": 0}, r"model\.units=0"),
    ],
)
def test_what_it_cannot_be_built_with_is_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        two_layer.build((4,), 1, **arguments)


def test_the_perceptrons_output_can_have_an_activation_and_has_none_by_default():
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    keras.utils.set_random_seed(0)
    linear = mlp.build((3,), 1, hidden=[8])
    keras.utils.set_random_seed(0)
    rectified = mlp.build((3,), 1, hidden=[8], output_activation="relu")
    outputs = linear.predict(x, verbose=0)
    assert outputs.min() < 0
    np.testing.assert_array_equal(rectified.predict(x, verbose=0), np.maximum(outputs, 0))
    with pytest.raises(ValueError, match=r"model\.output_activation=steep: expected the name of an activation"):
        mlp.build((3,), 1, output_activation="steep")
