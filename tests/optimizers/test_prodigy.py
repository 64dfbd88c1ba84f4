import math

import keras
import keras_steps
import numpy as np
import pytest
import tensorflow as tf

from study.optimizers.prodigy import Prodigy
from study.optimizers.reference.keras_differences import double_precision


def prodigy(
    *,
    learning_rate=1.0,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-8,
    initial_distance=1e-6,
    weight_decay=0.0,
):
    """Algorithm 4 of Mishchenko & Defazio as printed, over all weights as one vector; the path, and the last d.

    The decay is that of the authors' code (konstmish/prodigy, decouple=True): p <- p - weight_decay d lr p.
    """
    w = first = keras_steps.flat(keras_steps.start())
    m, v, s = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    d, r, kept = initial_distance, 0.0, math.sqrt(beta_2)
    path = []
    for g in map(keras_steps.flat, keras_steps.gradients()):
        m = beta_1 * m + (1 - beta_1) * d * g
        v = beta_2 * v + (1 - beta_2) * d**2 * g**2
        r = kept * r + (1 - kept) * learning_rate * d**2 * (g @ (first - w))
        s = kept * s + (1 - kept) * learning_rate * d**2 * g
        w = w - learning_rate * d * m / (np.sqrt(v) + d * epsilon) - weight_decay * d * learning_rate * w
        d = max(d, r / np.abs(s).sum())
        path.append(w)
    return np.stack(path), d


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"learning_rate": 0.5, "beta_1": 0.6, "beta_2": 0.9, "epsilon": 0.01, "initial_distance": 1e-3},
        # numbers that float32 holds
        {"learning_rate": 0.5, "initial_distance": 1e-3, "weight_decay": 2**-6},
        {
            **{"learning_rate": 0.5, "beta_1": 0.6, "beta_2": 0.9, "epsilon": 0.01, "initial_distance": 1e-3},
            "weight_decay": 2**-4,
        },
    ],
)
def test_keras_takes_the_steps_of_the_paper(arguments):
    expected, d = prodigy(**arguments)
    assert d > 10 * arguments.get("initial_distance", 1e-6), "the estimate never grew"
    with double_precision():
        optimizer = Prodigy(**arguments)
        path = keras_steps.by_keras(optimizer)
        assert float(optimizer._distance) == pytest.approx(d, rel=1e-9)
    np.testing.assert_allclose(path, expected, rtol=1e-9, atol=1e-13)


def test_a_decay_of_1_at_a_small_distance_hardly_moves_the_weights():
    """Its rate is lr d: without d, one update at lr = 1 would take the weights to 0."""
    w = keras.Variable([3.0])
    optimizer = Prodigy(weight_decay=1.0, initial_distance=1e-6)
    optimizer.apply([keras.ops.convert_to_tensor([0.0])], [w])
    assert float(w[0]) == pytest.approx(3.0 * (1 - 1e-6), rel=1e-7)


def test_what_is_excluded_from_decay_stays():
    kept, decayed = keras.Variable([3.0], name="bias"), keras.Variable([3.0], name="kernel")
    optimizer = Prodigy(weight_decay=1.0, initial_distance=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([keras.ops.convert_to_tensor([0.0])] * 2, [kept, decayed])
    assert (float(kept[0]), float(decayed[0])) == pytest.approx((3.0, 2.7))


def test_it_finds_the_rate_of_a_bowl_from_any_first_guess():
    """From w = 3 on |w - 1|: the estimate ends near the distance 2, whatever it began with, and so does the weight."""
    for guess in (1e-6, 1e-3):
        w = keras.Variable([3.0])
        optimizer = Prodigy(initial_distance=guess)
        optimizer.build([w])
        step = tf.function(lambda o=optimizer, w=w: o.apply([keras.ops.sign(w - 1.0)]), autograph=False)
        for _ in range(400):
            step()
        assert 0.2 < float(optimizer._distance) <= 2.0
        assert abs(float(w[0]) - 1.0) < 0.5


def test_it_is_written_down_and_read_again():
    optimizer = Prodigy(beta_1=0.8, initial_distance=1e-4, weight_decay=0.1)
    config = keras.optimizers.serialize(optimizer)["config"]
    assert Prodigy.from_config(config).get_config() == optimizer.get_config()
