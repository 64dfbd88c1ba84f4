from dataclasses import replace

import pytest

from study.report.not_ended import not_ended


@pytest.mark.parametrize(
    ("status", "known", "told"),
    [
        ("RUNNING", True, "adam is running: 6 of 6 trials, 1 confirmation. Its numbers may change."),
        ("RUNNING", False, "adam was killed: 6 of 6 trials, 1 confirmation. The same command continues it."),
        ("RUNNING", None, "adam is running, or was killed: 6 of 6 trials, 1 confirmation. Its numbers may change."),
        ("KILLED", None, "adam was cut off (killed): 6 of 6 trials, 1 confirmation. The same command continues it."),
    ],
)
def test_the_state_of_a_study_is_said_as_far_as_it_is_known(make_study, make_experiment, status, known, told):
    made = make_study("adam", [0.8], status=status)
    made = replace(made, tags={**made.tags, "n_confirmations": "5"})
    experiment = make_experiment(made)
    (caution,) = not_ended(replace(experiment, has_worker={} if known is None else {made.run_id: known}))
    assert caution.text == told
    assert caution.serious


def test_a_study_that_ended_has_no_caution(make_study, make_experiment):
    assert not list(not_ended(make_experiment(make_study("adam", [0.8, 0.81]))))
