import numpy as np
import pytest

from study.core.errors import ConfigError
from study.datasets.online_linear import load


def test_a_cycle_holds_its_costs_in_their_order_in_every_split():
    made = load(costs=[5, -2.0])
    for split in (made.train, made.validation, made.test):
        np.testing.assert_array_equal(split.x, np.array([[5.0], [-2.0]], np.float32))
        assert split.y.shape == (2, made.n_outputs) == (2, 2)


@pytest.mark.parametrize("costs", [[], "3", 3, [1, "a"], [float("nan")], [True], None])
def test_costs_are_finite_numbers(costs):
    with pytest.raises(ConfigError, match=r"dataset\.costs=.*: expected a list of finite numbers.*dataset\.costs=\[3"):
        load(costs=costs)
