import base64
import gzip
import json

import numpy as np
import pytest

from study.report.html.figure_data import figure_data


def read(specs):
    data = figure_data(specs)
    text = gzip.decompress(base64.b64decode(data.text)).decode() if data.is_packed else str(data.text)
    return data, json.loads(text)


def test_numbers_keep_what_a_screen_shows_and_gaps_stay_gaps():
    _, found = read({"a": {"x": np.array([1 / 3, np.nan, np.inf, 0.0]), "n": 12345678, "flag": True, "none": None}})
    assert found == {"a": {"x": [0.33333, None, None, 0.0], "n": 12345678, "flag": True, "none": None}}


def test_a_note_stays_on_the_axis_whose_end_is_its_place():
    low = 0.9434444785118103
    layout = {"yaxis": {"range": np.array([low, 0.96])}, "annotations": [{"y": low}], "gap": np.nan}
    _, found = read({"a": {"data": [{"y": [low, 0.96]}], "layout": layout}})
    assert found["a"]["layout"] == {"yaxis": {"range": [low, 0.96]}, "annotations": [{"y": low}], "gap": None}
    assert found["a"]["data"][0]["y"][0] != low


def test_values_that_differ_little_stay_apart():
    near_one = 1 - np.array([1e-7, 2e-7, 3e-7])
    _, found = read({"a": {"y": near_one, "rates": [1.23456e-9, 0.5]}})
    assert np.diff(found["a"]["y"]) == pytest.approx(np.diff(near_one), rel=1e-3)
    assert found["a"]["rates"] == [1.2346e-9, 0.5]


def test_losses_of_any_size_are_numbers():
    _, found = read({"a": {"y": [1.7e308, -1.7e308, 5e-324, 0.0, 123456789.0]}})
    assert found == {"a": {"y": [1.7e308, -1.7e308, 5e-324, 0.0, 123460000.0]}}
    _, found = read({"a": {"y": [1e300, 1e-300]}})
    assert found == {"a": {"y": [1e300, 1e-300]}}


def test_a_small_page_can_be_read_and_a_large_one_is_packed():
    small, _ = read({"a": {"x": list(range(10)), "name": "</script>"}})
    assert not small.is_packed
    assert "</script>" not in small.text
    numbers = {"a": {"x": [float(number) for number in range(60_000)]}}
    large, found = read(numbers)
    assert large.is_packed
    assert found == numbers
    assert len(large.text) < 200_000
    assert large == figure_data(numbers)  # the same data make the same page
