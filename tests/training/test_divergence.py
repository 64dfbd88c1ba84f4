import doctest

import numpy as np
import pytest

from study.training import divergence
from study.training.divergence import are_finite, has_diverged


@pytest.mark.parametrize(
    ("initial", "final", "finite", "diverged"),
    [
        (2.0, 1.0, True, False),
        (2.0, 2.0, True, False),
        (2.0, np.nextafter(2.0, 3.0), True, True),
        (2.0, np.nan, True, True),
        (np.nan, 1.0, True, True),
        (2.0, np.inf, True, True),
        (2.0, 1.0, False, True),
    ],
)
def test_a_loss_above_the_first_one_and_broken_weights_count_as_diverged(initial, final, finite, diverged):
    assert has_diverged({"initial_loss": initial, "final_loss": final}, weights_are_finite=finite) is diverged


def test_one_broken_number_is_enough():
    whole = np.ones((2, 2), np.float32)
    assert are_finite([whole, whole])
    for broken in (np.nan, np.inf, -np.inf):
        assert not are_finite([whole, np.array([1.0, broken], np.float32)])


def test_the_example_holds():
    assert doctest.testmod(divergence).failed == 0
