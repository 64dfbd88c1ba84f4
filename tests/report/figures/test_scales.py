from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure as Canvas

from study.report.comparison import compare
from study.report.figures.figure import Figure
from study.report.figures.scales import (
    frame,
    in_logits,
    is_better_as_log,
    is_better_as_logit,
    log_axis,
    logit_axis,
    without_outliers,
)
from study.report.figures.svg import to_svg


@pytest.fixture
def metric(planted):
    return planted.metric


def test_the_frame_shows_differences_of_the_better_half_and_leaves_out_what_is_far(metric):
    groups = [np.array([0.95, 0.96]), np.array([0.955, 0.97]), np.array([0.94]), np.array([0.4])]
    low, high = frame(groups, metric)
    assert 0.93 < low < 0.94
    assert 0.97 < high < 0.98
    turned = replace(metric, direction="minimize")
    low, high = frame([1 - group for group in groups], turned)
    assert 0.02 < low < 0.03
    assert 0.06 < high < 0.07


def test_a_single_entry_is_seen_whole_and_nothing_finite_has_no_frame(metric):
    low, high = frame([np.array([0.5, 0.9])], metric)
    assert low < 0.5
    assert high > 0.9
    assert frame([np.array([np.nan]), np.array([])], metric) is None


def test_a_diverged_seed_does_not_stretch_the_frame(metric):
    scores = np.array([0.95, 0.96, 0.955, 0.952, 0.958, 0.0])
    assert without_outliers(scores).min() == 0.95
    low, _ = frame([without_outliers(scores)], metric, others=scores)
    assert low > 0.9


@pytest.mark.parametrize(
    "groups", [[1.0, 1.0], [0.99995, 1.0], [0.97, 1.0], [0.0, 0.0], [0.0, 0.00005], [0.0, 0.02], [0.2, 1.0]]
)
def test_no_tick_of_a_share_stands_above_one_or_below_zero(metric, groups):
    low, high = frame([np.array(groups)], metric)
    axes = Canvas().add_subplot()
    axes.set_xlim(low, high)
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert len(ticks) >= 3
    assert -1e-9 <= min(ticks) <= max(ticks) <= 1 + 1e-9
    assert low < min(groups) <= max(groups) < high
    assert high - low >= 0.2 * max(high - min(groups), max(groups) - low)


def test_shares_near_one_with_others_far_away_are_drawn_in_logits(metric):
    assert is_better_as_logit(np.array([0.1, 0.99]), metric)
    assert not is_better_as_logit(np.array([0.95, 0.99]), metric)
    assert not is_better_as_logit(np.array([0.1, 0.7]), metric)
    assert is_better_as_logit(np.array([0.01, 0.9]), replace(metric, direction="minimize"))
    assert not is_better_as_logit(np.array([0.1, 0.99]), replace(metric, is_share=False))


def test_a_share_of_one_has_a_place_in_the_frame_and_texts_keep_the_share():
    shares = np.array([0.1, 0.5, 0.99, 0.998, 1.0, np.nan])
    axis = {"title": "accuracy", "tickformat": ".1%", **logit_axis(shares)}
    trace = {"type": "scatter", "x": shares, "y": shares, "hovertemplate": "<b>a</b> %{y:.2%}<extra></extra>"}
    (drawn,), y = in_logits([trace], axis)
    low, high = y["range"]
    assert np.all((drawn["y"][:-1] > low) & (drawn["y"][:-1] < high))
    assert np.all(np.diff(drawn["y"][:-1]) > 0)
    assert drawn["hovertext"][:5] == ["10.00%", "50.00%", "99.00%", "99.80%", "100.00%"]
    assert drawn["hovertemplate"] == "<b>a</b> %{hovertext}<extra></extra>"
    assert dict(zip(y["ticktext"], y["tickvals"], strict=True))["100%"] == drawn["y"][4]
    assert y["tickvals"] == sorted(y["tickvals"])
    assert not {"type", "clip", "tickformat"} & y.keys()


def test_nines_are_as_far_apart_as_each_other():
    _, y = in_logits([], logit_axis(np.array([0.5, 0.9, 0.99, 0.999, 0.9999])))
    places = dict(zip(y["ticktext"], y["tickvals"], strict=True))
    assert places["99.9%"] - places["99%"] == pytest.approx(places["99%"] - places["90%"], rel=0.05)


def test_a_logit_axis_is_drawn_by_both_renderers_from_shares(make_study, make_experiment):
    trials = (0.1, 0.5, 0.8, 0.95, 0.97, 0.99)
    found = compare(make_experiment(*(make_study(name, [0.9] * 3, trials=trials) for name in ("adam", "sgd"))))
    figure = found.figures["sensitivity"]
    assert figure.y["type"] == "logit"
    assert np.nanmax(figure.traces[0]["y"]) == 0.99  # the data of a figure are shares
    drawn = go.Figure(figure.spec())
    assert drawn.layout.yaxis.type is None
    assert "90%" in drawn.layout.yaxis.ticktext
    assert isinstance(figure, Figure)
    assert "<!-- 90% -->" in to_svg(figure)


def test_only_figures_with_a_logit_axis_say_that_it_is_stretched(make_study, make_experiment):
    wide = (0.1, 0.5, 0.8, 0.95, 0.97, 0.99)
    said = {}
    for name, trials in (("wide", wide), ("narrow", tuple(0.9 + 0.1 * each for each in wide))):
        history = {"val_accuracy": (np.arange(1, 7), np.array(trials))}
        study = make_study("adam", [0.9] * 3, trials=trials)
        experiment = replace(make_experiment(study), histories={run.run_id: history for run in study.confirmations})
        said[name] = {key: "stretched" in figure.note for key, figure in compare(experiment).figures.items()}
    expected = {"sensitivity", "sensitivity-beta_1", "trials", "validation-steps", "validation-seconds"}
    assert {key for key, is_said in said["wide"].items() if is_said} == expected
    assert not any(said["narrow"].values())


def test_costs_of_several_orders_of_magnitude_are_drawn_by_their_logarithm(metric):
    cost = replace(metric, is_share=False, direction="minimize")
    values = np.array([0.001, 0.01, 5.0, np.inf])
    assert is_better_as_log(values, cost)
    assert not is_better_as_log(np.array([0.5, 5.0]), cost)
    assert not is_better_as_log(np.array([0.0, 5.0]), cost)
    assert not is_better_as_log(values, metric)
    low, high = log_axis(values)["range"]
    assert -4 < low < -3
    assert 0.7 < high < 1.3


def test_a_logarithmic_axis_has_the_same_ends_in_a_picture(monkeypatch):
    canvases = []
    monkeypatch.setattr(
        "study.report.figures.svg.Canvas", lambda **kwargs: canvases.append(Canvas(**kwargs)) or canvases[-1]
    )
    values = np.array([0.001, 5.0])
    trace = {"type": "scatter", "mode": "lines", "name": "a", "x": values, "y": values, "line": {"color": "#123456"}}
    to_svg(Figure(name="x", title="X", description="x", traces=[trace], x={}, y=log_axis(values)))
    (axes,) = canvases[0].axes
    assert axes.get_yscale() == "log"
    np.testing.assert_allclose(np.log10(axes.get_ylim()), log_axis(values)["range"])
