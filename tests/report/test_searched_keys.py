"""Keys of the config that studies searched besides their optimizer's arguments, on the page and in its numbers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from study.cli.actions.read_comparison import _importances
from study.core.search_space import text_of
from study.report.comparison import compare
from study.report.html.page import ReportOrigin, render
from study.report.html.search_tables import best_values_table, values_table
from study.report.json_export import numbers
from study.report.searched_ranges import searched_ranges
from study.report.summary_rows import edges_of

TESTS = (0.8, 0.81, 0.79, 0.8)
RANGES = {
    "search.model.dropout.low": "0.0",
    "search.model.dropout.high": "0.5",
    "search.model.hidden.choices": "[[32], [64, 64]]",
    "search.model.batch_norm.choices": "[true, false]",
    "search.trainer.batch_size.choices": "[32, 64, 128]",
    "search.model.depth.low": "1",
    "search.model.depth.high": "4",
    "search.model.depth.integer": "true",
    "search.model.l2.low": "1e-06",
    "search.model.l2.high": "0.01",
    "search.model.l2.scale": "log",
}
OWN = {
    "model.dropout": "0.0",
    "model.hidden": "[8]",
    "model.batch_norm": "false",
    "trainer.batch_size": "32",
    "model.depth": "2",
    "model.l2": "0.0",
}
DRAWN = {
    "model.dropout": lambda rng: rng.uniform(0, 0.5),
    "model.hidden": lambda rng: [[32], [64, 64]][rng.integers(2)],
    "model.batch_norm": lambda rng: bool(rng.integers(2)),
    "trainer.batch_size": lambda rng: int(rng.choice([32, 64, 128])),
    "model.depth": lambda rng: int(rng.integers(1, 5)),
    "model.l2": lambda rng: 10 ** rng.uniform(-6, -2),
}
ORIGIN = ReportOrigin(
    command="study compare", ui="http://127.0.0.1:5000", experiment_ids={"tiny-mlp": "7"}, made="now"
)


def searching(study, *keys):
    """The study with some keys searched too: each trial has a value of them, and the best point is confirmed."""
    rng = np.random.default_rng(3)

    def with_values(run):
        drawn = {key: text_of(DRAWN[key](rng)) for key in keys}
        return replace(run, params={**run.params, **drawn})

    trials = tuple(map(with_values, study.trials))
    best = max(trials, key=lambda run: run.metrics["objective"])
    own = {key: best.params[key] for key in keys}
    tuned = tuple(
        replace(run, params={**run.params, **(own if run.config == "best" else {key: OWN[key] for key in keys})})
        for run in study.confirmations
    )
    ranges = {name: text for name, text in RANGES.items() if name.removeprefix("search.").rpartition(".")[0] in keys}
    return replace(study, trials=trials, confirmations=tuned, params={**study.params, **OWN, **ranges})


@pytest.fixture
def of_scores():
    """Scores of many trials: the smaller the dropout, the better, and nothing else matters."""
    return tuple(0.5 + 0.001 * number for number in range(40))


@pytest.fixture
def study(make_study, of_scores):
    return searching(make_study("adam", TESTS, trials=of_scores), *OWN)


def test_ranges_of_both_sections_are_read_with_their_kinds(study):
    found = searched_ranges(study)
    assert [*found] == ["learning_rate", "beta_1", *(k for k in found if "." in k)]
    assert {k for k in found if "." in k} == set(OWN)
    assert found["model.hidden"].choices == ((32,), (64, 64))
    assert found["model.batch_norm"].choices == (True, False)
    assert found["model.depth"].integer
    assert (found["model.l2"].scale, found["model.l2"].low) == ("log", 1e-6)


def test_the_confirmed_point_is_that_of_the_best_trial_with_its_values(study, make_experiment):
    (only,) = make_experiment(study).studies
    assert len(only.tuned) == len(TESTS)
    row = compare(make_experiment(study)).rows[0]
    assert row.configuration[0].keys() >= OWN.keys()
    assert row.configuration[0]["model.hidden"] in ("[32]", "[64, 64]")


def test_lists_and_truth_values_have_the_importance_that_they_have(study, make_experiment):
    for key, wanted in (("model.hidden", "[64, 64]"), ("model.batch_norm", "true")):
        trials = tuple(
            replace(run, metrics={"objective": s, "val_accuracy": s})
            for run in study.trials
            for s in [0.9 if run.params[key] == wanted else 0.5]
        )
        experiment = make_experiment(replace(study, trials=trials, confirmations=()))
        shares, errors = _importances(experiment.entries[0], experiment.metric)
        assert errors.keys() == shares.keys()
        assert next(iter(shares)) == key
        assert shares[key] > 0.9


def test_every_value_has_a_sensitivity_a_figure_and_a_row(study, make_experiment):
    found = compare(make_experiment(study))
    assert {f"sensitivity-{key}" for key in OWN} <= found.figures.keys()
    assert "parallel-0" in found.figures
    table = values_table(found)
    assert {heading.label for heading in table.headings} == {"learning_rate", "beta_1", *OWN}
    widths = dict(zip([heading.label for heading in table.headings], table.columns[1][2], strict=True))
    assert widths["model.hidden"].endswith(" of 2 choices")
    assert widths["model.l2"].endswith(" of 4 decades")
    assert widths["model.dropout"].endswith(" of 0.5")
    json.dumps(numbers([found])["experiments"][0]["sensitivity"], allow_nan=False)


def test_the_width_of_a_linear_number_is_in_its_units(make_study, make_experiment):
    # The objective is 0.9 up to a dropout of 0.2, and falls by ten points from there on.
    rng = np.random.default_rng(1)
    made = searching(make_study("adam", TESTS, trials=tuple(np.full(400, 0.5))), "model.dropout")
    values = rng.uniform(0, 0.5, 400)
    trials = tuple(
        replace(
            run,
            params={**run.params, "model.dropout": str(value)},
            metrics={"objective": s, "val_accuracy": s},
        )
        for run, value in zip(made.trials, values, strict=True)
        for s in [0.9 if value <= 0.2 else 0.8]
    )
    found = compare(make_experiment(replace(made, trials=trials, confirmations=()))).values["model.dropout"]["adam"]
    assert found.width.width == pytest.approx(0.2, abs=0.03)
    assert found.share == pytest.approx(0.4, abs=0.06)
    assert (found.width.open_low, found.width.open_high) == (True, False)


def test_a_parallel_axis_places_lists_and_truth_values(study, make_experiment):
    figure = compare(make_experiment(study)).figures["parallel-0"]
    for trace in figure.traces:
        np.testing.assert_array_equal(np.isnan(trace["x"]), np.isnan(trace["y"]))  # gaps between trials alone
    assert "model.<br>hidden" in figure.x["ticktext"]
    texts = [note["text"] for note in figure.extra["annotations"]]
    assert {"[32]", "[64, 64]", "true", "false"} <= set(texts)


def test_long_keys_are_cut_to_their_last_two_parts_at_axes(make_study, make_experiment):
    made = searching(make_study("adam", TESTS), "model.dropout")
    name = "dataset.task.loss.label_smoothing"
    params = {**made.params, name: "0.0", f"search.{name}.low": "0.0", f"search.{name}.high": "0.2"}
    trials = tuple(replace(run, params={**run.params, name: "0.1"}) for run in made.trials)
    found = compare(make_experiment(replace(made, params=params, trials=trials, confirmations=())))
    assert "loss.<br>label_smoothing" in found.figures["parallel-0"].x["ticktext"]


def test_the_best_values_say_what_is_untuned_and_what_was_not_searched(study, make_study, make_experiment, of_scores):
    other = make_study("sgd", TESTS, trials=of_scores)
    other = replace(other, params={**other.params, **OWN})
    plain = replace(study, params={**study.params, **OWN})
    table = best_values_table(compare(make_experiment(plain, other)))
    cells = {
        title: dict(zip([h.label for h in table.headings], column, strict=True)) for title, _, column in table.columns
    }
    assert ("note", "untuned 0") in cells["model.dropout"]["adam"]
    assert cells["model.dropout"]["sgd"] == [("code", "0"), ("note", "not searched")]
    assert ("note", "untuned [8]") in cells["model.hidden"]["adam"]


def test_studies_that_search_different_keys_are_compared_and_it_is_said(study, make_study, make_experiment, of_scores):
    other = make_study("sgd", TESTS, trials=of_scores)
    other = replace(other, params={**other.params, **OWN})
    found = compare(make_experiment(study, other))
    assert len(found.rows) == 2
    (told,) = (caution for caution in found.cautions if caution.topic == "Different searches")
    assert told.serious
    assert "sgd: nothing" in told.text
    assert "model.hidden (one of [32], [64, 64])" in told.text
    assert "same number of trials, 40" in told.text
    assert "Unequal batch sizes" not in {caution.topic for caution in found.cautions}
    same = compare(make_experiment(study, replace(study, name="sgd", optimizer="sgd", run_id="sgd-study")))
    assert "Different searches" not in {caution.topic for caution in same.cautions}
    params = {key: value for key, value in other.params.items() if not key.startswith("optimizer.search")}
    fixed = compare(make_experiment(study, replace(other, params=params)))  # a fixed setting searches nothing anyway
    assert "Different searches" not in {caution.topic for caution in fixed.cautions}


@pytest.mark.parametrize(("n", "is_told"), [(149, True), (150, False)])
def test_few_trials_for_many_values_are_told(make_study, make_experiment, n, is_told):
    keys = ("model.dropout", "model.l2", "model.depth")  # with two arguments of the optimizer: five
    made = searching(make_study("adam", TESTS, trials=tuple(np.linspace(0.3, 0.8, n))), *keys)
    topics = [caution.topic for caution in compare(make_experiment(made)).cautions]
    assert ("Few trials" in topics) == is_told


@pytest.mark.parametrize(("n", "is_told"), [(9, True), (10, False)])
def test_few_trials_for_arguments_of_the_optimizer_are_told_too(make_study, make_experiment, as_fixed, n, is_told):
    scores = tuple(np.linspace(0.3, 0.8, n))
    studies = [make_study(name, TESTS, trials=scores) for name in ("adam", "sgd")]
    fixed = as_fixed(make_study("lamb", TESTS, trials=scores[:1]))
    found = [
        caution for caution in compare(make_experiment(*studies, fixed)).cautions if caution.topic == "Few trials"
    ]
    assert bool(found) == is_told
    for caution in found:
        assert "adam, sgd: 9 trials for 2 values searched at once (learning_rate, beta_1), at least 10" in caution.text
        assert "lamb" not in caution.text
        assert not caution.serious


def test_an_optimum_at_zero_is_not_told_to_go_below(make_study, make_experiment):
    made = searching(make_study("adam", TESTS), "model.dropout")
    trials = tuple(replace(run, params={**run.params, "model.dropout": "0.001"}) for run in made.trials)
    found = compare(make_experiment(replace(made, trials=trials, confirmations=())))
    (edge,) = (each for each in edges_of(found.experiment.studies[0]) if each.argument == "model.dropout")
    assert (edge.edge, edge.limit) == ("low", 0.0)
    (told,) = (
        caution.text for caution in found.cautions if "model.dropout" in caution.text and "edge" in caution.topic
    )
    assert "search.model.dropout" in told
    assert "optimizer.search" not in told
    assert "Widen" not in told


def test_with_a_budget_of_steps_batches_of_other_sizes_see_other_numbers_of_examples(study, make_experiment):
    params = {key: value for key, value in study.params.items() if key != "budget.n_epochs"}
    of_steps = replace(study, params={**params, "budget.n_steps": "100"})
    (told,) = (each for each in compare(make_experiment(of_steps)).cautions if each.topic == "Unequal examples")
    assert "32 to 128 examples a step, 4 times as many" in told.text
    assert "adam searched the batch size" in told.text
    assert "Unequal examples" not in {each.topic for each in compare(make_experiment(study)).cautions}


def test_curves_over_examples_are_drawn_where_batch_sizes_differ(make_study, make_experiment):
    small, large = (
        replace(made, params={**made.params, "trainer.batch_size": size}, tags={**made.tags, "n_train": "320"})
        for made, size in ((make_study("adam", TESTS), "32"), (make_study("sgd", TESTS), "64"))
    )
    found = compare(make_experiment(small, large))
    assert "validation-examples" in found.figures
    assert found.training["adam"].examples.tolist() == [320, 640, 960, 1280]
    assert found.training["sgd"].examples.tolist() == [320, 640, 960, 1280]
    same = compare(make_experiment(small, replace(large, params=small.params)))
    assert "validation-examples" not in same.figures


def test_the_page_has_it_all(study, make_experiment):
    page = render([compare(make_experiment(study))], origin=ORIGIN)
    assert "Best values and sensitivity" in page
    for key in OWN:
        assert f'data-figure="sensitivity-{key}"' in page
    assert "[64, 64]" in page
    assert "(64, 64)" not in page
