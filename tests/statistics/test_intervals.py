import math

import numpy as np
import pytest
from scipy import stats

from study.statistics.intervals import (
    bootstrap_interval,
    mean_interval,
    paired_difference,
    stratified_bootstrap_interval,
)


def test_t_interval_by_hand():
    # mean 3, standard deviation sqrt(2.5), t(0.975, 4) = 2.776445
    interval = mean_interval([1, 2, 3, 4, 5])
    half_width = 2.776445105 * math.sqrt(2.5 / 5)
    assert interval.estimate == 3
    assert interval.low == pytest.approx(3 - half_width)
    assert interval.high == pytest.approx(3 + half_width)
    assert interval.n == 5


def test_paired_difference_agrees_with_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 12))
    found, known = paired_difference(a, b, level=0.9), stats.ttest_rel(a, b)
    assert found.p == pytest.approx(known.pvalue)
    ends = known.confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
    reverse = paired_difference(b, a, level=0.9)
    assert (reverse.low, reverse.high, reverse.p) == pytest.approx((-found.high, -found.low, found.p))


def test_a_constant_difference_has_no_spread_even_if_its_last_bits_differ():
    b = np.array([0.1, 0.7, 0.3, 0.9])
    constant = paired_difference(b + 0.2, b)
    assert constant.p == 0
    assert constant.low == constant.high == pytest.approx(0.2)
    rounding = paired_difference(b * 3 / 3 + 1e-17, (b + 0.2) - 0.2)
    assert (rounding.mean, rounding.p, rounding.low, rounding.high) == (0, 1, 0, 0)


def test_one_run_has_no_interval():
    rng = np.random.default_rng(0)
    found = [
        mean_interval([0.5]),
        paired_difference([0.5], [0.25]),
        bootstrap_interval([0.5], rng=rng),
        stratified_bootstrap_interval([[0.5, 0.6], [0.5]], rng=rng),
    ]
    assert all(math.isnan(each.low) and math.isnan(each.high) for each in found)
    assert found[0].estimate == 0.5
    assert math.isnan(found[1].p)


@pytest.mark.parametrize("method", ["expanded", "percentile", "BCa"])
def test_equal_scores_have_an_interval_of_no_width(method):
    interval = bootstrap_interval([0.9] * 5, rng=np.random.default_rng(0), method=method)
    assert interval.low == interval.estimate == interval.high


@pytest.mark.parametrize("n_seeds", [5, 10, 50])
def test_t_intervals_cover_as_often_as_they_say(n_seeds):
    n_studies = 2000
    scores = np.random.default_rng([1, n_seeds]).normal(3, 2, (n_studies, n_seeds))
    intervals = [mean_interval(row) for row in scores]
    covered = np.mean([each.low <= 3 <= each.high for each in intervals])
    assert abs(covered - 0.95) < 3 * math.sqrt(0.95 * 0.05 / n_studies)


# The expanded percentile interval falls short of 95 % at five seeds, by as much as its docstring says.
@pytest.mark.parametrize(("n_seeds", "expected", "n_studies"), [(5, 0.92, 800), (10, 0.945, 800), (50, 0.945, 400)])
def test_bootstrap_intervals_cover_as_the_docstring_says(n_seeds, expected, n_studies):
    rng = np.random.default_rng([2, n_seeds])
    scores = rng.normal(3, 2, (n_studies, n_seeds))
    intervals = [bootstrap_interval(row, rng=rng, n_resamples=999) for row in scores]
    covered = np.mean([each.low <= 3 <= each.high for each in intervals])
    assert abs(covered - expected) < 3 * math.sqrt(expected * (1 - expected) / n_studies)


def test_the_percentile_bootstrap_is_not_the_default_because_it_covers_too_seldom():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(800, 5))
    intervals = [bootstrap_interval(row, rng=rng, n_resamples=999, method="percentile") for row in scores]
    assert np.mean([each.low <= 0 <= each.high for each in intervals]) < 0.88


def test_stratified_bootstrap_covers_and_ignores_differences_between_studies():
    rng = np.random.default_rng(4)
    offsets = np.array([[0.0], [100.0], [-40.0]])
    n_simulations = 500
    covered = 0
    for _ in range(n_simulations):
        strata = offsets + rng.normal(size=(3, 5))
        interval = stratified_bootstrap_interval(strata, rng=rng, n_resamples=999)
        covered += interval.low <= 20 <= interval.high
        assert interval.high - interval.low < 4
    assert abs(covered / n_simulations - 0.95) < 3 * math.sqrt(0.95 * 0.05 / n_simulations)


def test_one_stratum_is_the_plain_bootstrap_and_strata_weigh_the_same():
    scores = [0.1, 0.5, 0.2, 0.9, 0.4]
    plain = bootstrap_interval(scores, rng=np.random.default_rng(5))
    assert stratified_bootstrap_interval([scores], rng=np.random.default_rng(5)) == plain
    uneven = stratified_bootstrap_interval([[1.0, 1.0, 1.0, 1.0], [3.0, 5.0]], rng=np.random.default_rng(5))
    assert uneven.estimate == 2.5


def test_the_generator_alone_decides_the_resamples():
    scores = np.random.default_rng(6).random(10)
    first, again = (bootstrap_interval(scores, rng=np.random.default_rng(7)) for _ in range(2))
    assert first == again
    moved = bootstrap_interval(3 + 10 * scores, rng=np.random.default_rng(7))
    assert (moved.low, moved.high) == pytest.approx((3 + 10 * first.low, 3 + 10 * first.high))


def test_bad_input_to_intervals_is_named():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"scores\[1\]=nan"):
        mean_interval([0.5, math.nan])
    with pytest.raises(ValueError, match=r"scores\[0\]=-inf"):
        mean_interval([-math.inf, 0.5])
    with pytest.raises(ValueError, match="every shared seed"):
        paired_difference([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="level=95"):
        bootstrap_interval([1, 2], rng=rng, level=95)
    with pytest.raises(ValueError, match="method='normal'"):
        bootstrap_interval([1, 2], rng=rng, method="normal")
    with pytest.raises(ValueError, match="strata is empty"):
        stratified_bootstrap_interval([], rng=rng)
    with pytest.raises(ValueError, match="single stratum"):
        stratified_bootstrap_interval([[1, 2]], rng=rng, method="BCa")
