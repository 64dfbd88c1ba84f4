import math

import numpy as np
import pytest

from study.statistics.ranks import average_ranks, friedman_test, nemenyi_critical_difference, workloads_needed

SCORES = np.array([[0.9, 0.8, 0.7], [0.6, 0.6, 0.5], [0.3, 0.4, 0.2], [0.8, 0.7, 0.1]])


def test_average_ranks_by_hand():
    expected = [(1 + 1.5 + 2 + 1) / 4, (2 + 1.5 + 1 + 2) / 4, 3]
    np.testing.assert_allclose(average_ranks(SCORES, direction="maximize"), expected)
    np.testing.assert_allclose(average_ranks(-SCORES, direction="minimize"), expected)
    np.testing.assert_allclose(average_ranks(SCORES, direction="minimize"), 4 - np.array(expected))
    workload_scales = np.array([[1.0], [100.0], [1e-3], [7.0]])
    np.testing.assert_allclose(average_ranks(SCORES * workload_scales, direction="maximize"), expected)


def test_friedman_by_hand_without_ties():
    # ranks 1, 2, 3 on all of four workloads: 12 / (N k (k + 1)) * sum R^2 - 3 N (k + 1) = 8 with R = 4, 8, 12
    test = friedman_test(np.tile([0.9, 0.8, 0.7], (4, 1)))
    assert test.statistic == pytest.approx(8)
    assert test.p == pytest.approx(math.exp(-4))  # chi-squared with two degrees of freedom


def test_friedman_rejects_as_often_as_it_says():
    rng = np.random.default_rng(1)
    n_studies = 1000
    rejected = np.mean([friedman_test(rng.random((20, 5))).p <= 0.05 for _ in range(n_studies)])
    assert abs(rejected - 0.05) < 3 * math.sqrt(0.05 * 0.95 / n_studies)


def test_friedman_at_its_limits():
    assert friedman_test(np.ones((4, 3))).p == 1
    assert math.isnan(friedman_test(SCORES[:, :2]).p)
    assert math.isnan(friedman_test(SCORES[:1]).p)


# q of table 5(a) of Demsar (2006)
@pytest.mark.parametrize(
    ("n_optimizers", "level", "q"),
    [(2, 0.95, 1.960), (3, 0.95, 2.343), (5, 0.95, 2.728), (10, 0.95, 3.164), (5, 0.90, 2.459)],
)
def test_nemenyi_agrees_with_the_published_table(n_optimizers, level, q):
    expected = q * math.sqrt(n_optimizers * (n_optimizers + 1) / (6 * 14))
    assert nemenyi_critical_difference(n_optimizers, 14, level=level) == pytest.approx(expected, rel=5e-4)


def test_bad_input_to_ranks_is_named():
    with pytest.raises(ValueError, match="nan"):
        average_ranks([[0.1, math.nan]], direction="maximize")
    with pytest.raises(ValueError, match="n_optimizers=1"):
        nemenyi_critical_difference(1, 5)


@pytest.mark.parametrize(("difference", "n_optimizers"), [(1.0, 2), (0.3, 2), (1.0, 3), (2.0, 3), (0.5, 8), (7.0, 8)])
def test_workloads_needed_are_the_fewest_with_a_significant_difference(difference, n_optimizers):
    n = workloads_needed(difference, n_optimizers)
    assert nemenyi_critical_difference(n_optimizers, n) <= difference
    assert n == 1 or nemenyi_critical_difference(n_optimizers, n - 1) > difference


def test_workloads_needed_names_what_is_not_allowed():
    for difference in (0.0, -1.0, 3.0, math.nan):
        with pytest.raises(ValueError, match=f"rank_difference={difference}"):
            workloads_needed(difference, 3)
    with pytest.raises(ValueError, match="n_optimizers=1"):
        workloads_needed(0.5, 1)
