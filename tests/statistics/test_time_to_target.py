import math

import numpy as np
import pytest

from study.statistics.time_to_target import median_time, time_to_target

HISTORIES = np.array([[0.5, 0.8, 0.7, 0.9], [0.1, 0.2, 0.3, 0.4], [0.9, np.nan, np.nan, np.nan]])
STEPS = [100, 200, 300, 400]


def test_first_time_by_hand():
    np.testing.assert_array_equal(
        time_to_target(HISTORIES, STEPS, target=0.8, direction="maximize"), [200, math.inf, 100]
    )
    np.testing.assert_array_equal(
        time_to_target(-HISTORIES, STEPS, target=-0.4, direction="minimize"), [100, 400, 100]
    )
    seconds = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(
        time_to_target(HISTORIES, seconds, target=0.85, direction="maximize"), [3, math.inf, 8]
    )


def test_median_counts_never_as_infinitely_late():
    assert median_time([100, math.inf, 200]) == 200
    assert median_time([100, math.inf]) == 100
    assert median_time([math.inf] * 4) == math.inf
    assert median_time([100, 200, math.inf, 400]) == 200
    assert median_time([100, math.inf, math.inf, 400, math.inf]) == math.inf


def test_bad_input_to_times_is_named():
    with pytest.raises(ValueError, match=r"\(3, 4\) and times of shape \(3,\)"):
        time_to_target(HISTORIES, [1, 2, 3], target=0.5, direction="maximize")
    with pytest.raises(ValueError, match="target=nan"):
        time_to_target(HISTORIES, STEPS, target=math.nan, direction="maximize")
    with pytest.raises(ValueError, match="nan"):
        median_time([math.nan])
