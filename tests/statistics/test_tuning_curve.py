from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from study.statistics.cdf_band import joint_probability, order_statistic_bounds, quantile_ranks
from study.statistics.tuning_curve import expected_tuning_curve, quantile_tuning_curve

UNIT = (0.0, 1.0)


def best_of_subsets(scores, n, best=max):
    return np.array([best(subset) for subset in combinations(scores, n)])


@pytest.mark.parametrize("n_trials", [1, 2, 3, 5, 8, 11])
@pytest.mark.parametrize("tied", [False, True])
def test_expected_curve_is_the_mean_over_all_subsets(n_trials, tied):
    rng = np.random.default_rng([7, n_trials])
    scores = rng.integers(0, 4, n_trials) / 4 if tied else rng.random(n_trials)
    for direction, best in (("maximize", max), ("minimize", min)):
        curve = expected_tuning_curve(scores, direction=direction, bounds=UNIT)
        by_hand = [best_of_subsets(scores, n, best).mean() for n in range(1, n_trials + 1)]
        np.testing.assert_allclose(curve.value, by_hand, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("n_trials", [1, 2, 3, 6, 9])
@pytest.mark.parametrize("quantile", [0.1, 0.25, 0.5, 0.9])
def test_quantile_curve_is_the_quantile_over_all_subsets(n_trials, quantile):
    scores = np.random.default_rng([8, n_trials]).integers(0, 12, n_trials) / 12
    curve = quantile_tuning_curve(scores, direction="maximize", quantile=quantile)
    for n in range(1, n_trials + 1):
        best = np.sort(best_of_subsets(scores, n))
        # the least value that at least this fraction of the subsets do not exceed
        expected = next(value for value in best if np.mean(best <= value) >= quantile - 1e-12)
        assert curve.value[n - 1] == expected


def test_hand_worked_curve():
    curve = expected_tuning_curve([0.4, 0.2, 0.6], direction="maximize", bounds=UNIT)
    np.testing.assert_array_equal(curve.n, [1, 2, 3])
    np.testing.assert_allclose(curve.value, [0.4, (0.4 + 0.6 + 0.6) / 3, 0.6])


@pytest.mark.slow
def test_curve_is_exact_for_ten_thousand_trials():
    n_trials = 10_000
    # the expected maximum of n of the numbers 1 ... N without replacement is n (N + 1) / (n + 1)
    curve = expected_tuning_curve(np.arange(1, n_trials + 1), direction="maximize", bounds=(0, 2 * n_trials))
    np.testing.assert_allclose(curve.value, curve.n * (n_trials + 1) / (curve.n + 1), rtol=1e-10)
    assert np.all(curve.low <= curve.value)
    assert np.all(curve.value <= curve.high)


@pytest.mark.parametrize("make", [expected_tuning_curve, quantile_tuning_curve])
def test_curve_ignores_order_and_follows_affine_maps_and_the_direction(make):
    rng = np.random.default_rng(3)
    scores = rng.beta(2, 5, 40)
    curve = make(scores, direction="maximize", bounds=UNIT)
    shuffled = make(rng.permutation(scores), direction="maximize", bounds=UNIT)
    moved = make(3 + 10 * scores, direction="maximize", bounds=(3, 13))
    flipped = make(-scores, direction="minimize", bounds=(-1, 0))
    for name in ("value", "low", "high"):
        np.testing.assert_array_equal(getattr(shuffled, name), getattr(curve, name))
        np.testing.assert_allclose(getattr(moved, name), 3 + 10 * getattr(curve, name))
    np.testing.assert_array_equal(flipped.value, -curve.value)
    np.testing.assert_array_equal(flipped.low, -curve.high)
    np.testing.assert_array_equal(flipped.high, -curve.low)


@pytest.mark.parametrize("make", [expected_tuning_curve, quantile_tuning_curve])
def test_curve_rises_within_its_band(make):
    for n_trials in (1, 2, 7, 60, 300):
        curve = make(np.random.default_rng(n_trials).random(n_trials), direction="maximize", bounds=UNIT)
        for values in (curve.value, curve.low, curve.high):
            assert np.all(np.diff(values) >= -1e-12)
        assert np.all((curve.low <= curve.value) & (curve.value <= curve.high))
        assert np.all((curve.low >= 0) & (curve.high <= 1))


@pytest.mark.parametrize("n_trials", [5, 10, 50])
@pytest.mark.parametrize("quantile", [0.5, 0.2])
def test_the_band_of_a_quantile_curve_covers_as_often_as_it_says(n_trials, quantile):
    n_studies = 4000
    probabilities = quantile ** (1 / np.arange(1, n_trials + 1))
    low, high = quantile_ranks(n_trials, probabilities)
    uniform = np.random.default_rng([13, n_trials]).random((n_studies, n_trials))
    knots = np.pad(np.sort(uniform, axis=1), ((0, 0), (1, 1)), constant_values=(0, 1))
    covered = np.mean(np.all((knots[:, low] <= probabilities) & (probabilities <= knots[:, high]), axis=1))
    error = 3 * np.sqrt(0.95 * 0.05 / n_studies)
    # Ranks are whole numbers: with few trials the next narrower choice would fall below the level.
    assert 0.95 - error <= covered <= (0.975 if n_trials == 5 else 0.965)


@pytest.mark.slow
@pytest.mark.parametrize("n_trials", [5, 10, 50])
def test_bands_cover_the_true_curves_of_a_random_search(n_trials):
    # Beta(a, 1) has F(y) = y^a: the best of n follows Beta(a n, 1), whose mean and median are known.
    n_studies = 200
    a = 3.0
    n = np.arange(1, n_trials + 1)
    mean, median = a * n / (a * n + 1), 0.5 ** (1 / (a * n))
    covered_mean = covered_median = 0
    for scores in np.random.default_rng([11, n_trials]).beta(a, 1.0, (n_studies, n_trials)):
        curve = expected_tuning_curve(scores, direction="maximize", bounds=UNIT)
        covered_mean += np.all((curve.low <= mean) & (mean <= curve.high))
        curve = quantile_tuning_curve(scores, direction="maximize", bounds=UNIT)
        covered_median += np.all((curve.low <= median) & (median <= curve.high))
    error = 3 * np.sqrt(0.95 * 0.05 / n_studies)
    assert covered_mean / n_studies >= 0.95 - error
    assert abs(covered_median / n_studies - 0.95) <= error


@pytest.mark.parametrize("n_trials", [5, 10, 50])
def test_the_band_of_the_distribution_covers_as_often_as_it_says(n_trials):
    n_studies = 4000
    lower, upper = order_statistic_bounds(n_trials)
    uniform = np.sort(np.random.default_rng([12, n_trials]).random((n_studies, n_trials)), axis=1)
    covered = np.mean(np.all((lower <= uniform) & (uniform <= upper), axis=1))
    assert abs(covered - 0.95) < 3 * np.sqrt(0.95 * 0.05 / n_studies)


def test_joint_probability_by_hand():
    # both of two draws within (0.1, 0.8)
    assert joint_probability(np.full(2, 0.1), np.full(2, 0.8)) == pytest.approx(0.49, rel=1e-12)
    # the smaller below a half, the larger above: one on each side
    assert joint_probability(np.array([0.0, 0.5]), np.array([0.5, 1.0])) == pytest.approx(0.5, rel=1e-12)
    # a one-sided Kolmogorov band: U_(i) >= i / N - d has the probability that SciPy knows
    n_trials, d = 20, 0.2
    lower = np.clip(np.arange(1, n_trials + 1) / n_trials - d, 0, 1)
    known = 1 - stats.ksone.sf(d, n_trials)
    assert joint_probability(lower, np.ones(n_trials)) == pytest.approx(known, rel=1e-9)


def test_diverged_trials_count_as_the_worst_value():
    curve = expected_tuning_curve([0.0, 0.8, 0.0], direction="maximize", bounds=UNIT)
    np.testing.assert_allclose(curve.value, [0.8 / 3, 1.6 / 3, 0.8])
    losses = [np.inf, 0.5, np.inf, 0.25]
    expected = expected_tuning_curve(losses, direction="minimize", bounds=(0, np.inf))
    np.testing.assert_allclose(expected.value, [np.inf, np.inf, (3 * 0.25 + 0.5) / 4, 0.25])
    median = quantile_tuning_curve(losses, direction="minimize")
    np.testing.assert_array_equal(median.value, [np.inf, 0.25 + 0.25, 0.25, 0.25])


def test_without_bounds_the_band_of_an_expectation_says_that_it_knows_nothing():
    unbounded = expected_tuning_curve([0.1, 0.5, 0.9], direction="maximize")
    assert np.all(np.isneginf(unbounded.low))
    assert np.all(np.isposinf(unbounded.high))
    assert np.all(np.isfinite(unbounded.value))
    loss = expected_tuning_curve([0.1, 0.5, 0.9], direction="minimize", bounds=(0, np.inf))
    assert np.all(np.isfinite(loss.low))
    assert np.all(np.isposinf(loss.high))


@pytest.mark.parametrize(
    ("scores", "arguments", "message"),
    [
        ([], {}, "none of them empty"),
        ([0.5, np.nan], {}, r"scores\[1\]=nan"),
        ([0.5, np.inf], {}, "infinitely good"),
        ([0.5], {"direction": "up"}, "direction='up'"),
        ([0.5], {"level": 1.0}, r"level=1\.0"),
        ([1.5], {"bounds": UNIT}, "within bounds"),
        ([0.5], {"bounds": (1.0, 0.0)}, "low < high"),
    ],
)
def test_bad_input_is_named(scores, arguments, message):
    for make in (expected_tuning_curve, quantile_tuning_curve):
        with pytest.raises(ValueError, match=message):
            make(scores, **{"direction": "maximize"} | arguments)


def test_a_quantile_outside_its_range_is_named():
    with pytest.raises(ValueError, match="quantile=1"):
        quantile_tuning_curve([0.5], direction="maximize", quantile=1.0)
