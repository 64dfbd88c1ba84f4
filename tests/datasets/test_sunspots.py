import numpy as np
import pytest

from study.core.errors import ConfigError
from study.datasets import sunspots


def test_the_series_is_that_of_the_observatories():
    values = sunspots.series()
    assert values.shape == (309,)
    assert (values[0], values[-1]) == (5.0, pytest.approx(2.9))
    assert values.max() == values[1957 - 1700] == pytest.approx(190.2)


def test_windows_are_followed_by_the_year_after_them_and_splits_by_one_another():
    dataset = sunspots.load(window=3, n_validation=4, n_test=5)
    x = np.concatenate([split.x for split in (dataset.train, dataset.validation, dataset.test)])[..., 0]
    y = np.concatenate([split.y for split in (dataset.train, dataset.validation, dataset.test)])[:, 0]
    assert x.shape == (306, 3)
    assert (len(dataset.validation), len(dataset.test)) == (4, 5)
    years = np.corrcoef(y, sunspots.series()[3:])[0, 1]
    assert years == pytest.approx(1, abs=1e-6)
    assert np.array_equal(x[1:, :-1], x[:-1, 1:])  # each window is the one before it, a year later
    assert np.array_equal(x[1:, -1], y[:-1])


def test_the_scale_is_that_of_the_training_years_alone():
    before = sunspots.load(window=20, n_validation=29, n_test=29)
    seen = np.concatenate([before.train.x.ravel(), before.train.y.ravel()])
    assert (seen.min(), seen.max()) == (0.0, 1.0)
    # The record of 1957 is a validation year: a scale of the whole series would have hidden it.
    assert before.validation.y.max() == pytest.approx(190.2 / 154.4, rel=1e-4)
    with_the_record = sunspots.load(window=20, n_validation=20, n_test=20)
    assert with_the_record.train.y.max() == 1.0
    assert np.ptp(with_the_record.test.y) < np.ptp(before.test.y)


def test_persistence_forecasts_the_last_year_of_the_window():
    split = sunspots.load(window=4).test
    forecast = sunspots.persistence(split)
    assert forecast.shape == split.y.shape
    assert np.array_equal(forecast[1:], split.y[:-1])


def test_the_longest_window_leaves_one_example_to_train_on_and_a_longer_one_is_refused():
    assert len(sunspots.load(window=250, n_validation=29, n_test=29).train) == 1
    with pytest.raises(ConfigError, match=r"dataset\.window=251: expected at most 250: the series has 309 years.*Set"):
        sunspots.load(window=251, n_validation=29, n_test=29)
    with pytest.raises(ConfigError, match=r"dataset\.n_validation=300: expected at most 278.*Lower dataset\.n_val"):
        sunspots.load(n_validation=300)
    with pytest.raises(ConfigError, match=r"dataset\.n_test=400: expected at most 306.*Set dataset\.n_test"):
        sunspots.load(n_test=400)


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "20"])
@pytest.mark.parametrize("name", ["window", "n_validation", "n_test"])
def test_sizes_are_whole_numbers_of_at_least_one(name, value):
    with pytest.raises(
        ConfigError, match=rf"dataset\.{name}={str(value).lower()}: expected a whole number of at least 1"
    ):
        sunspots.load(**{name: value})
