import pytest

from study.cli.launch.compose import compose_jobs, prepare
from study.cli.launch.one_trial import refuse_sweep, typed_words
from study.core.errors import ConfigError


def jobs(*words, multirun=False):
    return compose_jobs(prepare([*words]), multirun=multirun)


def test_the_words_of_a_job_are_those_that_were_typed():
    (job,) = jobs("optimizer=sgd", "model.hidden=[8,8]", "worker=2", "retry_failed=true", "only_trial=1")
    assert set(typed_words(job)) == {"optimizer=sgd", "model.hidden=[8,8]"}


def test_each_job_of_a_sweep_has_the_words_of_its_own_study():
    both = jobs("optimizer=sgd,adam", "study_seed=4", multirun=True)
    assert [set(typed_words(job)) for job in both] == [
        {"optimizer=sgd", "study_seed=4"},
        {"optimizer=adam", "study_seed=4"},
    ]


def test_a_sweep_is_refused_only_with_a_trial_to_try():
    refuse_sweep(jobs("optimizer=sgd,adam", multirun=True), sweeps=True)
    tried = jobs("optimizer=sgd,adam", "only_trial=3", multirun=True)
    refuse_sweep(tried[:1], sweeps=False)
    with pytest.raises(ConfigError, match=r"only_trial=3: expected one study.*: study run optimizer=sgd only_trial=3"):
        refuse_sweep(tried, sweeps=True)
