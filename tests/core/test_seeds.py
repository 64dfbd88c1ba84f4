import itertools

import numpy as np
import pytest

from study.core.seeds import confirmation_order_seed, confirmation_run_seed, sampler_seed, trial_run_seed
from study.statistics.intervals import mean_interval


def test_each_seed_that_a_confirmation_s_order_depends_on_changes_it():
    grid = list(itertools.product(range(8), range(8), range(12)))
    orders = {(study, order, r): confirmation_order_seed(study, order, r) for study, order, r in grid}
    assert len(set(orders.values())) == len(grid)
    assert orders[3, 5, 2] == confirmation_order_seed(3, 5, 2)


def test_orders_meet_no_other_stream():
    draws = (confirmation_run_seed, sampler_seed, trial_run_seed)
    others = {draw(study, index) for draw in draws for study in range(20) for index in range(20)}
    orders = {confirmation_order_seed(*seeds) for seeds in itertools.product(range(20), range(5), range(20))}
    assert not orders & others


def test_the_orders_of_study_seed_0_and_order_seed_0_are_those_of_earlier_versions():
    # So studies under the default seeds are continued and compared without another training.
    assert [confirmation_order_seed(0, 0, r) for r in range(3)] == [1570558271, 980773882, 712700084]


@pytest.mark.parametrize("n_studies", [3, 10])
def test_an_interval_over_study_seeds_contains_the_luck_of_the_order(n_studies):
    def luck(seed, repetition):
        return np.random.default_rng([seed, repetition]).standard_normal()

    # Two equal optimizers. Their difference at a confirmation is as much luck of the order as of the initialisation.
    n_repetitions, n_confirmations, claims = 600, 10, 0
    for repetition in range(n_repetitions):
        means = [
            np.mean(
                [
                    luck(confirmation_order_seed(study, 0, r), repetition)
                    + luck(confirmation_run_seed(study, r), repetition)
                    for r in range(n_confirmations)
                ]
            )
            for study in range(n_studies)
        ]
        found = mean_interval(np.array(means))
        claims += not found.low <= 0 <= found.high
    assert claims / n_repetitions <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_repetitions)
