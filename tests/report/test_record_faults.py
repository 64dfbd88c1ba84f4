from dataclasses import replace

import pytest

from study.core.errors import StoreError
from study.report.caveats import serious_cautions

TESTS = (0.8, 0.81, 0.79, 0.8)


def changed(study, *, trial=None, best=None, params=None, tags=None):
    """A study with values changed in its store: of its trial 2, of its confirmation 1, of itself."""
    trials = [replace(run, **trial(run)) if trial and run.number == 2 else run for run in study.trials]
    others = [replace(run, **best(run)) if best and run.number == 1 else run for run in study.confirmations]
    params = {key: value for key, value in {**study.params, **(params or {})}.items() if value is not None}
    return replace(
        study,
        trials=tuple(trials),
        confirmations=tuple(others),
        params=params,
        tags={**study.tags, **(tags or {})},
    )


def with_param(key, value):
    return lambda run: {"params": {k: v for k, v in {**run.params, key: value}.items() if v is not None}}


def with_metric(key, value):
    return lambda run: {"metrics": {k: v for k, v in {**run.metrics, key: value}.items() if v is not None}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"trial": with_param("learning_rate", "abc\x1b[31m")},
            r"trial 2 .*learning_rate=abc\\x1b\[31m, expected a finite",
        ),
        ({"trial": with_param("learning_rate", None)}, "trial 2 .*param learning_rate is missing"),
        ({"trial": with_param("learning_rate", "1e999")}, "learning_rate=1e999, expected a finite number"),
        ({"trial": with_metric("objective", None)}, "trial 2 .*metric objective is missing"),
        ({"trial": with_metric("objective", -1e300)}, r"metric objective=-1e\+300, expected a number from 0 to 1"),
        ({"best": with_metric("test_accuracy", None)}, r"confirmation 1 \(tuned\) .*metric test_accuracy is missing"),
        ({"best": with_metric("test_accuracy", 1.5)}, "metric test_accuracy=1.5, expected a number from 0 to 1"),
        ({"params": {"optimizer.search.learning_rate.low": "x"}}, "learning_rate.low=x, expected a finite number"),
        ({"params": {"optimizer.search.learning_rate.high": None}}, "learning_rate.high is missing"),
        ({"params": {"optimizer.search.learning_rate.low": "9e9"}}, "expected a range that scale=log can hold"),
        ({"params": {"optimizer.search.learning_rate.scale": "x"}}, "learning_rate.scale=x, expected one of"),
        ({"params": {"objective.metric": None}}, "param objective.metric=, expected the name of a metric"),
        ({"params": {"objective.target": "nan"}}, "objective.target=nan, expected a number"),
        ({"params": {"study_seed": "x"}}, "study_seed=x, expected a whole number"),
        ({"tags": {"n_confirmations": "[]"}}, r"n_confirmations=\[\], expected a whole number"),
    ],
)
def test_a_changed_value_stops_the_comparison_and_is_named(make_study, make_experiment, changes, told):
    with pytest.raises(StoreError, match=told) as caught:
        make_experiment(changed(make_study("adam", TESTS), **changes), make_study("sgd", TESTS))
    assert caught.value.exit_status == 2
    assert "were changed or removed" in str(caught.value)
    assert "sgd" not in str(caught.value)


def test_all_of_them_are_named_at_once_and_many_are_counted(make_study, make_experiment):
    every = replace(
        study := make_study("adam", TESTS),
        trials=tuple(replace(run, params={**run.params, "learning_rate": "x", "beta_1": "y"}) for run in study.trials),
    )
    with pytest.raises(StoreError, match="12 of MLflow's values were changed") as caught:
        make_experiment(every)
    assert str(caught.value).count("expected a finite number") == 10
    assert "and 2 more" in str(caught.value)


def test_trials_that_are_missing_in_the_store_are_said(make_study, make_experiment):
    study = make_study("adam", TESTS)
    fewer = replace(study, trials=study.trials[:-2], tags={**study.tags, "progress": "6/6"})
    (caution,) = [each for each in serious_cautions(make_experiment(fewer)) if each.topic == "Missing trials"]
    assert "adam: 6 trials ended, and MLflow holds 4." in caution.text
    whole = replace(study, tags={**study.tags, "progress": "6/6"})
    assert not [each for each in serious_cautions(make_experiment(whole)) if each.topic == "Missing trials"]
