"""Arguments of models: an accepted one has its effect, another one is refused in words."""

import keras
import pytest
from omegaconf import OmegaConf

from study.models import cnn_2c2d, cnn_3c3d, linear, lstm, mlp, resnet20

SHAPE = (8, 8, 1)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def refused(pattern):
    return pytest.raises(ValueError, match=pattern)


def test_mlp_layers_follow_its_arguments():
    model = mlp.build(SHAPE, 10, hidden=[5, 4], activation="tanh", dropout=0.25, batch_norm=True)
    block = ["Dense", "BatchNormalization", "Activation", "Dropout"]
    assert kinds(model) == ["InputLayer", "Flatten", *block, *block, "Dense"]
    assert [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)] == [5, 4, 10]
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.25, 0.25]
    plain = mlp.build(SHAPE, 10, hidden=[5])
    assert kinds(plain) == ["InputLayer", "Flatten", "Dense", "Activation", "Dense"]
    assert plain.layers[2].use_bias


def test_mlp_takes_flat_inputs_no_hidden_layer_and_lists_of_omegaconf():
    assert mlp.build((6,), 2, hidden=[]).count_params() == 6 * 2 + 2
    assert mlp.build((6,), 2, hidden=OmegaConf.create([3])).count_params() == (6 * 3 + 3) + (3 * 2 + 2)


def test_prelu_is_a_layer_with_a_weight_for_each_unit():
    model = mlp.build((6,), 2, hidden=[3], activation="prelu")
    assert "PReLU" in kinds(model)
    assert model.count_params() == (6 * 3 + 3) + 3 + (3 * 2 + 2)


@pytest.mark.parametrize("hidden", [300, "300", [0], [-1], [2.5], [True], ["a"], None])
def test_hidden_must_be_a_list_of_positive_whole_numbers(hidden):
    with refused(
        r"model\.hidden=.*: expected a list of whole numbers of at least 1\. Write model\.hidden=\[300,100\]"
    ):
        mlp.build(SHAPE, 10, hidden=hidden)


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "64", None])
def test_units_are_a_positive_whole_number(units):
    with refused(r"model\.units=.*: expected a whole number of at least 1\. Set model\.units=64"):
        lstm.build(SHAPE, 10, units=units)


def test_the_lstm_needs_a_sequence():
    with refused(r"model=lstm, input_shape=\(64,\): expected sequences.*Choose model=mlp"):
        lstm.build((64,), 10)


@pytest.mark.parametrize("activation", ["rleu", "", 3, None])
def test_unknown_activation(activation):
    with refused(r"model\.activation=.*: expected the name of an activation in Keras, or prelu\. Use"):
        mlp.build(SHAPE, 10, activation=activation)


@pytest.mark.parametrize("dropout", [-0.1, 1, 1.5, float("nan"), "a", True])
def test_dropout_is_a_share_below_one(dropout):
    with refused(r"model\.dropout=.*: expected a number from 0 to below 1\. Set model\.dropout=0"):
        mlp.build(SHAPE, 10, dropout=dropout)


def test_batch_norm_is_true_or_false():
    with refused(r"model\.batch_norm=yes: expected true or false"):
        mlp.build(SHAPE, 10, batch_norm="yes")


@pytest.mark.parametrize("build", [linear.build, mlp.build, cnn_3c3d.build, resnet20.build])
@pytest.mark.parametrize("l2", [-1e-4, float("nan"), float("inf"), "a"])
def test_l2_is_not_negative(build, l2):
    with refused(r"model\.l2=.*: expected a finite number of at least 0\. Set model\.l2=0"):
        build((12, 12, 1), 10, l2=l2)


@pytest.mark.parametrize("n_outputs", [0, -1, 2.5])
def test_there_is_an_output(n_outputs):
    with refused(r"n_outputs=.*: expected a whole number of at least 1"):
        linear.build(SHAPE, n_outputs)


@pytest.mark.parametrize("module", [cnn_2c2d, cnn_3c3d, resnet20])
@pytest.mark.parametrize("shape", [(64,), (8, 8), (8, 8, 8, 1)])
def test_convolutions_need_images(module, shape):
    with refused(r"model=\w+, input_shape=\(.*\): expected images \(height, width, channels\).*Choose model=mlp"):
        module.build(shape, 10)


@pytest.mark.parametrize(("module", "smallest"), [(cnn_2c2d, 4), (cnn_3c3d, 9), (resnet20, 4)])
def test_the_smallest_image_is_built_and_a_smaller_one_refused(module, smallest):
    assert module.build((smallest, smallest, 1), 10).output_shape == (None, 10)
    with refused(rf"of at least {smallest}x{smallest} pixels"):
        module.build((smallest, smallest - 1, 1), 10)


def test_logits_stay_in_full_precision_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = mlp.build(SHAPE, 10, hidden=[4])
    finally:
        keras.config.set_dtype_policy(before)
    assert model.layers[2].compute_dtype == "bfloat16"
    assert model.layers[-1].compute_dtype == "float32"
