"""The simulation of docs/error_rates.md in a fast form, with fewer repetitions."""

import math
from itertools import product

import pytest

from benchmarks.error_rates import OPTIMIZERS, SCORES, SEEDS, STUDIES, Cell, rates_of, standard_error

N = 1000
HIGHEST = 0.05 + 3 * standard_error(0.05, N)
LOWEST = 0.95 - 3 * standard_error(0.95, N)


def rates(**given):
    return rates_of(Cell(**given), N)


@pytest.mark.parametrize("scores", SCORES)
@pytest.mark.parametrize("correlation", [0.0, 1.0])
def test_ties_are_called_different_in_at_most_five_percent_and_pooled_no_more(scores, correlation):
    found = {}
    for n_seeds, n_optimizers, n_studies in product(SEEDS, OPTIMIZERS, STUDIES[:2]):
        for truth in ("all tied", "two ahead")[: 1 + (n_optimizers > 2)]:
            case = (n_seeds, n_optimizers, n_studies, truth)
            found[case] = rates(
                scores=scores,
                n_seeds=n_seeds,
                n_optimizers=n_optimizers,
                correlation=correlation,
                n_studies=n_studies,
                truth=truth,
            )
    for rate in ("false_differences", "false_winners"):
        by_case = {case: getattr(each, rate) for case, each in found.items()}
        assert max(by_case.values()) <= HIGHEST, (rate, max(by_case, key=by_case.get))
        assert sum(by_case.values()) / len(by_case) <= 0.05 + 3 * standard_error(0.05, N * len(by_case))
    assert all(each.false_differences == 0 for (seeds, _, studies, _), each in found.items() if seeds < 3 > studies)
    assert max(each.false_differences for each in found.values()) > 0.01  # the simulation can see a false one


@pytest.mark.parametrize("scores", ["normal", "discrete", "coarse", "unequal", "diverged"])
@pytest.mark.parametrize(("n_seeds", "n_studies"), [(3, 1), (5, 1), (10, 1), (2, 3), (5, 3), (3, 10)])
def test_intervals_of_means_and_of_differences_cover(scores, n_seeds, n_studies):
    found = rates(scores=scores, n_seeds=n_seeds, n_optimizers=3, correlation=1.0, n_studies=n_studies)
    assert math.isnan(found.mean) == (n_seeds < 3)
    shown = [found.mean] if n_seeds > 2 else []
    shown += [found.over_studies] if n_studies > 2 else []
    assert min(shown) >= 0.95 - 3 * standard_error(0.95, min(found.n_shown or N, N))
    assert found.differences >= LOWEST


def test_two_seeds_show_no_interval():
    found = rates(scores="normal", n_seeds=2, n_optimizers=3, correlation=0.5, n_studies=1)
    assert math.isnan(found.mean)
    assert math.isnan(found.differences)
    assert found.n_shown == 0


def test_one_of_eight_ahead_is_found_by_ten_seeds():
    found = rates(scores="normal", n_seeds=10, n_optimizers=8, correlation=0.5, n_studies=1, truth="one ahead")
    assert found.right_winners > 0.75
    assert found.false_winners <= HIGHEST
