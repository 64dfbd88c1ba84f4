"""Landscapes: heights known from their definitions, the same for numbers and for arrays, and where they are lowest."""

import inspect

import numpy as np
import pytest

from study.models import landscape_functions

EVERY = [function for _, function in inspect.getmembers(landscape_functions, inspect.isfunction)]


@pytest.mark.parametrize(
    ("function", "position", "height"),
    [
        (landscape_functions.ellipse, (-7.0, 2.0), 49 / 20 + 4),
        (landscape_functions.rotated, (-7.0, 2.0), 0.1 * 25 + 2 * 81),
        (landscape_functions.beale, (0.0, 0.0), 1.5**2 + 2.25**2 + 2.625**2),
        (landscape_functions.beale, (3.0, 0.5), 0.0),
        (landscape_functions.beale, (1.0, 2.0), 2.5**2 + 5.25**2 + 9.625**2),
        (landscape_functions.saddle, (3.0, 2.0), 5.0),
        (landscape_functions.bowl, (-3.0,), 9.0),
        (landscape_functions.double_well, (2.0,), 1 - 2 + 0.4 + 1.5),
    ],
)
def test_heights(function, position, height):
    assert function(*position) == pytest.approx(height, rel=1e-15, abs=1e-15)


@pytest.mark.parametrize("function", EVERY, ids=lambda function: function.__name__)
def test_arrays_give_what_numbers_give(function):
    n_dimensions = len(inspect.signature(function).parameters)
    positions = np.random.default_rng(0).normal(size=(n_dimensions, 5))
    heights = function(*positions)
    assert heights.tolist() == [function(*map(float, position)) for position in positions.T]


def test_the_double_well_is_as_its_docstring_says():
    local, between, lowest = 1.891, 0.202, -2.093
    for at in (local, between, lowest):
        slope = (landscape_functions.double_well(at + 1e-3) - landscape_functions.double_well(at - 1e-3)) / 2e-3
        assert slope == pytest.approx(0, abs=2e-3)
    heights = [landscape_functions.double_well(at) for at in (local, between, lowest)]
    assert heights == pytest.approx([0.889, 1.520, 0.090], abs=5e-4)
