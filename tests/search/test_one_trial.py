from dataclasses import replace

import pytest

from study.core.errors import ConfigError
from study.core.trainer_interface import TrialResult
from study.search.ask_tell import open_search
from study.search.one_trial import find_one_trial
from tests.untouched import snapshot

# Each sampler whose proposals do not depend on results, with settings under which it has eight trials.
BLIND = ("random", "qmc", "grid")


def run_search(config, *, n, value=lambda trial: trial.hyperparameters["learning_rate"]):
    """Let a search propose trials one by one and end each; return them."""
    trials = []
    with open_search(config) as search:
        while len(trials) < n:
            (trial,) = search.ask(1)
            trials.append(trial)
            search.tell(TrialResult(trial=trial, state="complete", history={}, summary={}), objective=value(trial))
    return trials


@pytest.mark.parametrize("sampler", BLIND)
def test_a_blind_sampler_proposes_the_points_of_a_study_that_has_not_begun(compose, sampler, tmp_path):
    config = compose("optimizer=adam", f"sampler={sampler}", "budget.n_trials=8")
    found = [find_one_trial(config, number) for number in (5, 0, 7)]
    assert snapshot(tmp_path) == {}
    assert {one.state for one in found} == {None}
    trials = run_search(config, n=8)
    assert [one.trial for one in found] == [trials[5], trials[0], trials[7]]
    assert len({trial.hyperparameters["learning_rate"] for trial in trials}) > 2


def test_the_first_point_is_the_one_that_was_enqueued(compose):
    config = replace(compose("optimizer=sgd", "budget.n_trials=3"), enqueue={"learning_rate": 0.125})
    assert find_one_trial(config, 0).trial.hyperparameters["learning_rate"] == 0.125
    assert find_one_trial(config, 1).trial.hyperparameters["learning_rate"] != 0.125


@pytest.mark.parametrize("sampler", [*BLIND, "tpe"])
def test_a_recorded_trial_has_its_recorded_point_and_the_store_is_only_read(compose, sampler, tmp_path):
    words = ("optimizer=sgd", f"sampler={sampler}", "budget.n_trials=6")
    more = ("sampler.n_startup_trials=2",) if sampler == "tpe" else ()
    config = compose(*words, *more)
    trials = run_search(config, n=5)
    before = snapshot(tmp_path)
    for number, trial in enumerate(trials):
        found = find_one_trial(config, number)
        assert (found.trial, found.state, found.study) == (trial, "complete", config.labels[0])
    assert snapshot(tmp_path) == before


def test_a_recorded_trial_beyond_the_budget_is_found(compose):
    trials = run_search(compose("optimizer=sgd", "budget.n_trials=4"), n=4)
    assert find_one_trial(compose("optimizer=sgd", "budget.n_trials=2"), 3).trial == trials[3]


def test_a_blind_sampler_goes_on_where_a_study_has_stopped(compose):
    config = compose("optimizer=adam", "sampler=qmc", "budget.n_trials=8")
    run_search(config, n=3)
    ahead = find_one_trial(config, 6)
    assert ahead.state is None
    with open_search(config) as search:
        assert [trial for trial in search.ask(5) if trial.number == 6] == [ahead.trial]


def test_the_random_start_of_a_sampler_that_learns_is_known(compose):
    config = compose("optimizer=sgd", "sampler=tpe", "sampler.n_startup_trials=4", "budget.n_trials=8")
    found = [find_one_trial(config, number).trial for number in range(4)]
    assert found == run_search(config, n=4)


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_a_point_that_depends_on_results_is_refused(compose, sampler):
    config = compose("optimizer=adam", f"sampler={sampler}", "sampler.n_startup_trials=2", "budget.n_trials=8")
    with pytest.raises(ConfigError) as caught:
        find_one_trial(config, 2)
    told = str(caught.value)
    assert "only_trial=2: expected a recorded trial, or one of the first 2, which are drawn at random" in told
    assert f"sampler={sampler} chooses the others by the results of earlier trials" in told
    assert "try sampler=random only_trial=2" in told


def test_a_number_that_the_study_will_not_have_is_refused(compose):
    with pytest.raises(ConfigError, match=r"only_trial=6: expected a number from 0 to 5, or of a recorded trial"):
        find_one_trial(compose("optimizer=sgd", "budget.n_trials=6"), 6)
    fixed = compose("optimizer=sgd", "optimizer.learning_rate=0.1")
    with pytest.raises(ConfigError, match=r"only_trial=1: expected 0, the only trial of this study"):
        find_one_trial(fixed, 1)
    assert find_one_trial(fixed, 0).trial.hyperparameters["learning_rate"] == 0.1


def test_trying_does_not_make_a_study_another_one(compose):
    assert compose("only_trial=1").digest == compose().digest
    assert compose("only_trial=1").only_trial == 1


@pytest.mark.parametrize("value", ["-1", "1.5", "first", "true"])
def test_a_value_that_is_no_number_of_a_trial_is_refused(compose, value):
    with pytest.raises(ConfigError, match=r"only_trial=.*: expected a whole number of at least 0"):
        compose(f"only_trial={value}")
