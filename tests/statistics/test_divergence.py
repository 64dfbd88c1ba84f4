import numpy as np
import pytest
from scipy import stats

from study.statistics.divergence import divergence_limit, divergence_spread


@pytest.mark.parametrize(("n_diverged", "n_runs"), [(0, 10), (1, 10), (2, 10), (3, 5), (9, 10)])
def test_the_limit_is_clopper_and_pearsons(n_diverged, n_runs):
    # one-sided at 95 %: the upper end of the two-sided interval at 90 %
    known = stats.binomtest(n_diverged, n_runs).proportion_ci(0.90, method="exact").high
    assert divergence_limit(n_diverged, n_runs) == pytest.approx(known)


def test_the_limit_covers_at_any_rate_and_ends_at_one():
    assert divergence_limit(4, 4) == 1.0
    counts = np.arange(11)
    limits = np.array([divergence_limit(int(n), 10) for n in counts])
    for rate in np.linspace(0.01, 0.99, 50):
        assert stats.binom.pmf(counts[limits >= rate], 10, rate).sum() >= 0.95


def test_the_spread_is_that_of_a_run_that_may_diverge():
    assert divergence_spread(0, 10, drop=0.9) == 0
    assert divergence_spread(4, 10, drop=0.9) == pytest.approx(0.9 * np.sqrt(5 / 12 * 7 / 12))
    assert divergence_spread(4, 10, drop=0.9, n_averaged=4) == pytest.approx(0.45 * np.sqrt(5 / 12 * 7 / 12))


def test_impossible_counts_are_named():
    with pytest.raises(ValueError, match="n_diverged=3, n_runs=2"):
        divergence_limit(3, 2)
