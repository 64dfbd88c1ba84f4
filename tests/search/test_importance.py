import numpy as np
import pytest
from optuna.importance import FanovaImportanceEvaluator

from study.core.search_space import Range
from study.search.importance import importance_errors, importances

RANGES = {
    "learning_rate": Range(argument="learning_rate", low=1e-5, high=1.0, scale="log"),
    "beta_1": Range(argument="beta_1", low=0.5, high=0.99, scale="one_minus_log"),
    "kind": Range(argument="kind", choices=(0.0, 0.1)),
}


def test_the_argument_that_decides_comes_first_and_shares_sum_to_one():
    rng = np.random.default_rng(0)
    points = [
        {
            "learning_rate": 10 ** rng.uniform(-5, 0),
            "beta_1": 1 - 10 ** rng.uniform(-2, np.log10(0.5)),
            "kind": float(rng.choice([0.0, 0.1])),
        }
        for _ in range(60)
    ]
    scores = [-((np.log10(1 - point["beta_1"]) + 1) ** 2) for point in points]
    found = importances(points, scores, RANGES)
    assert next(iter(found)) == "beta_1"
    assert found["beta_1"] > 0.9
    assert sum(found.values()) == pytest.approx(1)
    assert found == importances(points, scores, RANGES)


@pytest.mark.parametrize(("n_trials", "score"), [(3, float), (19, float), (20, lambda _: 0.5)])
def test_too_little_data_has_no_importances(n_trials, score):
    points = [{"learning_rate": 0.1, "beta_1": 0.9, "kind": 0.0}] * n_trials
    assert importances(points, [score(i) for i in range(n_trials)], RANGES) == {}


def test_a_single_argument_has_no_importance():
    ranges = {"learning_rate": RANGES["learning_rate"]}
    assert importances([{"learning_rate": 0.1}] * 20, list(range(20)), ranges) == {}


def test_a_logarithmic_number_counts_by_its_scale_and_lists_by_what_they_are():
    # Half of the search is below the middle of the scale, which is a hundredth of the interval.
    ranges = {
        "learning_rate": RANGES["learning_rate"],
        "model.hidden": Range(argument="model.hidden", choices=((64,), (64, 64))),
        "model.depth": Range(argument="model.depth", low=1, high=4, integer=True),
    }
    rng = np.random.default_rng(0)
    points = [
        {
            "learning_rate": 10 ** rng.uniform(-5, 0),
            "model.hidden": ((64,), (64, 64))[rng.integers(2)],
            "model.depth": int(rng.integers(1, 5)),
        }
        for _ in range(100)
    ]
    of_rate = [float(point["learning_rate"] > 10**-2.5) + 0.2 * point["model.depth"] for point in points]
    assert next(iter(importances(points, of_rate, ranges))) == "learning_rate"
    of_lists = [float(len(point["model.hidden"]) == 2) for point in points]
    assert importances(points, of_lists, ranges)["model.hidden"] > 0.95
    of_depth = [float(point["model.depth"]) for point in points]
    assert importances(points, of_depth, ranges)["model.depth"] > 0.95


def drawn(n, *, seed, noise):
    rng = np.random.default_rng(seed)
    points = [
        {
            "learning_rate": 10 ** rng.uniform(-5, 0),
            "beta_1": 1 - 10 ** rng.uniform(-2, np.log10(0.5)),
            "kind": float(rng.choice([0.0, 0.1])),
        }
        for _ in range(n)
    ]
    scores = [-((np.log10(point["learning_rate"]) + 2) ** 2) + noise * rng.standard_normal() for point in points]
    return points, scores


def test_scores_of_chance_have_large_errors_and_a_clear_cause_has_small_ones():
    clear = importance_errors(*drawn(60, seed=0, noise=0.0), RANGES)
    chance = importance_errors(*drawn(60, seed=0, noise=100.0), RANGES)
    assert clear.keys() == RANGES.keys()
    assert clear["learning_rate"] < 0.05
    assert chance["learning_rate"] > 2 * clear["learning_rate"]
    assert clear == importance_errors(*drawn(60, seed=0, noise=0.0), RANGES)


def test_too_few_trials_and_a_single_argument_have_no_errors():
    points, scores = drawn(20, seed=0, noise=0.0)
    assert importance_errors(points[:19], scores[:19], RANGES) == {}
    assert importance_errors(points, [0.5] * 20, RANGES) == {}
    assert importance_errors(points, scores, {"learning_rate": RANGES["learning_rate"]}) == {}
    assert importance_errors(points, scores, RANGES) != {}


@pytest.mark.parametrize(
    ("unit", "zero"), [(1e-12, 0.0), (1e-7, 0.0), (1e12, 0.0), (1e-300, 0.0), (1e306, 0.0), (1e-7, 1.0)]
)
def test_importances_do_not_depend_on_the_unit_of_the_scores(unit, zero):
    points, scores = drawn(40, seed=3, noise=0.3)
    moved = [zero + unit * score for score in scores]
    assert importances(points, moved, RANGES) == pytest.approx(importances(points, scores, RANGES), abs=0.02)
    errors = importance_errors(points, scores, RANGES)
    assert importance_errors(points, moved, RANGES) == pytest.approx(errors, abs=0.06)


def test_a_forest_without_variance_gives_no_importances(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("Encountered zero total variance in all trees.")

    monkeypatch.setattr(FanovaImportanceEvaluator, "evaluate", refuse)
    points, scores = drawn(40, seed=3, noise=0.3)
    assert importances(points, scores, RANGES) == {}
    assert importance_errors(points, scores, RANGES) == {}
