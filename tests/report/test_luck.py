import json

import numpy as np
import pytest

from study.report.comparison import compare
from study.report.json_export import numbers
from study.report.luck import luck_text


@pytest.fixture
def comparison(make_study, make_experiment):
    """Adam with the luck of the search, sgd with the luck of the runs, each under four study seeds."""
    rng = np.random.default_rng(0)
    studies = []
    for seed in range(4):
        params = {"study_seed": str(seed)}
        adam = 0.8 + rng.normal(0, 0.02) + rng.normal(0, 0.001, size=6)
        studies += [
            make_study(f"adam-{seed}", list(adam), params=params),
            make_study(f"sgd-{seed}", list(0.7 + rng.normal(0, 0.02, size=6)), params=params),
        ]
    return compare(make_experiment(*studies))


def test_the_larger_part_of_the_luck_is_named_and_where_the_next_minutes_go(comparison):
    adam, sgd = luck_text(comparison.luck, comparison.experiment.metric)
    assert "comes from the search. " in adam
    assert "comes from the run seed and batch order. " in sgd
    # Trials take six times two seconds: of the luck of the search, only another study seed lowers any.
    assert "best spent on another study seed" in adam
    assert "lowers the standard error of its mean from" in adam


def test_the_shares_in_the_figure_sum_to_one_and_lie_side_by_side(comparison):
    figure = comparison.figures["luck"]
    first, second = figure.traces
    assert (first["name"], second["name"]) == ("search", "run seed and batch order")
    assert second["base"] == first["x"]
    assert np.allclose(np.add(first["x"], second["x"]), 1.0)
    assert "degrees of freedom" in first["text"][0]


def test_the_parts_are_in_the_json(comparison):
    (experiment,) = numbers([comparison])["experiments"]
    adam = json.loads(json.dumps(experiment["luck"]["adam"]))
    assert [part["source"] for part in adam["luck"]["parts"]] == ["search", "run seed and batch order"]
    assert adam["luck"]["n_runs"] == 24
    assert adam["next"]["best"] == "study seed"


def test_a_single_study_seed_tells_nothing_of_the_search(planted):
    found = compare(planted)
    assert found.luck == {}
    assert "luck" not in found.figures


def test_order_seeds_under_one_study_seed_tell_run_seed_and_batch_order_apart(make_study, make_experiment):
    rng = np.random.default_rng(1)
    studies = []
    for seed in range(3):
        of_run = rng.normal(0, 0.02, size=6)
        studies += [
            make_study(
                f"adam-{seed}-{order}",
                list(0.8 + of_run + rng.normal(0, 0.002, size=6)),
                params={"study_seed": str(seed), "order_seed": str(order)},
            )
            for order in range(2)
        ]
    (luck,) = compare(make_experiment(*studies)).luck.values()
    variances = {part.source: part.variance for part in luck.luck.parts}
    assert variances.keys() == {"search", "run seed", "batch order"}
    assert variances["run seed"] > 10 * variances["batch order"]
