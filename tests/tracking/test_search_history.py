import math
import time
from dataclasses import replace

import pytest

from study.config.schema import Objective
from study.tracking.search_history import SearchHistory
from study.tracking.study_summary import TrialOutcome


def outcome(value, state="complete"):
    return TrialOutcome(state=state, metrics={"objective": value}, hyperparameters={})


def history(direction="maximize"):
    return SearchHistory(Objective(metric="val_loss", direction=direction, target=None, is_share=False))


def points(metrics, name):
    return {metric.step: metric.value for metric in metrics if metric.key == name}


@pytest.mark.parametrize(
    ("direction", "best"), [("maximize", [0.5, 0.5, 0.9, 0.9]), ("minimize", [0.5, 0.3, 0.3, 0.3])]
)
def test_the_best_so_far_is_a_curve_over_the_trials(direction, best):
    outcomes = dict(enumerate(map(outcome, (0.5, 0.3, 0.9, 0.7))))
    metrics = history(direction).take(outcomes, timestamp_ms=1)
    assert points(metrics, "best_so_far") == dict(enumerate(best))
    assert points(metrics, "objective_of_trial") == {0: 0.5, 1: 0.3, 2: 0.9, 3: 0.7}


def test_a_trial_without_a_result_has_no_value_and_the_curve_goes_on():
    outcomes = {0: outcome(0.0, "diverged"), 1: outcome(0.4), 2: outcome(0.9, "failed"), 3: outcome(math.nan)}
    metrics = history().take(outcomes, timestamp_ms=1)
    assert points(metrics, "best_so_far") == {1: 0.4, 2: 0.4, 3: 0.4}
    assert points(metrics, "objective_of_trial") == {1: 0.4}


def test_a_trial_waits_for_those_before_it_so_that_no_point_changes():
    course = history()
    assert course.take({1: outcome(0.5)}, timestamp_ms=1) == []
    metrics = course.take({0: outcome(0.8), 1: outcome(0.5)}, timestamp_ms=2)
    assert points(metrics, "best_so_far") == {0: 0.8, 1: 0.8}
    assert course.take({0: outcome(0.8), 1: outcome(0.5)}, timestamp_ms=3) == []


def test_ten_thousand_trials_one_by_one_take_little_time():
    course, outcomes, start = history(), {}, time.process_time()
    for number in range(10_000):
        outcomes[number] = outcome(float(number % 97))
        course.take(outcomes, timestamp_ms=number)
    assert time.process_time() - start < 5.0


def test_a_failed_trial_that_is_trained_again_raises_the_curve_at_its_end():
    course, outcomes = history(), {0: outcome(0.5), 1: outcome(0.0, "failed"), 2: outcome(0.6)}
    course.take(outcomes, timestamp_ms=1)
    metrics = course.take({**outcomes, 1: outcome(0.9)}, timestamp_ms=2)
    assert points(metrics, "objective_of_trial") == {1: 0.9}
    assert points(metrics, "best_so_far") == {2: 0.9}
    later = course.take({**outcomes, 1: outcome(0.9), 3: outcome(0.7)}, timestamp_ms=3)
    assert points(later, "best_so_far") == {3: 0.9}


def test_the_points_in_a_store_stay_as_the_study_continues():
    outcomes = {0: outcome(0.5), 1: outcome(0.9), 2: outcome(0.6)}
    objective = Objective(metric="val_loss", direction="maximize", target=None, is_share=False)
    metrics = SearchHistory(objective, {0: 0.5, 1: 0.5, 2: 0.9}).take(outcomes, timestamp_ms=1)
    assert points(metrics, "best_so_far") == {}
    metrics = SearchHistory(objective, {0: 0.5, 1: 0.5, 2: 0.6}).take(outcomes, timestamp_ms=1)
    assert points(metrics, "best_so_far") == {2: 0.9}


def test_two_workers_write_the_same_points_at_the_same_times():
    outcomes = {n: replace(outcome(value), ended_ms=1000 + n) for n, value in enumerate((0.5, 0.4, 0.8))}
    first, second = (history().take(outcomes, timestamp_ms=now) for now in (5000, 6000))
    assert [dict(metric) for metric in first] == [dict(metric) for metric in second]
    assert {metric.timestamp for metric in first} == {1000, 1001, 1002}
