import re

import numpy as np
import pytest

from study.gallery.figures.drawing import new_figure, to_svg
from study.gallery.figures.heat_map import heat_map
from study.gallery.figures.loss_curves import Curve, loss_curves, smoothed, stacked


def test_smoothing_keeps_constants_and_lines_and_takes_noise_away():
    np.testing.assert_allclose(smoothed(np.full((2, 30), 3.0), 11), 3.0)
    line = np.arange(30.0)
    np.testing.assert_allclose(smoothed(line, 11)[5:-5], line[5:-5])
    noise = np.random.default_rng(0).standard_normal(2000)
    assert np.std(smoothed(noise, 11)) < 0.45 * np.std(noise)
    np.testing.assert_array_equal(smoothed(line, 1), line)
    assert smoothed(np.array([1.0]), 11).tolist() == [1.0]


def test_histories_of_unequal_length_are_stacked_and_what_is_infinite_is_left_out():
    rows = stacked([[1.0, 2.0, 3.0], [1.0], [np.inf, 4.0]])
    np.testing.assert_array_equal(rows, [[1, 2, 3], [1, np.nan, np.nan], [np.nan, 4, np.nan]])
    assert stacked([]).shape == (0, 0)


def test_a_curve_that_ended_early_and_one_without_values_are_drawn():
    curves = [
        Curve(label="sgd", values=np.array([[1.0, np.nan], [2.0, 1.0]])),
        Curve(label="adam", values=np.empty((1, 2)) * np.nan),
    ]
    assert b"</svg>" in loss_curves(curves)
    assert loss_curves(curves) == loss_curves(curves)  # the same bytes again


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_a_heat_map_writes_its_values_and_says_what_diverged_and_what_was_not_run(lower_is_better):
    cells = [[0.1, np.inf], [np.nan, 0.4]]
    drawn = heat_map(
        cells,
        rows=["a", "b"],
        columns=["x", "y"],
        label="loss",
        spread=np.full((2, 2), 0.05),
        lower_is_better=lower_is_better,
    )
    text = drawn.decode()
    for told in ("0.1 ± 0.05", "diverged", "not run", "0.4 ± 0.05"):
        assert f"<!-- {told} -->" in text  # Matplotlib writes the text beside its letters' outlines


def test_paths_keep_two_digits_and_all_else_stays():
    figure = new_figure(height=2.0)
    axes = figure.add_subplot()
    axes.plot([0.0, 1 / 3, 1.0], [0.0, 2 / 7, 1.0])
    svg = to_svg(figure).decode()
    paths = re.findall(r' d="([^"]*)"', svg)
    assert any("." in path for path in paths)
    assert not any(re.search(r"\.\d{3}", path) for path in paths)
    assert re.search(r'translate\([\d.]*\.\d{3}|x="[\d.]*\.\d{3}', svg)  # places of marks and letters
