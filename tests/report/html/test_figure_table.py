from dataclasses import replace

import numpy as np
import pytest

from study.report.comparison import compare
from study.report.figures.figure import Figure, band, line
from study.report.figures.style import styles
from study.report.html.figure_table import figure_table

(STYLE,) = styles(["adam"])


def figure_of(*traces, x=None, y=None):
    return Figure(
        name="f", title="F", description="d", traces=traces, x=x or {"title": "steps"}, y=y or {"title": "loss"}
    )


def curve(n, *, name="adam"):
    x = np.arange(1.0, n + 1)
    hover = "%{x:.4g} steps<br>loss %{y:.3g}"
    return band(x, x - 0.5, x + 2, name=name, style=STYLE), line(x, 10 * x, name=name, style=STYLE, hover=hover)


def test_a_line_shows_its_points_with_the_ends_of_its_band():
    table = figure_table(figure_of(*curve(3)))
    assert table.columns == ("steps", "loss", "from", "to")
    assert table.rows == (("1", "10", "0.5", "3"), ("2", "20", "1.5", "4"), ("3", "30", "2.5", "5"))


def test_a_long_line_is_thinned_evenly_and_keeps_both_ends():
    lines = [trace for name in ("adam", "sgd") for trace in curve(150, name=name)]
    table = figure_table(figure_of(*lines), most_rows=20)
    assert table.n_points == 300
    steps = [int(row[1]) for row in table.rows if row[0] == "adam"]
    assert len(steps) == 10
    assert steps[0] == 1
    assert steps[-1] == 150
    assert max(np.diff(steps)) - min(np.diff(steps)) <= 1


def test_traces_with_few_points_leave_their_rows_to_the_long_ones():
    few, many = curve(2, name="sgd")[1], curve(100)[1]
    table = figure_table(figure_of(many, few), most_rows=32)
    assert [row[0] for row in table.rows].count("sgd") == 2
    assert [row[0] for row in table.rows].count("adam") == 30


def test_gaps_and_shares_and_names_of_ticks_are_shown_as_in_the_figure():
    trace = {"type": "bar", "orientation": "h", "name": "adam", "x": [0.25, 0.75], "y": [1, 0]}
    hover = {"customdata": ["beta_1", "rate"], "hovertemplate": "<b>adam</b> %{customdata}<br>%{x:.1%}<extra></extra>"}
    table = figure_table(figure_of(trace | hover, x={"title": "share", "tickformat": ".0%"}))
    assert table.columns == ("item", "share")
    assert table.rows == (("beta_1", "25.00\u00a0%"), ("rate", "75.00\u00a0%"))
    gap = {"type": "scatter", "name": "sgd", "x": [1.0, None, 3.0], "y": [-2.0, 1.0, float("nan")]}
    assert figure_table(figure_of(gap)).rows == (("1", "\u22122"),)
    named = gap | {"y": [0, 1, 1], "hovertemplate": "%{y} at %{x}<extra></extra>"}
    on_names = figure_table(figure_of(named, y={"title": "who", "tickvals": [0, 1], "ticktext": ["<b>a</b>", "b"]}))
    assert on_names.rows == (("a", "1"), ("b", "3"))


def test_a_figure_without_points_has_no_table():
    assert figure_table(figure_of()) is None
    assert figure_table(figure_of({"type": "scatter", "name": "a", "x": [], "y": []})) is None
    assert figure_table(figure_of({"type": "scatter", "name": "a", "x": [1.0], "y": [float("nan")]})) is None


def test_every_figure_of_a_comparison_has_numbers_that_are_those_of_its_tables(planted):
    found = compare(replace(planted, importances={"sgd": {"learning_rate": 0.9, "beta_1": 0.1}}))
    tables = {name: figure_table(figure) for name, figure in found.figures.items()}
    assert all(table is not None and len(table.rows) <= 200 for table in tables.values())
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert not any("%{" in cell or "<" in cell for row in table.rows for cell in row)
    best = found.rows[0]
    means = {row[0]: row for row in tables["results"].rows if row[1] == "mean"}
    assert [row[0] for row in tables["results"].rows[:3]] == [row.label for row in found.rows]  # intervals come first
    assert tables["results"].texts == {0, 1}
    metric = found.experiment.metric
    ends = [metric.text(end) for end in (best.tuned.estimate, best.tuned.low, best.tuned.high)]
    assert list(means["adam"][2:]) == ends
    rates = {row[tables["sensitivity"].columns.index("learning rate")] for row in tables["sensitivity"].rows}
    assert {f"{rate:.3g}" for rate in found.rates["sgd"].rates} <= rates


@pytest.mark.parametrize("most_rows", [1, 5])
def test_more_traces_than_rows_still_show_each_trace(planted, most_rows):
    figure = compare(planted).figures["tuning"]
    table = figure_table(figure, most_rows=most_rows)
    assert {row[0] for row in table.rows} == {"adam", "momentum", "sgd"}
