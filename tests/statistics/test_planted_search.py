"""A planted truth: random searches of four values at once, of which the optimum and the importances are known.

The objective is a share: 0.9 less a parabola for each value around the same place of its range, with noise of 0.2
points as that of seeds. The shares of the variance are 27 : 9 : 3 : 1, which is what an importance estimates, and the
widths follow from the parabolas.

Measured over 100 seeds, with the standard error of a share p, sqrt(p (1 - p) / 100), in brackets:

- All four values are ranked rightly in 48 (5), 77 (4.2) and 99 (1) seeds with 25, 50 and 100 trials. 100 are what
  `advised_trials` says for four values. Taken by its value in place of its logarithm, as Optuna's forest takes it, the
  first value was ranked first in 21 seeds of 100 trials.
- The region of good values of the first one holds the optimum in 97.5 (1.1; 200 seeds) with 100 trials.
- Its width is within a factor of 2 of the truth in 82 (2.7; 200 seeds) with 100 trials, and in 96 (1.4) with 1600: it
  is too small on average, by a quarter here, since the top of noisy scores is partly luck.
"""

import math

import numpy as np
import pytest

from study.core.search_space import Range
from study.search.importance import importances
from study.statistics.search_size import advised_trials
from study.statistics.sensitivity import number_sensitivity

RANGES = {
    "learning_rate": Range(argument="learning_rate", low=1e-5, high=1e-1, scale="log"),
    "model.dropout": Range(argument="model.dropout", low=0.0, high=0.5),
    "beta_1": Range(argument="beta_1", low=0.5, high=0.99, scale="one_minus_log"),
    "trainer.batch_size": Range(argument="trainer.batch_size", choices=(32, 64, 128, 256)),
}
SHARES = np.array([27, 9, 3, 1]) / 40
OPTIMUM = 0.6  # place of the optimum in each range, from 0 to 1
SPREAD = 0.05  # standard deviation of the objective without noise
NOISE = 0.002
N_CHOICES = 4


def _moment(power):
    """Mean of (u - OPTIMUM)^power for u uniform from 0 to 1 and an even power."""
    return ((1 - OPTIMUM) ** (power + 1) + OPTIMUM ** (power + 1)) / (power + 1)


_OF_INTERVAL = math.sqrt(_moment(4) - _moment(2) ** 2)
_OF_CHOICES = np.std(((np.arange(N_CHOICES) + 0.5) / N_CHOICES - OPTIMUM) ** 2)
CURVATURES = SPREAD * np.sqrt(SHARES) / np.array([*3 * [_OF_INTERVAL], _OF_CHOICES])
WIDTHS = 2 * np.sqrt(0.01 / CURVATURES[:3])  # of the region within one point of the best, as a share of the range
N = advised_trials(len(RANGES))


def search(seed, n, noise=NOISE):
    """Draw n places of each value, shape (n, 4), and their scores."""
    rng = np.random.default_rng(seed)
    places = rng.random((n, len(RANGES)))
    places[:, 3] = (np.floor(places[:, 3] * N_CHOICES) + 0.5) / N_CHOICES
    return places, 0.9 - (CURVATURES * (places - OPTIMUM) ** 2).sum(axis=1) + noise * rng.standard_normal(n)


def points(places):
    first, last = math.log10(0.5), math.log10(0.01)
    return [
        {
            "learning_rate": 10 ** (-5 + 4 * rate),
            "model.dropout": dropout / 2,
            "beta_1": 1 - 10 ** (first + (last - first) * beta),
            "trainer.batch_size": RANGES["trainer.batch_size"].choices[int(N_CHOICES * size)],
        }
        for rate, dropout, beta, size in places
    ]


def is_ranked(seed):
    places, scores = search(seed, N)
    return [*importances(points(places), scores.tolist(), RANGES)] == [*RANGES]


def region(seed, n, name, noise=NOISE):
    places, scores = search(seed, n, noise)
    values = [point[name] for point in points(places)]
    return number_sensitivity(values, scores, scale=RANGES[name].scale, direction="maximize")


def true_width(name):
    ends = {"learning_rate": 4, "model.dropout": 0.5, "beta_1": math.log10(50)}
    return ends[name] * WIDTHS[[*RANGES].index(name)]


def test_the_plan_is_what_it_says():
    places, scores = search(0, 200_000)
    explained = np.array([np.corrcoef((places[:, k] - OPTIMUM) ** 2, scores)[0, 1] ** 2 for k in range(4)])
    assert explained == pytest.approx(SHARES, abs=0.005)
    assert N == 100


def test_a_few_seeds_rank_the_values_rightly():
    assert sum(map(is_ranked, range(1000, 1005))) >= 4


def test_the_width_of_each_scale_nears_the_truth_without_noise():
    for name in ("learning_rate", "model.dropout", "beta_1"):
        ratios = [region(seed, 3000, name, noise=0.0).width / true_width(name) for seed in range(5)]
        assert np.mean(ratios) == pytest.approx(0.9, abs=0.12), name


@pytest.mark.slow
@pytest.mark.long(reason="100 forests, the number of seeds for a share with an error of a few percent")
def test_importance_ranks_four_values_rightly_in_95_of_100_seeds():
    assert sum(map(is_ranked, range(1000, 1100))) >= 95


@pytest.mark.slow
def test_the_good_region_holds_the_optimum_in_95_of_100_seeds():
    best = 10 ** (-5 + 4 * OPTIMUM)
    found = [region(seed, N, "learning_rate") for seed in range(1000, 1100)]
    assert sum(each.low <= best <= each.high for each in found) >= 95


@pytest.mark.slow
def test_many_trials_show_the_width_in_95_of_100_seeds():
    widths = np.array([region(seed, 1600, "learning_rate").width for seed in range(1000, 1100)])
    ratios = widths / true_width("learning_rate")
    assert np.sum((ratios > 0.5) & (ratios < 2)) >= 95
