"""Kind 4: few seeds invent nothing, and one number has one interval on every surface."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from study.report.comparison import compare
from study.report.confirmed import confirmed_metrics, confirmed_text
from study.report.html.page import ReportOrigin, render
from study.report.json_export import numbers

ORIGIN = ReportOrigin(command="study compare tiny-mlp", ui="", experiment_ids={"tiny-mlp": "7"}, made="today")
NOT_EXCLUDED = "2 of 10 diverged (a rate of up to 51\u00a0% is not excluded)"


@pytest.fixture
def with_divergence(make_study):
    """Ten confirmations, of which the second and the fifth diverged without a test score."""
    study = make_study("adam", list(0.9 + 0.001 * np.arange(10)))
    runs = tuple(
        replace(run, state="diverged", metrics={"objective": 0.0}) if run.number in (1, 4) else run
        for run in study.confirmations
    )
    return replace(study, confirmations=runs)


@pytest.mark.parametrize("n_optimizers", [2, 3, 8])
def test_equal_differences_at_two_and_three_seeds_name_no_winner(make_study, make_experiment, n_optimizers):
    for n_seeds in (2, 3):
        counts = np.array([340, 352, 347])[:n_seeds]
        studies = [
            make_study(f"o{index}", list((counts - index) / 360), validation=0.9 - index / 100)
            for index in range(n_optimizers)
        ]
        studies = [replace(each, tags={**each.tags, "n_test": "360"}) for each in studies]
        found = compare(make_experiment(*studies))
        assert found.answer.winner is None
        assert 1 in found.outcome.verdict.tied


def test_two_seeds_have_no_interval_anywhere(make_study, make_experiment):
    studies = [make_study(name, [0.8, 0.9], untuned=[0.5, 0.6]) for name in ("adam", "sgd")]
    found = compare(make_experiment(*studies))
    assert found.answer.kind == "open"
    for row in found.rows:
        assert math.isnan(row.tuned.low)
        assert math.isnan(row.untuned.high)
    assert "differences" not in found.figures
    assert found.figures["results"].traces[1]["hovertemplate"].count(" to ") == 0
    (told,) = numbers([found])["experiments"]
    assert told["summary"][0]["tuned"]["low"] is None
    assert "interval" not in " ".join(found.answer.sentences)
    study = studies[0]
    metrics = confirmed_metrics([(run.state, run.metrics) for run in study.confirmations[:2]], study.params, {})
    assert confirmed_text(metrics["test_accuracy"]) == "0.85, 2 seeds"


def test_the_interval_of_the_closing_table_is_that_of_the_page_and_within_the_metric(make_study, make_experiment):
    # mean 89.4 %; without an end at 1 the t interval reaches 103.6 %
    study = make_study("adam", [0.8833, 0.9056, 0.8944, 0.99, 0.80])
    row = compare(make_experiment(study, make_study("sgd", [0.5] * 5))).rows[0]
    metrics = confirmed_metrics([(run.state, run.metrics) for run in study.confirmations], study.params, study.tags)
    assert metrics["test_accuracy"].others == row.tuned
    scores = [run.metrics["test_accuracy"] for run in study.confirmations]
    ends = stats.ttest_1samp(scores, 0.0).confidence_interval(0.95)
    assert (row.tuned.low, row.tuned.high) == pytest.approx((ends.low, min(1.0, ends.high)), abs=1e-5)
    high = make_study("adam", [0.99, 0.7, 0.98])
    assert compare(make_experiment(high, make_study("sgd", [0.5] * 3))).rows[0].tuned.high == 1.0


def test_equal_scores_have_an_interval_of_some_width(make_study, make_experiment):
    studies = [make_study(name, [0.9] * 5) for name in ("adam", "sgd")]
    sized = [replace(each, tags={**each.tags, "n_test": "360"}) for each in studies]
    tuned = compare(make_experiment(*sized)).rows[0].tuned
    assert tuned.high - tuned.low == pytest.approx(2 * stats.t.isf(0.025, 4) / 360 / math.sqrt(12 * 5))


def test_divergence_is_counted_apart_on_every_surface(with_divergence, make_study, make_experiment):
    found = compare(make_experiment(with_divergence, make_study("sgd", [0.5] * 10, validation=0.1)))
    row = next(row for row in found.rows if row.label == "adam")
    assert (row.confirmed.n, row.confirmed.n_diverged, row.tuned.n) == (10, 2, 8)
    # the exact limit: so few divergences have a probability of 5 % under it
    assert stats.binom.cdf(2, 10, row.confirmed.divergence_limit) == pytest.approx(0.05)
    left = [0.9 + 0.001 * n for n in range(10) if n not in (1, 4)]
    assert row.tuned.estimate == pytest.approx(np.mean(left))
    assert row.mean == pytest.approx(sum(left) / 10)
    reached = f"a mean test accuracy of {100 * np.mean(left):.2f} % in the 8 confirmations that did not diverge: "
    assert f"{reached}{NOT_EXCLUDED}".replace("\u00a0", " ") in " ".join(found.answer.sentences)
    assert any(NOT_EXCLUDED in caution.text for caution in found.cautions)
    hovers = [trace["hovertemplate"] for trace in found.figures["results"].traces]
    assert any("mean of the others" in hover and NOT_EXCLUDED in hover for hover in hovers)
    assert f"tuned: {NOT_EXCLUDED}" in render([found], origin=ORIGIN)
    (told,) = numbers([found])["experiments"]
    confirmed = next(each for each in told["summary"] if each["label"] == "adam")["confirmed"]
    assert (confirmed["n"], confirmed["n_diverged"]) == (10, 2)
    runs = [(run.state, run.metrics) for run in with_divergence.confirmations]
    text = confirmed_text(confirmed_metrics(runs, with_divergence.params, {})["test_accuracy"])
    assert text.endswith(f"of the 8 other seeds; {NOT_EXCLUDED}".replace("\u00a0", " "))


def test_a_setting_that_always_diverged_has_no_mean(make_study, make_experiment):
    study = make_study("adam", [0.9] * 4)
    runs = tuple(replace(run, state="diverged", metrics={"objective": 0.0}) for run in study.confirmations)
    found = compare(make_experiment(replace(study, confirmations=runs), make_study("sgd", [0.5] * 4, validation=0.1)))
    row = next(row for row in found.rows if row.label == "adam")
    assert row.tuned is None
    assert row.mean == 0.0
    metrics = confirmed_metrics([(run.state, run.metrics) for run in runs], study.params, {})
    assert confirmed_text(metrics["test_accuracy"]).startswith("4 of 4 diverged (a rate of up to 100 % ")


def test_several_studies_have_the_interval_over_repetitions_and_over_studies(make_study, make_experiment):
    rng = np.random.default_rng(1)
    tests = 0.8 + 0.01 * rng.standard_normal((3, 5))
    studies = [
        make_study(f"{name}-{seed}", list(tests[seed] - behind), params={"study_seed": str(seed)})
        for name, behind in (("adam", 0.0), ("sgd", 0.1))
        for seed in range(3)
    ]
    row = compare(make_experiment(*studies)).rows[0]
    for interval, means in ((row.tuned, tests.mean(axis=0)), (row.over_studies, tests.mean(axis=1))):
        ends = stats.ttest_1samp(means, 0.0).confidence_interval(0.95)
        assert (interval.low, interval.high) == pytest.approx((ends.low, ends.high), abs=1e-5)
        assert interval.n == len(means)


def test_the_sentence_gives_no_interval_of_the_luckiest_of_several(planted):
    reached = compare(planted).answer.sentences[1]
    assert reached.startswith("adam reaches")
    assert "interval" not in reached
