import math

import numpy as np
import pytest
from scipy import stats

from study.statistics.superiority import probability_of_superiority


def test_ties_count_half_by_hand():
    a, b = [3, 2, 1, 5], [2, 2, 4, 1]
    paired = probability_of_superiority(a, b, direction="maximize", paired=True)
    assert paired.estimate == (1 + 0.5 + 0 + 1) / 4
    unpaired = probability_of_superiority(a, b, direction="maximize", paired=False)
    assert unpaired.estimate == (3 + 2 + 0.5 + 4) / 16  # wins of 3, 2, 1 and 5, ties counted half
    assert unpaired.estimate == stats.mannwhitneyu(a, b).statistic / 16


@pytest.mark.parametrize("paired", [True, False])
def test_direction_and_exchange_mirror_the_interval(paired):
    a, b = np.random.default_rng(1).normal(size=(2, 9))
    forth = probability_of_superiority(a, b, direction="maximize", paired=paired)
    for back in (
        probability_of_superiority(b, a, direction="maximize", paired=paired),
        probability_of_superiority(a, b, direction="minimize", paired=paired),
    ):
        assert back.estimate == pytest.approx(1 - forth.estimate)
        assert (back.low, back.high) == pytest.approx((1 - forth.high, 1 - forth.low))
    bent = probability_of_superiority(np.exp(a), np.exp(b), direction="maximize", paired=paired)
    assert bent == forth


def test_always_winning_is_not_certainty():
    paired = probability_of_superiority([2] * 5, [1] * 5, direction="maximize", paired=True)
    assert (paired.estimate, paired.high) == (1, 1)
    assert paired.low == pytest.approx(stats.binomtest(5, 5).proportion_ci().low)
    unpaired = probability_of_superiority([2] * 5, [1] * 5, direction="maximize", paired=False)
    assert (unpaired.estimate, unpaired.high) == (1, 1)
    assert 0.5 < unpaired.low < 0.9
    never = probability_of_superiority([1] * 5, [2] * 5, direction="maximize", paired=False)
    assert (never.low, never.high) == pytest.approx((0, 1 - unpaired.low))


@pytest.mark.parametrize("n_seeds", [5, 10, 50])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_intervals_of_superiority_cover(n_seeds, shift):
    n_studies = 800
    rng = np.random.default_rng([2, n_seeds])
    a, b = shift + rng.normal(size=(n_studies, n_seeds)), rng.normal(size=(n_studies, n_seeds))
    truth = stats.norm.cdf(shift / math.sqrt(2))
    error = 3 * math.sqrt(0.95 * 0.05 / n_studies)
    for paired in (True, False):
        found = [
            probability_of_superiority(x, y, direction="maximize", paired=paired) for x, y in zip(a, b, strict=True)
        ]
        covered = np.mean([each.low <= truth <= each.high for each in found])
        assert covered >= 0.95 - error
        if not paired:  # the exact interval of a count covers more often where counts are few
            assert covered <= 0.95 + error + 0.01


def test_paired_interval_covers_with_ties():
    n_studies = 800
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 3, (2, n_studies, 10))
    found = [probability_of_superiority(x, y, direction="maximize", paired=True) for x, y in zip(a, b, strict=True)]
    assert np.mean([each.low <= 0.5 <= each.high for each in found]) >= 0.95


def test_bad_input_to_superiority_is_named():
    with pytest.raises(ValueError, match="paired=False"):
        probability_of_superiority([1], [1, 2], direction="maximize", paired=True)
    with pytest.raises(ValueError, match="nan"):
        probability_of_superiority([math.nan], [1], direction="maximize", paired=True)
