"""S9 in NumPy: at a decay of exactly 1 the divisor is epsilon by the published rule, and its root by Keras's rule."""

import math

import numpy as np
import pytest

from study.optimizers.reference import RMSprop, of_keras

GRADIENT = np.array([-0.7, 4.0])


@pytest.mark.parametrize(
    ("rule", "divisor"),
    [
        (RMSprop(learning_rate=0.1, rho=1.0, epsilon=1e-7), 1e-7),
        (of_keras("keras.optimizers.RMSprop", {"learning_rate": 0.1, "rho": 1.0}), math.sqrt(1e-7)),
    ],
    ids=["published", "Keras"],
)
def test_every_step_is_the_rate_times_the_gradient_over_the_divisor(rule, divisor):
    weights, state = [np.zeros(2)], rule.init([np.zeros(2)])
    for _ in range(3):
        before = weights[0]
        weights, state = rule.step(weights, [GRADIENT], state)
        assert (weights[0] - before).tolist() == pytest.approx((-0.1 * (GRADIENT / divisor)).tolist(), rel=1e-15)
