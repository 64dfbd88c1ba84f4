"""He's initialization keeps the size of signals; with a factor on it, they grow or shrink layer by layer."""

import keras
import numpy as np
import pytest

from study.models import he_mlp


def dense(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]


@pytest.mark.parametrize("init_scale", [0.1, 1.0, 10.0])
def test_kernels_are_normal_with_he_deviation_times_the_scale(init_scale):
    keras.utils.set_random_seed(0)
    model = he_mlp.build((500,), 400, hidden=[400, 400], init_scale=init_scale)
    kernels = [layer.get_weights()[0] for layer in dense(model)]
    for kernel in kernels:
        deviation = init_scale * np.sqrt(2 / kernel.shape[0])
        assert kernel.std() == pytest.approx(deviation, rel=0.01)
        assert np.abs(kernel).max() > 3 * deviation  # not truncated
    assert not np.allclose(kernels[1], kernels[2])
    assert all(np.all(layer.get_weights()[1] == 0) for layer in dense(model))


def test_the_size_of_what_passes_is_kept_at_scale_one_and_multiplied_at_another():
    x = np.random.default_rng(0).normal(size=(200, 300)).astype(np.float32)

    def size(init_scale):
        keras.utils.set_random_seed(0)
        model = he_mlp.build((300,), 10, hidden=[300] * 4, init_scale=init_scale)
        inner = keras.Model(model.input, model.layers[-2].output)
        return float(np.sqrt(np.mean(np.square(keras.ops.convert_to_numpy(inner(x))))))

    assert size(1.0) == pytest.approx(1.0, rel=0.2)
    assert size(2.0) == pytest.approx(2.0**4 * size(1.0), rel=1e-4)


def test_the_published_network_and_what_may_be_added_to_it():
    model = he_mlp.build((28, 28, 1), 10)
    assert [layer.units for layer in dense(model)] == [100, 100, 100, 100, 10]
    assert model.count_params() == 784 * 100 + 3 * 100 * 100 + 100 * 10 + 4 * 100 + 10
    regularized = he_mlp.build((28, 28, 1), 10, hidden=[5], dropout=0.25, batch_norm=True, l2=0.01)
    kinds = [type(layer).__name__ for layer in regularized.layers]
    assert kinds == ["InputLayer", "Flatten", "Dense", "BatchNormalization", "Activation", "Dropout", "Dense"]
    penalty = 0.005 * sum(float(np.square(layer.get_weights()[0]).sum()) for layer in dense(regularized))
    assert float(sum(float(loss) for loss in regularized.losses)) == pytest.approx(penalty, rel=1e-5)


@pytest.mark.parametrize("init_scale", [0, -1.0, float("nan"), float("inf"), "1", True])
def test_the_scale_is_a_positive_number(init_scale):
    with pytest.raises(ValueError, match=r"model\.init_scale=.*: expected a finite number above 0\. Set"):
        he_mlp.build((4,), 2, init_scale=init_scale)
