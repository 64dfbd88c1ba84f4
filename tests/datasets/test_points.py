"""The parabola and the line: the formula, the noise, and the effect of the seed."""

import numpy as np
import pytest

from study.core.errors import ConfigError
from study.datasets import linear_regression, toy_regression


def test_the_parabola_is_the_published_one():
    dataset = toy_regression.load(split_seed=0)
    x, y = dataset.train.x, dataset.train.y
    assert x.shape == y.shape == (1000, 1)
    assert (x.min(), x.max()) == (-1, 1)
    rest = y - x**2
    # The mean of 1000 draws of deviation 0.1 is within four times 0.1 / sqrt(1000), their deviation within a tenth.
    assert abs(rest.mean()) < 0.4 / np.sqrt(1000)
    assert rest.std() == pytest.approx(0.1, rel=0.1)


def test_the_line_has_the_slope_and_the_intercept_asked_for():
    dataset = linear_regression.load(slope=-3.0, intercept=0.5, noise=0, split_seed=0)
    for split in (dataset.train, dataset.validation, dataset.test):
        np.testing.assert_allclose(split.y, -3 * split.x + 0.5, atol=1e-6)
    assert dataset.n_outputs == 1


@pytest.mark.parametrize("module", [toy_regression, linear_regression])
def test_the_seed_moves_the_noise_and_not_the_test(module):
    first, again, other = (module.load(split_seed=seed) for seed in (0, 0, 1))
    assert first.digest == again.digest
    assert not np.array_equal(first.train.y, other.train.y)
    assert not np.array_equal(first.train.y[:500], first.validation.y)
    assert np.array_equal(first.test.y, other.test.y)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"noise": -1}, r"dataset\.noise=-1: expected a number of at least 0"),
        ({"n_train": 0}, r"dataset\.n_train=0: expected a whole number of at least 1"),
        ({"slope": "steep"}, r"dataset\.slope=steep: expected a finite number"),
    ],
)
def test_arguments_that_cannot_be_followed_are_refused(arguments, told):
    with pytest.raises(ConfigError, match=told):
        linear_regression.load(**arguments, split_seed=0)
