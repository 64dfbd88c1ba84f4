"""Studies of data without a test split: every word, column and axis names validation, and a caution says why."""

import json
import re
from dataclasses import replace

import pytest

from study.report.across_workloads import across
from study.report.comparison import compare
from study.report.confirmed import confirmed_metrics
from study.report.html.page import ReportOrigin, render
from study.report.html.tables import ranks_table
from study.report.json_export import numbers
from study.report.objective_metric import metric_of

SCORES = {"adam": [0.91, 0.92, 0.93, 0.92], "sgd": [0.80, 0.82, 0.81, 0.80]}
SIZES = {"n_train": "1000", "n_validation": "200", "n_test": "0", "targets_per_example": "1"}


def without_test(study):
    """The same study, with its test scores as those of validation."""

    def moved(run):
        metrics = dict(run.metrics)
        score = metrics.pop("test_accuracy")
        return replace(run, metrics={**metrics, "objective": score, "val_accuracy": score})

    confirmations = tuple(moved(run) for run in study.confirmations)
    return replace(study, tags={**study.tags, **SIZES}, confirmations=confirmations)


@pytest.fixture
def studies(make_study):
    return [without_test(make_study(name, scores, untuned=[0.5] * 4)) for name, scores in SCORES.items()]


@pytest.fixture
def comparison(studies, make_experiment):
    return compare(make_experiment(*studies))


def test_confirmations_are_measured_on_validation(comparison, studies):
    metric = comparison.experiment.metric
    assert (metric.confirmed_on, metric.confirmed, metric.n_confirmed) == ("validation", "val_accuracy", 200)
    assert metric.confirmed_resolution == metric.validation_resolution
    assert [row.tuned.estimate for row in comparison.rows] == pytest.approx([0.92, 0.8075])
    assert comparison.answer.winner == "adam"
    best = [run for run in studies[0].confirmations if run.config == "best"]
    found = confirmed_metrics([(run.state, run.metrics) for run in best], studies[0].params, studies[0].tags)
    assert {name: each.others.estimate for name, each in found.items()} == {"val_accuracy": pytest.approx(0.92)}


def test_no_word_of_the_page_calls_it_a_test_result(comparison):
    page = render([comparison], origin=ReportOrigin(command="study compare", ui="", experiment_ids={}, made="today"))
    told = re.sub(r"<script[^>]*>[^<]*plotly.js.*?</script>", "", page, flags=re.DOTALL)
    words = re.sub(r"<[^>]+>", "", re.sub(r"<(script|style).*?</\1>", "", told, flags=re.DOTALL))
    assert not re.findall(r"test (?:accuracy|results?|score)|test_accuracy", words, flags=re.IGNORECASE)
    for said in ("Mean validation result over n confirmation seeds", "its lead in mean validation accuracy is"):
        assert said in words
    assert "the same results decide this choice and the differences" in " ".join(words.split())
    figures = comparison.figures
    assert figures["results"].title == "Validation results"
    assert figures["results"].x["title"] == "validation accuracy"
    assert "test" not in figures["results"].description + figures["differences"].x["title"]


def test_one_serious_caution_says_that_results_are_optimistic(comparison, planted):
    (caution,) = [each for each in comparison.cautions if each.topic == "No test split"]
    assert caution.serious
    assert "optimistic" in caution.text
    assert "No test split" not in {each.topic for each in compare(planted).cautions}


def test_superseded_confirmations_name_the_split(studies, make_experiment):
    old = tuple(replace(run, superseded=True, run_id=f"old-{run.number}") for run in studies[0].confirmations)
    moved = [replace(run, params={**run.params, "learning_rate": "9.0"}) for run in old]
    study = replace(studies[0], confirmations=(*moved, *studies[0].confirmations))
    found = compare(make_experiment(study, studies[1]))
    (caution,) = [each for each in found.cautions if each.topic == "Superseded confirmations"]
    assert "after confirmations on the validation split" in caution.text


def test_the_json_names_the_split_and_has_no_test_metric(comparison, planted):
    found = numbers([comparison])
    metric = found["experiments"][0]["metric"]
    assert (metric["confirmed"], metric["confirmed_on"], metric["test"]) == ("val_accuracy", "validation", None)
    assert "test_" not in json.dumps(found)
    metric = numbers([compare(planted)])["experiments"][0]["metric"]
    assert (metric["confirmed"], metric["confirmed_on"], metric["test"]) == ("test_accuracy", "test", "test_accuracy")


def test_ranks_over_workloads_name_the_split_of_each(comparison, make_study, make_experiment):
    with_test = compare(make_experiment(*(make_study(name, scores) for name, scores in SCORES.items())))
    with_test = replace(with_test, experiment=replace(with_test.experiment, name="other"))
    both = ranks_table(across([comparison, with_test]))
    assert "test or validation results" in both.caption
    assert [name for name, _, _ in both.columns[1:3]] == ["tiny-mlp (validation)", "other (test)"]
    alone = ranks_table(across([comparison, comparison]))
    assert alone.caption.startswith("Mean validation results")


def test_earlier_records_and_those_with_a_test_split_are_confirmed_on_it():
    params = {"objective.metric": "val_accuracy"}
    assert [metric_of(params, tags).confirmed for tags in ({}, {"n_test": "10"})] == ["test_accuracy"] * 2
