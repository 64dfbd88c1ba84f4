import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from study.gallery.figures.drawing import (
    INK,
    SHEET,
    SOFT,
    legend,
    log_ticks,
    new_figure,
    plain_number,
    tidy,
    to_svg,
)
from study.gallery.figures.heat_map import heat_map
from study.gallery.figures.loss_curves import Curve, loss_curves, loss_panels, smoothed, stacked


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
        assert f">{told}</text>" in text


def test_a_heat_map_has_a_bar_of_its_colors_with_the_best_value_in_the_darkest():
    for lower_is_better in (True, False):
        drawn = heat_map(
            [[0.0, 1.0]] * 4, rows=list("abcd"), columns=["x", "y"], label="error", lower_is_better=lower_is_better
        ).decode()
        cells = re.findall(r'style="fill: (#\w{6})"', drawn)
        assert len(set(cells)) > 30  # the steps of the bar
        assert len(re.findall(">error</text>", drawn)) == 2  # the title, and the name of the bar
        assert ">0.6</text>" in drawn  # a label of the bar: no cell has this value
    everywhere = heat_map([[2.0, 2.0]], rows=["a"], columns=["x", "y"], label="error")
    assert b"</svg>" in everywhere
    nowhere = heat_map([[np.inf, np.nan]], rows=["a"], columns=["x", "y"], label="error").decode()
    assert nowhere.count(">error</text>") == 1


def test_the_same_lines_in_two_settings_have_one_legend():
    curves = [Curve(label=name, values=np.array([[1.0, 2.0, 3.0]])) for name in ("sgd", "adam")]
    drawn = loss_panels({"shared": curves, "tuned": curves[:1], "none": []}).decode()
    for told in ("shared", "tuned", "none", "sgd", "adam", "no values were recorded"):
        assert drawn.count(f">{told}</text>") == 1, told


def test_paths_keep_two_digits_and_all_else_stays():
    figure = new_figure(height=2.0)
    axes = figure.add_subplot()
    axes.plot([0.0, 1 / 3, 1.0], [0.0, 2 / 7, 1.0])
    svg = to_svg(figure).decode()
    paths = re.findall(r' d="([^"]*)"', svg)
    assert any("." in path for path in paths)
    assert not any(re.search(r"\.\d{3}", path) for path in paths)
    assert re.search(r'translate\([\d.]*\.\d{3}|x="[\d.]*\.\d{3}', svg)  # places of marks and letters


def drawn():
    figure = new_figure(height=2.0)
    axes = figure.add_subplot()
    axes.plot([1.0, 2.0], [1.0, 3.0], color="#0072b2", label="a line")
    axes.annotate("a note", (1, 1))  # black, unless it is given an ink
    tidy(axes, title="A title", x="steps", y="loss")
    legend(figure, axes, title="Of all")
    return to_svg(figure).decode()


def test_a_picture_is_one_svg_element_with_letters_as_text():
    svg = drawn()
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {"".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert texts >= {"a line", "a note", "A title", "steps", "loss", "Of all"}
    assert not re.search(r"font-family: |<metadata|matplotlib\.org|<!DOCTYPE", svg)


def test_a_dark_page_exchanges_every_ink_and_nothing_else():
    svg = drawn()
    style, _, rest = svg.partition("</style>")
    exchanged = dict(re.findall(r'\[style\*="fill: (#\w+)"\]\{fill:(#\w+)!important\}', style))
    used = set(re.findall(r"(?:fill|stroke): (#\w{6})", rest))
    assert "#000000" not in rest
    assert used - set(exchanged) == {"#0072b2"}  # the line's color is legible on both
    for light, dark in exchanged.items():
        if light in (INK, SOFT):  # letters
            assert contrast(light, SHEET) > 4.5
            assert contrast(dark, exchanged[SHEET]) > 4.5
    assert all("fill: #" in tag for tag in re.findall("<text [^>]*>", rest))  # a text without an ink would be black


def contrast(one, other):
    parts = [
        [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
        for color in (one, other)
    ]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in parts)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.3, 0.85, [0.3, 0.4, 0.5, 0.6, 0.8]),
        (0.011, 1.4, [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]),
        (1e-4, 3.0, [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        (1e-33, 2.0, [1e-30, 1e-25, 1e-20, 1e-15, 1e-10, 1e-5, 1.0]),
        (0.301, 0.309, None),
        (5e-324, 1e308, None),
    ],
)
def test_a_logarithmic_axis_has_few_round_labels_within_its_values(low, high, ticks):
    found = log_ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(0.998 * low <= tick <= 1.002 * high for tick in found)
    if ticks:
        assert found == pytest.approx(ticks)


def test_labels_are_plain_numbers():
    values = [0.2, 1, 0.005, 50000, 1e-5, 2e-12, 1e6, 0]
    assert [plain_number(value) for value in values] == ["0.2", "1", "0.005", "50000", "10⁻⁵", "2·10⁻¹²", "10⁶", "0"]


def test_names_are_read_row_by_row():
    figure = new_figure(height=3.0)
    axes = figure.add_subplot()
    for index in range(9):
        axes.plot([0, 1], [0, index], label=f"optimizer number {index}")
    legend(figure, axes)
    svg = to_svg(figure).decode()
    places = {
        name: (float(y), float(x))
        for x, y, name in re.findall(r'<text [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>(optimizer number \d)</text>', svg)
    }
    assert len(places) == 9
    assert len({y for y, _ in places.values()}) > 1
    assert sorted(places, key=lambda name: places[name]) == sorted(places)


def test_a_picture_without_values_says_so():
    assert "no values were recorded" in loss_curves([]).decode()


def texts_in(svg):
    root = ET.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", ["a" * 5000, "$x$ and $", "<b>&\"'", "a\x00b\x1bc", "漢字", "back\\slash {x}"])
def test_any_name_is_drawn_and_leaves_room_for_the_curve(name):
    names = [name, "sgd"]
    curve = loss_curves([Curve(label=each, values=np.array([[3.0, 2.0, 1.0]])) for each in names])
    cells = heat_map([[1.0, 2.0], [3.0, 4.0]], rows=names, columns=names, label="loss")
    for svg in (curve, cells):
        assert len(svg) < 30_000
        assert any(text.startswith(name[:10]) for text in texts_in(svg)) or "\x00" in name
        assert "sgd" in texts_in(svg)
        assert float(re.search(rb'height="([\d.]+)pt"', svg)[1]) < 500


def test_many_names_make_a_picture_higher():
    def height(n):
        svg = loss_curves([Curve(label=f"optimizer_{i}", values=np.array([[2.0, 1.0]])) for i in range(n)])
        assert len(set(texts_in(svg)) & {f"optimizer_{i}" for i in range(n)}) == n
        return float(re.search(rb'height="([\d.]+)pt"', svg)[1])

    assert height(8) == height(2) < height(40) < height(80)


def test_long_names_of_columns_are_slanted_and_short_ones_are_not():
    short = heat_map([[1.0, 2.0]], rows=["a"], columns=["sgd", "adam"], label="loss").decode()
    names = [f"schedule_free_adamw_number_{i}" for i in range(6)]
    long = heat_map([range(6)], rows=["a"], columns=names, label="loss").decode()
    assert "rotate(-25" in long
    assert "rotate(-25" not in short
