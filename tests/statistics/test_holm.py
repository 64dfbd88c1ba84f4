import math

import numpy as np
import pytest
from scipy import stats

from study.statistics.holm import holm, holm_intervals, holm_two_sided, t_ratio


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.6]), [1.0, 1.0])
    np.testing.assert_allclose(holm([0.03]), [0.03])
    assert holm([]).size == 0


def test_holm_does_not_depend_on_order_and_lies_between_none_and_bonferroni():
    p = np.random.default_rng(1).random(9) ** 3
    order = np.random.default_rng(2).permutation(9)
    np.testing.assert_array_equal(holm(p[order]), holm(p)[order])
    assert np.all((p <= holm(p)) & (holm(p) <= np.minimum(1, 9 * p)))


def test_both_directions_equal_plain_holm_when_all_differences_point_one_way():
    t = np.array([4.0, 2.5, 0.3, 1.9])
    np.testing.assert_allclose(holm_two_sided(t, n_seeds=10), holm(2 * stats.t.sf(t, 9)))
    np.testing.assert_allclose(holm_two_sided(-t, n_seeds=10), holm_two_sided(t, n_seeds=10))


def test_intervals_exclude_zero_exactly_where_holm_rejects():
    rng = np.random.default_rng(3)
    n_rejected = 0
    for _ in range(300):
        means, errors = rng.normal(0, 3, 5), rng.uniform(0.5, 1.5, 5)
        low, high = holm_intervals(means, errors, n_seeds=8)
        rejected = holm_two_sided(t_ratio(means, errors), n_seeds=8) <= 0.05
        np.testing.assert_array_equal(rejected, (low >= 0) | (high <= 0))
        assert np.all((low <= means) & (means <= high))
        n_rejected += rejected.sum()
    assert 200 < n_rejected < 1300


@pytest.mark.parametrize("n_seeds", [5, 10, 50])
@pytest.mark.parametrize("effect", [0.0, 1.2, 5.0])
def test_intervals_cover_all_at_once(n_seeds, effect):
    n_studies, n_others = 800, 4
    rng = np.random.default_rng([4, n_seeds])
    truth = effect * np.array([1.0, 1.0, -1.0, 0.5])
    noise = rng.normal(size=(n_studies, n_others + 1, n_seeds))
    differences = truth[:, None] + noise[:, :1] - noise[:, 1:]  # dependent, as they share the candidate
    means, errors = differences.mean(-1), differences.std(-1, ddof=1) / math.sqrt(n_seeds)
    covered = 0
    for mean, error in zip(means, errors, strict=True):
        low, high = holm_intervals(mean, error, n_seeds=n_seeds)
        covered += np.all((low <= truth) & (truth <= high))
    assert covered / n_studies >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / n_studies)


def test_a_mean_without_error_is_certain():
    np.testing.assert_array_equal(t_ratio([0.5, 0.0, -0.5, 1.0], [0, 0, 0, 2]), [math.inf, 0, -math.inf, 0.5])
    np.testing.assert_array_equal(holm_two_sided([math.inf, 0.0], n_seeds=5), [0.0, 1.0])


def test_bad_input_to_holm_is_named():
    with pytest.raises(ValueError, match=r"within \[0, 1\]"):
        holm([0.5, math.nan])
    with pytest.raises(ValueError, match="n_seeds=1"):
        holm_intervals([0.1], [0.1], n_seeds=1)
