import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from study.tracking.own_notes import is_own
from study.tracking.study_summary import (
    ConfirmedMean,
    StudySummary,
    TrialOutcome,
    score_tags,
    study_metrics,
    study_tags,
)


def _outcome(objective, state="complete"):
    return TrialOutcome(state=state, metrics={"objective": objective}, hyperparameters={})


def _summary(*objectives, maximize=True):
    better = (lambda a, b: a > b) if maximize else (lambda a, b: a < b)
    config = SimpleNamespace(objective=SimpleNamespace(better=better))
    return StudySummary(config, {number: _outcome(value) for number, value in enumerate(objectives)})


@pytest.mark.parametrize(("maximize", "best"), [(True, 1), (False, 3)])
def test_the_best_is_the_first_of_equals_in_whatever_order_they_come(maximize, best):
    assert _summary(0.5, 0.9, 0.9, 0.1, 0.1, maximize=maximize).best == best
    late = _summary(maximize=maximize)
    for number, value in reversed(list(enumerate((0.5, 0.9, 0.9, 0.1, 0.1)))):
        late.add(number, _outcome(value))
    assert late.best == best


def test_only_completed_trials_with_a_number_can_be_the_best():
    summary = _summary(math.nan)
    summary.add(1, _outcome(0.0, "diverged"))
    assert summary.best is None
    summary.add(2, _outcome(0.2))
    assert summary.best == 2
    assert summary.counts == {"complete": 2, "diverged": 1}


def test_a_trial_that_is_trained_again_counts_once():
    summary = _summary(0.5, 0.9, 0.7)
    summary.add(1, _outcome(0.0, "failed"))
    assert summary.best == 2
    assert summary.counts["complete"] == 2
    assert summary.counts["failed"] == 1
    assert len(summary.outcomes) == 3


@pytest.mark.parametrize(
    ("tested", "told"),
    [
        (ConfirmedMean(mean=0.91, low=0.9, high=0.92, n=10), "test_accuracy 0.9100 [0.9000, 0.9200]"),
        (ConfirmedMean(mean=0.91, low=math.nan, high=math.nan, n=2), "test_accuracy 0.9100 (2 seeds, no interval)"),
        (
            ConfirmedMean(mean=0.91, low=0.9, high=0.92, n=10, n_diverged=2, divergence_limit=0.5069),
            "test_accuracy 0.9100 [0.9000, 0.9200] "
            "(of the 8 others; 2 of 10 diverged, a rate of up to 51 % is not excluded)",
        ),
        (
            ConfirmedMean(mean=math.nan, low=math.nan, high=math.nan, n=3, n_diverged=3, divergence_limit=1.0),
            "test_accuracy without a mean (3 of 3 diverged, a rate of up to 100 % is not excluded)",
        ),
    ],
)
def test_the_note_gives_the_interval_and_the_divergence(tested, told):
    config = SimpleNamespace(
        n_trials=0,
        optimizer=SimpleNamespace(name="adam"),
        ranges={},
        model=SimpleNamespace(name="mlp"),
        dataset=SimpleNamespace(name="digits"),
        objective=SimpleNamespace(metric="val_accuracy"),
    )
    tests = {"test_accuracy": tested}
    summary = StudySummary(config, {})
    note = study_tags(config, summary, best=None, tests=tests)["mlflow.note.content"]
    assert is_own(note)
    assert told in note.partition("\n\n")[0].split("  \n")
    metrics = study_metrics(summary, best=None, tests=tests)
    assert metrics["n_confirmations_diverged"] == tested.n_diverged
    assert metrics.get("divergence_rate_high") == tested.divergence_limit


def test_metrics_and_counts_that_an_earlier_version_began_stay_current():
    config = SimpleNamespace(objective=SimpleNamespace(metric="val_accuracy", better=lambda a, b: a > b))
    metrics, point = {"objective": 0.9, "best_val_accuracy": 0.95}, {"learning_rate": "0.1"}
    best = TrialOutcome(state="complete", metrics=metrics, hyperparameters=point)
    tests = {"test_accuracy": ConfirmedMean(mean=0.8, low=0.7, high=0.9, n=5)}
    summary = StudySummary(config, {0: best})
    new = study_metrics(summary, best=0, tests=tests)
    assert not {"objective", "test_accuracy_mean", "n_failed", "best_learning_rate"} & new.keys()
    assert new["point/learning_rate"] == 0.1
    earlier = {"objective": 0.9, "best_val_accuracy": 0.95, "test_accuracy_mean": 0.8, "test_accuracy_low": 0.7}
    earlier |= {"test_accuracy_high": 0.9, "n_failed": 0, "best_learning_rate": 0.1}
    assert study_metrics(summary, best=0, tests=tests, stored=earlier.keys()) == new | earlier


def test_the_untuned_mean_is_of_the_metric_of_the_tuned_one():
    def mean(value):
        return ConfirmedMean(mean=value, low=value - 0.02, high=value + 0.02, n=5)

    tuned = {"val_accuracy": mean(0.9), "test_loss": mean(0.3), "test_accuracy": mean(0.8)}
    untuned = {"val_accuracy": mean(0.7), "test_loss": mean(0.6), "test_accuracy": mean(0.5)}
    told = {"validation": "0.9000 ± 0.0200", "test": "0.8000 ± 0.0200"}
    assert score_tags("val_accuracy", tuned, untuned=untuned) == told | {"untuned": "0.5000 ± 0.0200"}
    assert score_tags("val_accuracy", tuned) == told
    without_test = {"val_accuracy": mean(0.7)}
    assert score_tags("val_accuracy", tuned, untuned=without_test)["untuned"] == "0.7000 ± 0.0200"


def test_the_validation_mean_with_diverged_confirmations_is_that_of_the_order():
    of_two = ConfirmedMean(mean=0.6, low=0.5, high=0.7, n=5, n_diverged=3, divergence_limit=0.9)
    tests = {"val_accuracy": replace(of_two, chosen_by=0.24), "test_accuracy": of_two}
    tags = score_tags("val_accuracy", tests)
    assert tags["validation"] == "0.2400 (3 of 5 diverged)"
    assert tags["test"] == "0.6000 ± 0.1000, 3 of 5 diverged"
