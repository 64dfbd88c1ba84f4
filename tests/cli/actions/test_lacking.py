"""`study list` and `study compare` say what a restored or damaged store lacks, before any study runs again."""

import shutil

import pytest
from mlflow.tracking import MlflowClient

from study.search.claims import confirmation_key
from tests.two_stores import begin_study, copy_of, opened

pytestmark = pytest.mark.slow

NAME = "digits-mlp"
ADVICE = "The command that began the study writes or trains again what is lacking.\n"


@pytest.fixture(scope="module")
def began(compose_quick, tmp_path_factory, empty_store):
    """A study with four trials and a confirmation, in both stores."""
    folder = tmp_path_factory.mktemp("began")
    (folder / "mlruns").mkdir()
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    config = compose_quick("budget.n_trials=4", folder=folder)
    begin_study(config)
    with opened(config) as (search, tracker):
        search.claims.take([f"best {number} learning_rate=0.1" for number in range(2)], 1)
        search.claims.finish()
        tracker.summarize(best=0, ended=search.ended)
    return config


@pytest.fixture
def config(began, tmp_path):
    return copy_of(began, tmp_path)


def _client_and_runs(config, role):
    client = MlflowClient(config.stores.tracking_uri)
    (experiment,) = [found for found in client.search_experiments() if found.name == config.experiment_name]
    return client, client.search_runs([experiment.experiment_id], f"tags.role = '{role}'")


def test_nothing_is_said_of_a_whole_study(here, config):
    status, out, err = here("list", cwd=config.folder)
    assert (status, err) == (0, "")
    assert "4/4" in out


def test_trials_that_mlflow_lacks_are_counted(here, config):
    client, trials = _client_and_runs(config, "trial")
    for run in trials[:2]:
        client.delete_run(run.info.run_id)
    _, (study,) = _client_and_runs(config, "study")
    client.set_tag(study.info.run_id, "progress", "2/2")
    line = f": {NAME}/{study.info.run_name}: MLflow has 2 trials, and the search 4. {ADVICE}"
    for command in (["list"], ["compare", NAME, "--no-log"]):
        status, _, err = here(*command, cwd=config.folder)
        assert (status, err) == (0, f"study {command[0]}{line}")


def test_a_number_that_lags_behind_after_a_kill_is_counted_again(here, config):
    client, (study,) = _client_and_runs(config, "study")
    client.set_tag(study.info.run_id, "progress", "3/4")
    assert here("list", cwd=config.folder)[2] == ""


def test_a_study_and_confirmations_that_mlflow_lacks_are_told(here, config):
    client, (confirmation,) = _client_and_runs(config, "confirmation")
    client.delete_run(confirmation.info.run_id)
    assert ": MLflow lacks 1 of 1 confirmations that were trained. " in here("list", cwd=config.folder)[2]


def test_a_confirmation_of_an_optimizer_without_arguments_has_a_key_that_is_found_again():
    keys = [confirmation_key("default", 3, point) for point in ({}, {"nesterov": False, "learning_rate": 0.1})]
    assert keys == ["default 3 ", "default 3 learning_rate=0.1 nesterov=false"]  # as earlier versions wrote them


def test_lost_artifacts_are_told(here, config):
    shutil.rmtree(config.stores.artifacts)
    assert f": its artifacts were lost. {ADVICE}" in here("list", cwd=config.folder)[2]


def test_a_damaged_search_is_told_and_the_studies_are_shown(here, config):
    config.stores.optuna_journal.write_text("garbage\n")
    status, out, err = here("list", "--json", cwd=config.folder)
    assert status == 0
    assert out.startswith("{")
    assert err.startswith("study list: not compared with the search: storage.optuna_journal=")


def test_a_lost_database_beside_a_search_is_named_as_lost(here, config):
    (config.stores.artifacts.parent / "mlflow.db").unlink()
    status, _, err = here("list", cwd=config.folder)
    assert status == 2
    assert "It was lost: mlruns/optuna.journal is there. The command that began a study writes it again." in err
