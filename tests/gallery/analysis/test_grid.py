import math

import numpy as np
import pytest
from scipy import stats

from study.gallery.analysis.grid import (
    Gap,
    best_first,
    cells,
    gap_text,
    gaps,
    matrix,
    mean_text,
    ordered,
    pair_gaps,
    score_map,
)
from study.report.objective_metric import ObjectiveMetric

ACCURACY = ObjectiveMetric(name="val_accuracy", direction="maximize", target=None, is_share=True)


def study(row, optimizer, scores, **more):
    return {"config": {"kind": row, "optimizer": {"name": optimizer}}, "scores": scores, **more}


def grid_of(material):
    return cells(material, row=lambda config: config["kind"])


def test_cells_stand_by_row_and_column_and_hold_their_scores(make_grid):
    grid = grid_of(make_grid([study("a", "sgd", [0.5, 0.7]), study("b", "adam", [0.8, 0.8])]))
    assert set(grid) == {("a", "sgd"), ("b", "adam")}
    assert grid["a", "sgd"].mean == pytest.approx(0.6)
    assert grid["a", "sgd"].spread == pytest.approx(np.std([0.5, 0.7], ddof=1))
    found = matrix(grid, ["a", "b"], ["sgd", "adam"], lambda cell: cell.mean)
    np.testing.assert_allclose(found, [[0.6, math.nan], [math.nan, 0.8]])
    assert mean_text(grid["a", "sgd"], ACCURACY).startswith("60.00")


def test_a_pair_that_was_never_run_is_not_said_to_have_diverged(make_grid):
    material = make_grid([study("a", "sgd", [1.0, 2.0]), study("b", "adam", [math.inf, 1.0])], metric="mae")
    drawn = score_map(grid_of(material), ["a", "b"], ["sgd", "adam"], material.experiment.metric, number="{:.1f}")
    text = drawn.decode()
    assert (text.count(">not run<"), text.count(">diverged<")) == (2, 1)


def test_an_interval_ends_where_the_metric_does(make_grid):
    grid = grid_of(make_grid([study("a", "sgd", [0.0, 1.0, 1.0])]))
    assert mean_text(grid["a", "sgd"], ACCURACY).endswith("[0.00 to 100.00\u00a0%]")


def test_of_two_studies_in_one_place_the_fixed_one_is_taken(make_grid):
    grid = grid_of(make_grid([study("a", "sgd", [0.5, 0.7]), study("a", "sgd", [0.1, 0.1], fixed=True)]))
    assert grid["a", "sgd"].mean == pytest.approx(0.1)


def test_what_diverged_on_an_unbounded_metric_has_no_mean_and_comes_last(make_grid):
    material = make_grid([study("a", "sgd", [math.inf, 1.0]), study("b", "sgd", [3.0, 2.0])], metric="mae")
    grid = grid_of(material)
    metric = material.experiment.metric
    assert math.isnan(grid["a", "sgd"].mean)
    # one of two runs: 1 - 0.05^2 turned round is Clopper and Pearson's limit of 97.5 %
    not_excluded = "1 of 2 diverged (a rate of up to 98\u00a0% is not excluded)"
    assert mean_text(grid["a", "sgd"], metric) == f"1 of the others; {not_excluded}"
    order = best_first(grid.values(), metric, by=lambda cell: cell.mean)
    assert [cell.place[0] for cell in order] == ["b", "a"]
    assert gaps(grid["b", "sgd"], grid.values()) == {}


def test_gaps_are_paired_by_seed_and_corrected_for_their_number(make_grid):
    luck = np.array([0.0, 0.05, -0.05, 0.1, -0.1])  # shared, so it does not count
    noise = 0.001 * np.array([1, -1, 1, -1, 0.5])
    rows = {"a": luck + 0.5, "b": luck + 0.6 + noise, "c": luck + 0.5 + noise}
    grid = grid_of(make_grid([study(row, "sgd", list(scores)) for row, scores in rows.items()]))
    found = gaps(grid["a", "sgd"], grid.values())
    assert set(found) == {("b", "sgd"), ("c", "sgd")}
    assert found["b", "sgd"].mean == pytest.approx(0.1, abs=1e-3)
    assert found["b", "sgd"].is_told
    assert not found["c", "sgd"].is_told
    alone = gaps(grid["a", "sgd"], [grid["c", "sgd"]])["c", "sgd"]
    assert alone.high - alone.low <= found["c", "sgd"].high - found["c", "sgd"].low
    assert "points [" in gap_text(found["b", "sgd"], ACCURACY)


@pytest.mark.parametrize(
    ("mean", "low", "high", "told"),
    [
        (1, 0, 2, True),
        (1, 0.5, 2, True),
        (1, -0.1, 2, False),
        (-1, -2, 0, True),
        (-1, -2, 0.1, False),
        (0, 0, 0, False),
    ],
)
def test_a_limit_of_zero_excludes_zero(mean, low, high, told):
    assert Gap(place=("a", "b"), mean=mean, low=low, high=high).is_told is told


def test_known_names_come_in_their_order_and_others_after_them():
    assert ordered(["x", "c", "a", "c", "y"], ["a", "b", "c"]) == ["a", "c", "x", "y"]


def test_all_pairs_are_one_family_and_a_difference_has_one_interval_in_both_orders(make_grid):
    luck = np.array([0.01, -0.01, 0.02, 0.0, 0.005])
    noise = 0.001 * np.array([1, -1, 1, -1, 0.5])
    rows = {"a": luck + 0.5, "b": luck + 0.6 + noise, "c": luck + 0.5 + noise[::-1], "d": luck[:2] + 0.5}
    grid = grid_of(make_grid([study(row, "sgd", list(scores)) for row, scores in rows.items()]))
    found = pair_gaps(list(grid.values()), metric=ACCURACY)
    a, b = ("a", "sgd"), ("b", "sgd")
    assert len(found) == 6  # three pairs, since d shares two seeds only
    assert (found[a, b].mean, found[a, b].low, found[a, b].high) == (
        -found[b, a].mean,
        -found[b, a].high,
        -found[b, a].low,
    )
    alone = gaps(grid[a], grid.values(), chosen=True, metric=ACCURACY)[b]
    assert (found[b, a].low, found[b, a].high) == (alone.low, alone.high)
    uncorrected = gaps(grid[a], [grid[b]], metric=ACCURACY)[b]
    half = stats.t.isf(0.025 / 3, 4) / stats.t.isf(0.025, 4) * (uncorrected.high - uncorrected.low) / 2
    assert found[b, a].high - found[b, a].mean == pytest.approx(half)
    assert found[b, a].low > 0
