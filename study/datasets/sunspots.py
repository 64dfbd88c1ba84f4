"""Sunspots: the next yearly mean from the years before it, 1700 to 2008; a series of numbers, in the order of time.

Source: National Geophysical Data Center (NOAA), yearly mean sunspot numbers of the World Data Center SILSO, Royal
Observatory of Belgium, first version; the file beside this module is the data set.
"""

from __future__ import annotations

import importlib.resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import ConfigError, Fault
from study.datasets import Dataset, Split, Whereabouts

_FILE = "sunspots.csv"
_PLACE = f"study/datasets/{_FILE}, which is part of the package"

Numbers = NDArray[np.float32]


def load(*, window: int = 20, n_validation: int = 29, n_test: int = 29) -> Dataset:
    """Cut the series into windows, each with the year after it, and split them in the order of time.

    The years up to the last training target determine the scale: their lowest value becomes 0, their highest 1. So
    later
    values may lie outside this range, for example the record of 1957.

    Args:
        window: Number of years in the input of a forecast. Default 20.
        n_validation: Number of windows for validation, those before the test split. Default 29.
        n_test: Number of windows for the test split, the last ones. Default 29.

    Returns:
        A data set with x of shape (n, window, 1) and y of shape (n, 1), float32; all splits together have
        n = 309 - window.

    Raises:
        ConfigError: An argument is not a whole number of at least 1, or the series is too short for them.
    """
    values = series()
    _check(len(values), window=window, n_validation=n_validation, n_test=n_test)
    n_seen = len(values) - n_validation - n_test
    low, high = values[:n_seen].min(), values[:n_seen].max()
    scaled = (values - low) / (high - low)
    x = np.lib.stride_tricks.sliding_window_view(scaled[:-1], window)[..., np.newaxis]
    y = scaled[window:, np.newaxis]
    n_train = n_seen - window

    def split(first: int, last: int) -> Split:
        return Split(x=np.ascontiguousarray(x[first:last]), y=np.ascontiguousarray(y[first:last]))

    return Dataset(
        name="sunspots",
        source=_PLACE,
        train=split(0, n_train),
        validation=split(n_train, n_train + n_validation),
        test=split(n_train + n_validation, len(y)),
        n_outputs=1,
    )


def series() -> Numbers:
    """Return the yearly means from 1700 on, shape (309,)."""
    text = importlib.resources.files("study.datasets").joinpath(_FILE).read_text("utf-8")
    rows = [line.split(",") for line in text.splitlines() if line[:1].isdigit()]
    return np.asarray([float(value) for _, value in rows], np.float32)


def persistence(split: Split) -> Numbers:
    """Forecast for every year the value of the year before, shape (n, 1): the baseline that a forecaster must beat.

    Args:
        split: A split of this data set.
    """
    last: Numbers = split.x[:, -1]
    return last


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place=_PLACE)


def _check(n_years: int, *, window: Any, n_validation: Any, n_test: Any) -> None:
    arguments = {"window": window, "n_validation": n_validation, "n_test": n_test}
    faults = [
        Fault(
            key=f"dataset.{name}",
            value=value,
            allowed="a whole number of at least 1",
            advice=f"Set dataset.{name} to 1 or more.",
        )
        for name, value in arguments.items()
        if type(value) is not int or value < 1
    ]
    if not faults and window + n_validation + n_test >= n_years:
        longest = n_years - n_validation - n_test - 1
        if n_test > n_years - 3:
            key, value, most = "dataset.n_test", n_test, n_years - 3
            advice = f"Set dataset.n_test to {most} or less; dataset.n_validation and dataset.window need years, too."
        elif longest < 1:
            key, value, most = "dataset.n_validation", n_validation, n_years - n_test - 2
            advice = "Lower dataset.n_validation or dataset.n_test."
        else:
            key, value, most = "dataset.window", window, longest
            advice = f"Set dataset.window to {longest} or less, or lower dataset.n_validation or dataset.n_test."
        allowed = (
            f"at most {most}: the series has {n_years} years, {n_validation} windows are for validation and {n_test} "
            "for the test split, and at least one must be left to train on"
        )
        faults = [Fault(key=key, value=value, allowed=allowed, advice=advice)]
    if faults:
        raise ConfigError(faults)
