import math

import keras
import keras_steps
import numpy as np
import pytest

from study.optimizers.adabelief import AdaBelief
from study.optimizers.reference.keras_differences import double_precision


def adabelief(*, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-16, weight_decay=0.0):
    """Algorithm 2 of Zhuang et al. as printed, and a decay as in AdamW, which is the default of the authors' code."""
    w = keras_steps.flat(keras_steps.start())
    m, s = np.zeros_like(w), np.zeros_like(w)
    path = []
    for t, g in enumerate(map(keras_steps.flat, keras_steps.gradients()), start=1):
        m = beta_1 * m + (1 - beta_1) * g
        s = beta_2 * s + (1 - beta_2) * (g - m) ** 2 + epsilon
        step = (m / (1 - beta_1**t)) / (np.sqrt(s / (1 - beta_2**t)) + epsilon)
        w = w - learning_rate * (step + weight_decay * w)
        path.append(w)
    return np.stack(path)


@pytest.mark.parametrize(
    "arguments", [{}, {"learning_rate": 0.1, "beta_1": 0.6, "beta_2": 0.9, "epsilon": 0.01}, {"weight_decay": 0.5}]
)
def test_keras_takes_the_steps_of_the_paper(arguments):
    with double_precision():
        path = keras_steps.by_keras(AdaBelief(**arguments))
    np.testing.assert_allclose(path, adabelief(**arguments), rtol=1e-10, atol=1e-13)


def test_the_first_two_steps_by_hand():
    """Halves: moments 1, 5/2; surprises 1 and 3/2, s = 1/4 + 1, then 15/16 + 9/16 + 1."""
    with double_precision():
        w = keras.Variable([1.0], dtype="float64")
        optimizer = AdaBelief(learning_rate=0.1, beta_1=0.5, beta_2=0.75, epsilon=1.0)
        path = []
        for gradient in (2.0, 4.0):
            optimizer.apply([keras.ops.convert_to_tensor([gradient], dtype="float64")], [w])
            path.append(float(w[0]))
    first = 1 - 0.1 * 2 / (math.sqrt(5) + 1)
    second = first - 0.1 * (10 / 3) / (math.sqrt(2.5 * 16 / 7) + 1)
    np.testing.assert_allclose(path, [first, second], rtol=1e-14)


def test_it_is_written_down_and_read_again():
    optimizer = AdaBelief(beta_1=0.8, epsilon=1e-12, weight_decay=0.1)
    config = keras.optimizers.serialize(optimizer)["config"]
    assert AdaBelief.from_config(config).get_config() == optimizer.get_config()
