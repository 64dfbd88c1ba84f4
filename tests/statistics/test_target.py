import itertools
import math

import numpy as np
import pytest
from scipy import stats

from study.statistics.looks import ERROR
from study.statistics.target import level_of_try, lower_limit


def test_all_tries_together_spend_less_than_the_error():
    levels = [level_of_try(number) for number in range(1, 200)]
    assert levels[0] == ERROR / 2
    assert sum(levels) <= ERROR
    assert all(later < before for before, later in itertools.pairwise(levels))


def test_a_try_that_is_not_counted_from_one_is_refused():
    with pytest.raises(ValueError, match=r"number=0: expected the number of a try, from 1\. Count"):
        level_of_try(0)


def test_the_limit_is_that_of_a_one_sided_t_test():
    scores = [0.91, 0.95, 0.93, 0.97, 0.90]
    limit = lower_limit(scores, level=0.025)
    assert stats.ttest_1samp(scores, limit, alternative="greater").pvalue == pytest.approx(0.025, rel=1e-9)


def test_equal_scores_on_a_coarse_grid_are_not_a_mean_without_error():
    assert lower_limit([0.9] * 5, level=0.025) == pytest.approx(0.9)
    assert lower_limit([0.9] * 5, level=0.025, step=0.01) < 0.9 - 0.005


@pytest.mark.parametrize("scores", [[], [0.9, 0.9], [0.9, 0.9, math.nan], [0.9, 0.9, -math.inf]])
def test_no_limit_is_shown_by_few_or_infinite_scores(scores):
    assert lower_limit(scores, level=0.025) == -math.inf


@pytest.mark.parametrize("draw", ["normal", "on a grid"])
def test_a_search_at_its_target_by_luck_alone_ends_in_five_percent_at_most(draw):
    generator, target, n_searches = np.random.default_rng(4), 0.0, 4000
    wrong = 0
    for _ in range(n_searches):  # ten points with a true mean just below the target, tried one after the other
        tries = generator.normal(size=(10, 5))
        tries = tries if draw == "normal" else np.rint(tries)
        limits = [lower_limit(tries[j], level=level_of_try(j + 1), step=float(draw != "normal")) for j in range(10)]
        wrong += any(limit >= target for limit in limits)
    assert wrong / n_searches <= ERROR + 3 * math.sqrt(ERROR / n_searches)
