import math

import numpy as np
import pytest

from study.statistics.performance_profile import performance_profile, performance_score

TIMES = [[10, 20, math.inf], [30, 10, 15], [math.inf, math.inf, math.inf], [8, 8, 32]]


def test_profile_by_hand():
    profile = performance_profile(TIMES, taus=[1, 1.5, 2, 3, 4, 1e9])
    expected = [[2, 2, 0], [2, 2, 1], [2, 3, 1], [3, 3, 1], [3, 3, 2], [3, 3, 2]]
    np.testing.assert_allclose(profile, np.array(expected) / 4)


def test_score_by_hand_and_as_the_integral_of_the_profile():
    scores = performance_score(TIMES, tau_max=4)
    np.testing.assert_allclose(scores, np.array([3 + 1 + 3, 2 + 3 + 3, 2.5]) / 3 / 4)
    middles = 1 + 3 * (np.arange(30_000) + 0.5) / 30_000
    np.testing.assert_allclose(performance_profile(TIMES, taus=middles).mean(0), scores, atol=1e-4)


def test_score_reaches_from_zero_to_one_and_ignores_units():
    np.testing.assert_allclose(performance_score([[1, 5], [2, math.inf]]), [1, 0])
    units = np.array([[60.0], [1.0], [3.0], [1e6]])
    np.testing.assert_allclose(performance_score(TIMES * units), performance_score(TIMES))


def test_bad_input_to_profiles_is_named():
    with pytest.raises(ValueError, match="positive"):
        performance_score([[0, 1]])
    with pytest.raises(ValueError, match="nan"):
        performance_score([[math.nan, 1]])
    with pytest.raises(ValueError, match="tau_max=1"):
        performance_score([[1, 2]], tau_max=1)
    with pytest.raises(ValueError, match=r"taus=0\.5"):
        performance_profile([[1, 2]], taus=[0.5])
