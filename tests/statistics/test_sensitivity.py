import math

import numpy as np
import pytest

from study.statistics.sensitivity import learning_rate_sensitivity, number_sensitivity, width_error


def test_width_by_hand():
    # corners at 1e-4 ... 1e0: the line is within 0.01 of 0.9 from half of the first decade's climb on
    rates = [1e-4, 1e-3, 1e-2, 1e-1, 1e0]
    scores = [0.80, 0.88, 0.90, 0.895, 0.0]
    found = learning_rate_sensitivity(rates, scores, direction="maximize", trials_per_window=1)
    beyond = 0.005 / 0.895  # of the decade in which the envelope falls to 0
    assert found.width_decades == pytest.approx(0.5 + 1 + beyond)
    assert math.log10(found.low) == pytest.approx(-2.5)
    assert math.log10(found.high) == pytest.approx(-1 + beyond)
    assert found.threshold == pytest.approx(0.89)
    assert not found.open_low
    assert not found.open_high
    np.testing.assert_array_equal(found.envelope_learning_rates, rates)
    np.testing.assert_array_equal(found.envelope_scores, scores)


def test_envelope_takes_the_best_of_each_window():
    rates = [1e-3, 2e-3, 1e-2, 2e-2, 1e-1]
    found = learning_rate_sensitivity(rates, [0.1, 0.7, 0.9, 0.2, 0.3], direction="maximize", trials_per_window=2)
    np.testing.assert_array_equal(found.envelope_learning_rates, [1e-2, 1e-1])
    np.testing.assert_array_equal(found.envelope_scores, [0.9, 0.3])
    assert found.open_low


def test_a_gap_does_not_count_and_infinite_losses_add_nothing():
    rates = [1e-4, 1e-3, 1e-2, 1e-1, 1e0]
    found = learning_rate_sensitivity(
        rates, [0.1, math.inf, 0.1, 0.1, math.inf], direction="minimize", trials_per_window=1
    )
    assert found.width_decades == pytest.approx(1)
    assert (found.low, found.high) == pytest.approx((1e-4, 1e-1))
    np.testing.assert_array_equal(found.envelope_scores, [0.1, math.inf, 0.1, 0.1, math.inf])


def test_width_ignores_order_units_of_the_rate_and_direction():
    rng = np.random.default_rng(1)
    rates, scores = 10 ** rng.uniform(-5, 0, 60), rng.random(60)
    found = learning_rate_sensitivity(rates, scores, direction="maximize", tolerance=0.2)
    order = rng.permutation(60)
    for other in (
        learning_rate_sensitivity(rates[order], scores[order], direction="maximize", tolerance=0.2),
        learning_rate_sensitivity(1000 * rates, scores, direction="maximize", tolerance=0.2),
        learning_rate_sensitivity(rates, -scores, direction="minimize", tolerance=0.2),
        learning_rate_sensitivity(rates, 3 + 10 * scores, direction="maximize", tolerance=2),
    ):
        assert other.width_decades == pytest.approx(found.width_decades)


def test_estimate_nears_a_planted_width_from_below_as_trials_grow():
    # 0.9 - (distance in decades)^2 / 50 less a nuisance penalty: within a point for sqrt(0.5) decades either side
    truth = 2 * math.sqrt(0.5)
    rng = np.random.default_rng(2)
    means = []
    for n_trials in (25, 100, 1600):
        widths = []
        for _ in range(100):
            x, nuisance = rng.uniform(-5, 0, n_trials), rng.uniform(-1, 1, n_trials)
            scores = 0.9 - (x + 2.5) ** 2 / 50 - 0.05 * nuisance**2
            widths.append(learning_rate_sensitivity(10**x, scores, direction="maximize").width_decades)
        means.append(np.mean(widths) / truth)
    assert means[0] < means[1] < means[2]
    assert means == pytest.approx([0.79, 0.91, 0.99], abs=0.06)


def test_one_trial_or_one_rate_has_no_width():
    assert learning_rate_sensitivity([0.1], [0.9], direction="maximize").width_decades == 0
    fixed = learning_rate_sensitivity([0.1] * 20, np.linspace(0, 1, 20), direction="maximize", tolerance=0.5)
    assert fixed.width_decades == 0
    assert (fixed.low, fixed.high) == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize(
    ("rates", "scores", "arguments", "message"),
    [
        ([0.1], [0.1, 0.2], {}, "one of each a trial"),
        ([0.0, 0.1], [0.1, 0.2], {}, r"learning_rates hold 0\.0"),
        ([0.1], [math.nan], {}, "nan"),
        ([0.1], [-math.inf], {}, "all infinite"),
        ([0.1], [0.1], {"tolerance": 0}, "tolerance=0"),
        ([0.1], [0.1], {"trials_per_window": 0}, "trials_per_window=0"),
    ],
)
def test_bad_input_to_sensitivity_is_named(rates, scores, arguments, message):
    with pytest.raises(ValueError, match=message):
        learning_rate_sensitivity(rates, scores, direction="maximize", **arguments)


def test_a_linear_number_has_its_width_in_its_own_units():
    values = [0.0, 0.1, 0.2, 0.3, 0.4]
    scores = [0.80, 0.88, 0.90, 0.895, 0.0]
    found = number_sensitivity(values, scores, scale="linear", direction="maximize", trials_per_window=1)
    assert found.width == pytest.approx(0.05 + 0.1 + 0.1 * 0.005 / 0.895)
    assert found.low == pytest.approx(0.15)
    np.testing.assert_array_equal(found.envelope_values, values)


def test_one_minus_a_value_has_its_width_in_decades_of_the_distance_from_one():
    decay = 1 - 10.0 ** -np.arange(1, 6)
    rates = 10.0 ** np.arange(-4, 1)
    scores = [0.80, 0.88, 0.90, 0.895, 0.0]
    found = number_sensitivity(decay, scores, scale="one_minus_log", direction="maximize", trials_per_window=1)
    same = number_sensitivity(rates, scores, scale="log", direction="maximize", trials_per_window=1)
    assert found.width == pytest.approx(same.width)
    assert found.low == pytest.approx(1 - 10**-2.5)
    assert found.low < found.high


def test_a_whole_number_has_a_window_for_each_value():
    rng = np.random.default_rng(0)
    values = rng.integers(1, 5, 60)
    found = number_sensitivity(values, np.where(values == 3, 0.9, 0.8), scale="linear", direction="maximize")
    np.testing.assert_array_equal(found.envelope_values, [1, 2, 3, 4])
    np.testing.assert_array_equal(found.envelope_scores, [0.8, 0.8, 0.9, 0.8])
    assert (found.open_low, found.open_high) == (False, False)


@pytest.mark.parametrize(
    ("values", "scale", "message"),
    [
        ([-1.0], "log", "positive numbers"),
        ([1.0], "one_minus_log", "numbers below 1"),
        ([math.inf], "linear", "finite numbers"),
        ([0.1], "decades", "expected one of linear, log, one_minus_log"),
    ],
)
def test_values_that_a_scale_cannot_hold_are_named(values, scale, message):
    with pytest.raises(ValueError, match=message):
        number_sensitivity(values, [0.1], scale=scale, direction="maximize")


def peak(n, seed):
    rng = np.random.default_rng(seed)
    places = rng.uniform(-5, 0, n)
    scores = 0.95 - 0.01 * ((places + 2.5) / 0.7) ** 2 - 0.05 * rng.uniform(0, 1, n) ** 2
    return 10**places, np.clip(scores + 0.002 * rng.standard_normal(n), 0, 1)


def test_the_error_of_a_width_is_the_spread_of_widths_of_other_searches():
    log = {"scale": "log", "direction": "maximize"}
    widths = [number_sensitivity(*peak(50, seed), **log).width for seed in range(60)]
    errors = [width_error(*peak(50, seed), **log, generator=np.random.default_rng(seed)) for seed in range(12)]
    assert 0.8 < np.mean(errors) / np.std(widths, ddof=1) < 1.5


def test_without_finite_scores_in_most_halves_there_is_no_error():
    values, scores = peak(20, 0)
    scores[1:] = -np.inf
    halves = np.random.default_rng(0)
    assert math.isnan(width_error(values, scores, scale="log", direction="maximize", generator=halves))
