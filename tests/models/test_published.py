"""The architectures are the published ones: sizes, layers, initialization, penalties; and they learn and are saved."""

import keras
import numpy as np
import pytest

from study.models import cnn_2c2d, cnn_3c3d, linear, lstm, mlp, resnet20

pytestmark = pytest.mark.slow

ALL = {
    "linear": linear,
    "mlp": mlp,
    "lstm": lstm,
    "cnn_2c2d": cnn_2c2d,
    "cnn_3c3d": cnn_3c3d,
    "resnet20": resnet20,
}
SHAPE = (12, 12, 3)


def n_trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def images(n=4, shape=SHAPE):
    return np.random.default_rng(0).random((n, *shape), dtype=np.float32)


def test_parameter_counts_are_those_published():
    assert n_trainable(linear.build((28, 28, 1), 10)) == 7_850
    assert n_trainable(mlp.build((28, 28, 1), 10)) == 266_610
    assert n_trainable(cnn_2c2d.build((28, 28, 1), 10)) == 3_274_634
    assert n_trainable(cnn_3c3d.build((32, 32, 3), 10)) == 895_210


def test_parameters_of_resnet20_as_counted_by_hand():
    # Convolutions: 9*3*16 = 432; six of 9*16*16 = 13 824; 9*16*32 + 5 * 9*32*32 = 50 688; 9*32*64 + 5 * 9*64*64 =
    # 202 752. Two numbers per channel normalized: 2 * (16 + 6*16 + 6*32 + 6*64) = 1376. Dense: 64*10 + 10 = 650.
    model = resnet20.build((32, 32, 3), 10)
    assert n_trainable(model) == 432 + 13_824 + 50_688 + 202_752 + 1_376 + 650 == 269_722
    # The moving mean and variance of each channel come on top, and the shortcuts hold nothing.
    assert model.count_params() == 269_722 + 1_376
    # Twenty layers with weights, as the name says.
    assert sum(isinstance(layer, keras.layers.Conv2D | keras.layers.Dense) for layer in model.layers) == 20


@pytest.mark.parametrize("name", ALL)
def test_the_last_layer_gives_logits(name):
    model = ALL[name].build(SHAPE, 7)
    output = model.layers[-1]
    assert model.name == name
    assert output.name == "output"
    assert isinstance(output, keras.layers.Dense)
    assert keras.activations.serialize(output.activation) == "linear"
    assert model.output_shape == (None, 7)
    logits = keras.ops.convert_to_numpy(model(images()))
    assert logits.shape == (4, 7)
    assert np.all(np.isfinite(logits))
    assert not np.allclose(logits.sum(axis=1), 1)


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_builds_the_same_weights_and_another_does_not(name):
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return ALL[name].build(SHAPE, 10).get_weights()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_layers_of_equal_shape_start_from_different_weights():
    model = resnet20.build(SHAPE, 10)
    kernels = [layer.kernel.numpy() for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    equal = [kernel for kernel in kernels if kernel.shape == (3, 3, 16, 16)]
    assert len(equal) == 6
    assert not np.allclose(equal[0], equal[1])


def test_2c2d_starts_from_a_truncated_normal_and_a_small_positive_bias():
    keras.utils.set_random_seed(0)
    model = cnn_2c2d.build((28, 28, 1), 10)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            assert np.all(bias == np.float32(0.05))
            assert np.abs(kernel).max() <= 0.1 + 1e-6  # two standard deviations
    # A normal of deviation s cut at two deviations keeps 0.8796 s; a million draws leave an error below 0.1 %.
    assert model.layers[-2].get_weights()[0].std() == pytest.approx(0.05 * 0.8796, rel=3e-3)


def test_3c3d_has_the_shapes_of_its_publication():
    model = cnn_3c3d.build((32, 32, 3), 10)
    shapes = [tuple(layer.output.shape[1:]) for layer in model.layers[1:]]
    convolutional = [(28, 28, 64), (14, 14, 64), (12, 12, 96), (6, 6, 96), (6, 6, 128), (3, 3, 128)]
    assert shapes == [*convolutional, (1152,), (512,), (256,), (10,)]
    assert isinstance(model.layers[1].kernel_initializer, keras.initializers.GlorotNormal)
    assert isinstance(model.layers[-1].kernel_initializer, keras.initializers.GlorotUniform)


@pytest.mark.parametrize("name", ["linear", "mlp", "cnn_3c3d", "resnet20"])
def test_l2_is_half_the_squared_kernels_so_that_its_gradient_is_weight_decay(name):
    model = ALL[name].build(SHAPE, 10, l2=0.01)
    kernels = [weight.numpy() for weight in model.trainable_weights if weight.name == "kernel"]
    expected = 0.005 * sum(float(np.square(kernel).sum()) for kernel in kernels)
    assert float(sum(float(loss) for loss in model.losses)) == pytest.approx(expected, rel=1e-5)
    assert ALL[name].build(SHAPE, 10, l2=0).losses == []


def test_published_weight_decay_is_the_default():
    # He et al. count 1e-4 and DeepOBS 0.002 as weight decay; Keras's factor is half of it.
    assert resnet20.build(SHAPE, 10).layers[1].kernel_regularizer.l2 == pytest.approx(5e-5)
    assert cnn_3c3d.build(SHAPE, 10).layers[1].kernel_regularizer.l2 == pytest.approx(1e-3)


def test_the_lstm_reads_an_image_row_by_row():
    x = images(2, (5, 4, 3))
    image, sequence = lstm.build((5, 4, 3), 10, units=6), lstm.build((5, 12), 10, units=6)
    # Four gates, each with a matrix for the row, one for the state, and a bias; then the logits.
    assert n_trainable(image) == 4 * (12 * 6 + 6 * 6 + 6) + 6 * 10 + 10
    sequence.set_weights(image.get_weights())
    rows = np.stack([[row.ravel() for row in picture] for picture in x])
    assert np.array_equal(image.predict(x, verbose=0), sequence.predict(rows, verbose=0))


def test_the_shortcut_takes_every_second_pixel_and_pads_channels_with_zeros():
    x = images(2, (5, 5, 3))
    inputs = keras.Input((5, 5, 3))
    shortcut = keras.Model(inputs, resnet20._narrowed(inputs, 8, strides=2))
    found = keras.ops.convert_to_numpy(shortcut(x))
    assert found.shape == (2, 3, 3, 8)
    assert np.array_equal(found[..., :3], x[:, ::2, ::2])
    assert np.all(found[..., 3:] == 0)


@pytest.mark.parametrize("name", ["mlp", "lstm", "resnet20"])
def test_a_model_is_saved_and_loaded_unchanged(name, tmp_path):
    model = ALL[name].build(SHAPE, 10, **({"activation": "prelu", "batch_norm": True} if name == "mlp" else {}))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = images()
    assert np.array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))


def test_training_lowers_the_loss():
    keras.utils.set_random_seed(0)
    model = mlp.build(SHAPE, 3, hidden=[16], dropout=0.1, batch_norm=True, activation="prelu", l2=1e-4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    losses = model.fit(images(12), np.arange(12) % 3, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
