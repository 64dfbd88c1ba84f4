"""The distribution has the numbers of SciPy's, bit by bit."""

import numpy as np
import pytest
from scipy import special, stats

from study.statistics.student_t import probability_above, probability_below, value_above


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 29, 999])
def test_it_is_the_one_of_scipy_bit_by_bit(freedom):
    generator = np.random.default_rng(freedom)
    t = np.concatenate([10 * generator.standard_normal(1000), [0.0, np.inf, -np.inf, np.nan]])
    np.testing.assert_array_equal(probability_above(t, freedom), stats.t.sf(t, freedom))
    np.testing.assert_array_equal(probability_below(t, freedom), stats.t.cdf(t, freedom))
    probability = np.concatenate([generator.uniform(size=1000), [1e-12, 0.025, 0.5, 1.0, np.nan]])
    np.testing.assert_array_equal(value_above(probability, freedom), stats.t.isf(probability, freedom))


def test_without_freedom_there_is_no_number():
    assert np.isnan([probability_above(0.5, 0), probability_below(0.5, 0), value_above(0.5, 0)]).all()


def test_numbers_give_numbers():
    assert isinstance(float(value_above(0.025, 4)), float)
    assert np.ndim(value_above(0.025, 4)) == 0


@pytest.mark.parametrize("n", [1, 5, 30])
def test_other_quantiles_are_those_of_scipy_bit_by_bit(n):
    for wins in np.arange(0.5, n, 0.5):
        for tail in (0.005, 0.025, 0.05, 0.95):
            assert special.betaincinv(wins, n - wins + 1, tail) == stats.beta.ppf(tail, wins, n - wins + 1)
            assert special.betainccinv(wins + 1, n - wins, tail) == stats.beta.isf(tail, wins + 1, n - wins)
            assert -special.ndtri(tail) == stats.norm.isf(tail)
