"""A study that searches keys of the config: each store gets from the other what it lacks, with the same values."""

import dataclasses
import shutil

import pytest

from study.search.one_trial import find_one_trial
from study.tracking.read_studies import read_studies
from tests.two_stores import STATES, begin_study, copy_of, opened

pytestmark = pytest.mark.slow

SEARCH = (
    *(
        "search.model.dropout.low=0",
        "search.model.dropout.high=0.5",
        "search.model.hidden.choices=[[8],[8,8],[16,16]]",
    ),
    *("search.trainer.batch_size.choices=[32,64]", "search.model.l2.low=1e-6", "search.model.l2.high=1e-2"),
    *(
        "search.model.l2.scale=log",
        "optimizer.search_only=[learning_rate]",
        "search.model.batch_norm.choices=[true,false]",
    ),
    *("search.model.activation.choices=[relu,tanh]", "budget.n_trials=24"),
)
KEYS = {"model.activation", "model.batch_norm", "model.dropout", "model.hidden", "model.l2", "trainer.batch_size"}


@pytest.fixture(scope="module")
def began(compose_quick, tmp_path_factory, empty_store):
    """A study with four trials, one of each state, in both stores."""
    folder = tmp_path_factory.mktemp("began")
    (folder / "mlruns").mkdir()
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    config = compose_quick(*SEARCH, folder=folder)
    begin_study(config)
    return config


@pytest.fixture
def config(began, tmp_path):
    return copy_of(began, tmp_path)


def _points(config):
    """Open the study: return its points by the search and by MLflow, and the points that are due."""
    with opened(config) as (search, _):
        ended = {trial.number: trial.hyperparameters for trial in search.record().ended}
        due = {trial.number: trial.hyperparameters for trial in search.ask(9)}
    (record,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    return ended, {run.number: run.params for run in record.trials}, due


def test_both_stores_have_each_value(config):
    searched, recorded, due = _points(config)
    assert searched.keys() == recorded.keys() == {0, 1, 2, 3}
    assert due.keys() == set(range(4, 13))
    for number, point in searched.items():
        assert point.keys() - {"learning_rate", "amsgrad"} == KEYS
        assert isinstance(point["model.hidden"], tuple)
        assert recorded[number]["model.hidden"] == str(list(point["model.hidden"]))
        assert recorded[number]["model.batch_norm"] == str(point["model.batch_norm"]).lower()
        assert float(recorded[number]["model.l2"]) == point["model.l2"]


def test_a_lost_search_is_read_back_from_mlflow_with_the_same_values(config):
    before, _, due = _points(config)
    config.stores.optuna_journal.unlink()
    shutil.rmtree(config.stores.optuna_journal.parent / "locks", ignore_errors=True)
    again, _, due_again = _points(config)
    assert again == before
    assert due_again == due


def test_trials_that_mlflow_lost_are_written_again_with_the_same_values(config, empty_store):
    before, recorded, _ = _points(config)
    elsewhere = config.folder / "mlruns" / "new.db"  # this process holds the lost file open
    shutil.copyfile(empty_store, elsewhere)
    stores = dataclasses.replace(config.stores, tracking_uri=f"sqlite:///{elsewhere}")
    again, rewritten, _ = _points(dataclasses.replace(config, stores=stores))
    assert again == before
    assert rewritten == recorded


def test_a_failed_trial_is_retried_and_one_trial_found_at_the_same_point(config):
    failed = STATES.index("failed")
    before, _, _ = _points(config)
    found = find_one_trial(config, failed)
    assert found.trial.hyperparameters == before[failed]
    with opened(dataclasses.replace(config, retry_failed=True)) as (search, _):
        retried = {trial.number: trial.hyperparameters for trial in search.ask(9)}
    assert retried[failed] == before[failed]
