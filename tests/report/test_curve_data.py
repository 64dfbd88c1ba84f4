from dataclasses import replace

import pytest

from study.report.comparison import compare


def rising(n):
    return tuple(0.3 + 0.03 * number for number in range(n))


@pytest.mark.parametrize(("n_trials", "has_width"), [(5, False), (19, False), (20, True)])
def test_a_width_needs_twenty_trials(make_study, make_experiment, n_trials, has_width):
    study = make_study("adam", [0.8] * 3, trials=rising(n_trials))
    assert (compare(make_experiment(study)).rates["adam"].sensitivity is not None) == has_width


def test_trials_that_all_diverged_have_no_width(make_study, make_experiment):
    study = make_study("adam", [], trials=rising(20))
    lost = replace(study, trials=tuple(replace(run, state="diverged") for run in study.trials))
    assert compare(make_experiment(lost)).rates["adam"].sensitivity is None
