import math

import numpy as np
import pytest
from scipy import stats

from study.statistics.intervals import difference_limits, mean_interval, mean_limits, paired_difference


def test_t_interval_by_hand():
    # mean 3, standard deviation sqrt(2.5), t(0.975, 4) = 2.776445
    interval = mean_interval([1, 2, 3, 4, 5])
    half_width = 2.776445105 * math.sqrt(2.5 / 5)
    assert interval.estimate == 3
    assert interval.low == pytest.approx(3 - half_width)
    assert interval.high == pytest.approx(3 + half_width)
    assert interval.n == 5


def test_the_interval_of_a_difference_ends_at_what_two_values_can_differ_by():
    a, b = [0.9, 0.1, 0.9], [0.1, 0.9, 0.2]
    free, share = paired_difference(a, b), paired_difference(a, b, bounds=(0.0, 1.0))
    assert (free.low < -1, free.high > 1) == (True, True)
    assert (share.low, share.high) == (-1.0, 1.0)
    assert (share.mean, share.p) == (free.mean, free.p)
    lows, highs = difference_limits([-1.3, -0.2, math.nan], [0.4, 1.2, math.nan], widest=1.0)
    assert lows[:2].tolist() == [-1.0, -0.2]
    assert highs[:2].tolist() == [0.4, 1.0]
    assert np.isnan([lows[2], highs[2]]).all()


def test_paired_difference_agrees_with_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 12))
    found, known = paired_difference(a, b, level=0.9), stats.ttest_rel(a, b)
    assert found.p == pytest.approx(known.pvalue)
    ends = known.confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
    reverse = paired_difference(b, a, level=0.9)
    assert (reverse.low, reverse.high, reverse.p) == pytest.approx((-found.high, -found.low, found.p))


def test_mean_intervals_agree_with_scipy_one_by_one_and_together():
    scores = np.random.default_rng(2).random((20, 6))
    low, high = mean_limits(scores, step=0.0)
    for row, row_low, row_high in zip(scores, low, high, strict=True):
        ends = stats.ttest_1samp(row, 0.0).confidence_interval(0.95)
        assert (row_low, row_high) == pytest.approx((ends.low, ends.high))
        alone = mean_interval(row)
        assert (alone.low, alone.high) == pytest.approx((ends.low, ends.high))


def test_a_constant_difference_is_no_proof():
    b = np.array([0.1, 0.7, 0.3])
    constant = paired_difference(b + 0.01, b, step=0.01)
    assert constant.mean == pytest.approx(0.01)
    assert constant.p > 0.05
    assert constant.low < 0 < constant.high
    # one example in ten seeds is one
    many = np.linspace(0.1, 0.9, 10)
    assert paired_difference(many + 0.01, many, step=0.01).p < 0.05


def test_the_spread_floor_is_the_step_and_without_a_step_the_smallest_difference_seen():
    # step / sqrt(12) is the standard deviation of rounding; t(0.975, 2) = 4.302653
    equal = mean_interval([0.9] * 3, step=0.01, bounds=(0, 1))
    assert equal.high - 0.9 == pytest.approx(4.302652730 * 0.01 / math.sqrt(36))
    b = np.array([0.1, 0.7, 0.3])
    seen, given = paired_difference(b + 0.2, b), paired_difference(b + 0.2, b, step=0.2)
    assert (seen.low, seen.high, seen.p) == pytest.approx((given.low, given.high, given.p))


def test_equal_scores_in_other_bits_have_no_difference():
    b = np.array([0.1, 0.7, 0.3, 0.9])
    rounding = paired_difference(b * 3 / 3 + 1e-17, (b + 0.2) - 0.2)
    assert (rounding.mean, rounding.p) == (0, 1)


def test_fewer_than_three_runs_have_no_interval():
    found = [
        mean_interval([0.5]),
        mean_interval([0.5, 0.6]),
        paired_difference([0.5], [0.25]),
        paired_difference([0.5, 0.6], [0.25, 0.3]),
    ]
    assert all(math.isnan(each.low) and math.isnan(each.high) for each in found)
    assert found[1].estimate == pytest.approx(0.55)
    assert math.isnan(found[2].p)
    assert math.isnan(found[3].p)


def test_an_interval_ends_where_the_metric_does():
    wide = mean_interval([0.99, 0.7, 0.98], step=0.01, bounds=(0.0, 1.0))
    assert wide.high == 1.0
    assert mean_interval([0.02, 0.5, 0.01], bounds=(0.0, math.inf)).low == 0.0
    apart = paired_difference([1.0, 0.0, 1.0], [0.0, 0.9, 0.2], step=0.1, bounds=(0.0, 1.0))
    assert (apart.low, apart.high) == (-1.0, 1.0)


@pytest.mark.parametrize("n_seeds", [5, 10, 50])
def test_t_intervals_cover_as_often_as_they_say(n_seeds):
    n_studies = 2000
    scores = np.random.default_rng([1, n_seeds]).normal(3, 2, (n_studies, n_seeds))
    intervals = [mean_interval(row) for row in scores]
    covered = np.mean([each.low <= 3 <= each.high for each in intervals])
    assert abs(covered - 0.95) < 3 * math.sqrt(0.95 * 0.05 / n_studies)


def test_bad_input_to_intervals_is_named():
    with pytest.raises(ValueError, match=r"scores\[1\]=nan"):
        mean_interval([0.5, math.nan])
    with pytest.raises(ValueError, match="expected finite scores"):
        mean_interval([-math.inf, 0.5])
    with pytest.raises(ValueError, match="expected one score each for every shared seed"):
        paired_difference([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="level=95"):
        mean_interval([1, 2, 3], level=95)
