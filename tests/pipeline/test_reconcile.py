"""The two stores of a study are compared when it opens, and one gets from the other what it lacks."""

import contextlib
import dataclasses
import json
import shutil
import sqlite3
from functools import partial
from types import SimpleNamespace

import pytest
from mlflow.tracking import MlflowClient

from study.core.contents import Contents
from study.core.errors import StoreError
from study.core.trainer_interface import EpochReport, TrialResult
from study.pipeline.start import announce
from study.search.storage.local import open_local
from study.tracking import open_runs
from study.tracking.mlflow_schema import contents_path
from study.tracking.read_studies import read_histories, read_studies
from tests.two_stores import OBJECTIVES, STATES, begin_study, copy_of, opened

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def began(compose_quick, tmp_path_factory, empty_store):
    """A study with four trials, one of each state, and a confirmation, in both stores."""
    folder = tmp_path_factory.mktemp("began")
    (folder / "mlruns").mkdir()
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    config = compose_quick(
        "budget.n_trials=6", "optimizer.amsgrad=null", "optimizer.search.amsgrad.choices=[true,false]", folder=folder
    )
    begin_study(config)
    return config


@pytest.fixture
def config(began, tmp_path):
    return copy_of(began, tmp_path)


def _client(config):
    return MlflowClient(config.stores.tracking_uri)


def _runs(config, **tags):
    client = _client(config)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return [run for run in client.search_runs(ids) if tags.items() <= run.data.tags.items()]


def _reopened(config):
    """Open the study again: return what was told, the trials of the search and those of MLflow."""
    told = []
    with opened(config, told) as (search, _):
        ended = {trial.number: trial for trial in search.record().ended}
        due = [trial.number for trial in search.ask(9)]
    (record,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    return told, ended, record, due


def _agree(ended, record):
    """Check that both stores have the same four trials."""
    assert sorted(ended) == [run.number for run in record.trials] == [0, 1, 2, 3]
    for run in record.trials:
        searched = ended[run.number]
        assert run.finished
        assert run.state == searched.state == STATES[run.number]
        assert int(run.params["run_seed"]) == searched.run_seed
        assert float(run.params["learning_rate"]) == searched.hyperparameters["learning_rate"]
        assert run.params["amsgrad"] == str(searched.hyperparameters["amsgrad"]).lower()
        if run.state in ("complete", "diverged"):
            assert run.metrics["objective"] == searched.objective == OBJECTIVES[run.state]


def test_two_stores_that_agree_are_left_alone(config):
    before = {run.info.run_id for run in _runs(config)}
    told, ended, record, due = _reopened(config)
    assert (told, due) == ([], [4, 5])
    _agree(ended, record)
    assert {run.info.run_id for run in _runs(config)} == before


def test_a_total_does_not_fall_below_the_trials_that_are_done(config):
    fewer = dataclasses.replace(config, budget=dataclasses.replace(config.budget, n_trials=2))
    shown = []
    view = SimpleNamespace(
        study_started=lambda *_, **told: shown.append(f"{told['n_done']} of {told['n_trials']}"), message=shown.append
    )
    with opened(fewer) as (search, tracker):
        announce(fewer, search, tracker, view)
        tracker.summarize(best=0, tests={}, ended=search.ended)
        assert search.ask(9) == []
    (record,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    assert (record.tags["progress"], record.n_trials) == ("4/4", 4)
    assert shown[0] == "4 of 4"
    assert shown[1].startswith("budget.n_trials=2 is lower than the 4 trials that are done; all of them count. For a")


def test_trials_deleted_in_mlflow_are_restored_with_all_that_they_had(config):
    for run in _runs(config, role="trial"):
        _client(config).delete_run(run.info.run_id)
    told, ended, record, due = _reopened(config)
    _agree(ended, record)
    assert due == [4, 5]
    assert record.trials[0].metrics.keys() >= {"objective", "best_val_accuracy"}
    (line,) = told
    assert line.startswith(
        "deleted in MLflow, but not in the search, and so restored: 4 trials (0, 1, 2, 3). To delete"
    )
    assert f"study delete '{config.experiment_name}/{record.name}'" in line


@pytest.mark.parametrize("with_children", [False, True])
def test_a_study_deleted_in_mlflow_is_restored(config, with_children):
    doomed = [*_runs(config, role="study"), *(_runs(config, role="trial") if with_children else [])]
    for run in doomed:
        _client(config).delete_run(run.info.run_id)
    told, ended, record, _ = _reopened(config)
    _agree(ended, record)
    assert len(record.confirmations) == 1
    (line,) = told
    what = "the study's run and 4 trials (0, 1, 2, 3)" if with_children else "the study's run"
    assert f"restored: {what}. To delete" in line


def test_a_lost_database_is_written_again_from_the_search(config, empty_store):
    shutil.rmtree(config.stores.artifacts)
    path = config.stores.artifacts.parent / "mlflow.db"
    elsewhere = path.with_name("new.db")  # this process holds the lost file open
    shutil.copyfile(empty_store, elsewhere)
    stores = dataclasses.replace(config.stores, tracking_uri=f"sqlite:///{elsewhere}")
    config = dataclasses.replace(config, stores=stores)
    told, ended, record, due = _reopened(config)
    _agree(ended, record)
    assert due == [4, 5]
    (line,) = told
    assert line.startswith(
        "MLflow had no run of 4 trials (0, 1, 2, 3): written again from the search, with point, seed"
    )
    assert {run.data.tags["origin"] for run in _runs(config, role="trial")} == {"search"}
    assert record.tags["progress"] == "4/6"
    assert _reopened(config)[0] == []


def test_records_that_wait_for_a_server_elsewhere_are_not_written_twice(config, monkeypatch):
    for run in _runs(config, role="trial"):
        _client(config).set_tag(run.info.run_id, "state", "lost")  # no run agrees with the search
        _client(config).delete_run(run.info.run_id)
    monkeypatch.setattr(open_runs, "is_database", lambda _: False)
    monkeypatch.setattr(open_runs, "_spool", lambda *_, **__: None)
    storage = partial(open_local, config.stores.optuna_journal, study=config.digest)
    monkeypatch.setattr("study.search.ask_tell.open_storage", lambda _: storage())
    stores = dataclasses.replace(config.stores, optuna_url="postgresql+psycopg://host/searches")
    (line,) = _reopened(dataclasses.replace(config, stores=stores))[0]
    assert line.startswith("MLflow has no run of 4 trials (0, 1, 2, 3): their records may wait in mlruns/spool of ")
    assert _runs(config, role="trial") == []


def test_of_several_deleted_runs_the_one_that_the_search_knows_is_restored(config):
    client = _client(config)
    (run,) = _runs(config, role="trial", number="0")
    tags = {key: value for key, value in run.data.tags.items() if key != "mlflow.runName"}
    for state, objective in (("complete", 0.125), ("diverged", 0.5)):  # of trainings that others replaced
        replaced = client.create_run(run.info.experiment_id, tags={**tags, "state": state}).info.run_id
        client.log_metric(replaced, "objective", objective)
        client.set_terminated(replaced)
        client.delete_run(replaced)
    client.delete_run(run.info.run_id)
    _, ended, record, _ = _reopened(config)
    _agree(ended, record)
    assert record.trials[0].run_id == run.info.run_id


def test_a_lost_search_is_read_back_from_mlflow(config):
    config.stores.optuna_journal.unlink()
    told, ended, record, due = _reopened(config)
    _agree(ended, record)
    assert told == ["the search had lost 4 trials (0, 1, 2, 3): read back from MLflow, not trained again."]
    assert due == [4, 5]
    assert _reopened(config)[0] == []


def _failed_in_mlflow(config, number):
    (run,) = _runs(config, role="trial", number=str(number))
    _client(config).set_tag(run.info.run_id, "state", "failed")


def test_a_result_that_only_the_search_has_replaces_another_one(config):
    _failed_in_mlflow(config, 0)  # as in a store of before the retry
    told, ended, record, due = _reopened(config)
    assert due == [4, 5]
    _agree(ended, record)
    (line,) = told
    assert line.startswith("MLflow had another result of trial 0: written again from the search, with point")


def test_a_run_that_lost_its_metrics_is_written_or_trained_again(config):
    database = sqlite3.connect(config.folder / "mlruns" / "mlflow.db")
    with contextlib.closing(database), database:
        for table in ("metrics", "latest_metrics"):
            database.execute(f"DELETE FROM {table}")
    with opened(config, told := []) as (search, tracker):
        assert tracker.finished("confirmation") == {}
        _agree({trial.number: trial for trial in search.record().ended}, read_studies(*_place(config))[0])
    # A diverged trial has no objective to lose.
    assert told[0].startswith("MLflow had no run of 2 trials (0, 2): written again from the search")


@pytest.mark.parametrize(
    ("key", "damaged", "told"),
    [
        ("contents", ["not JSON", 5, '{"data": "d"}'], ""),
        ("contents", 5, ""),
        ("values", [0.1, 0.2], "cannot be used"),
    ],
)
def test_a_damaged_entry_of_the_journal_is_passed_over_or_told(config, key, damaged, told):
    journal = config.stores.optuna_journal
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    entries.append({"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"contents": []}})
    for entry in entries:
        for place in (entry, entry.get("user_attr", {})):
            if key in place and place[key] is not None:
                place[key] = damaged
    journal.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    with pytest.raises(StoreError, match=told) if told else contextlib.nullcontext():
        _agree(*_reopened(config)[1:3])


def _place(config):
    return config.stores.tracking_uri, config.experiment_name


def test_a_lost_retry_is_taken_from_mlflow(config):
    (run,) = _runs(config, role="trial", number="3")
    _client(config).set_tag(run.info.run_id, "state", "complete")
    _client(config).log_metric(run.info.run_id, "objective", 0.875)
    _client(config).set_terminated(run.info.run_id, "FINISHED")
    told, ended, record, due = _reopened(config)
    assert told == ["the search had lost trial 3: read back from MLflow, not trained again."]
    assert (ended[3].state, ended[3].objective) == ("complete", 0.875)
    assert record.trials[3].state == "complete"
    assert due == [4, 5]


@pytest.mark.parametrize("lost", ["search", "MLflow"])
def test_values_that_a_pruner_compares_come_back_with_a_trial(compose, tmp_path, empty_store, lost):
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    config = compose("pruner=median", "budget.n_trials=3")
    metric, values = config.objective.metric, {0: 0.25, 1: 0.375, 2: 0.5}
    with opened(config) as (search, tracker):
        (trial,) = search.ask(1)
        tracker.start("trial", trial)
        for epoch, value in values.items():
            tracker.epoch("trial", trial, EpochReport(epoch=epoch, step=epoch, metrics={metric: value}))
            search.judge([(trial, epoch, value)])
        result = TrialResult(trial=trial, state="pruned", history={metric: [*values.values()]}, summary={})
        tracker.end("trial", result, objective=0.5)
        tracker.flush()
        search.tell(result, objective=0.5)
    if lost == "search":
        config.stores.optuna_journal.unlink()
    else:
        path = tmp_path / "mlruns" / "new.db"
        shutil.copyfile(empty_store, path)
        config = dataclasses.replace(
            config, stores=dataclasses.replace(config.stores, tracking_uri=f"sqlite:///{path}")
        )
    told, ended, record, _ = _reopened(config)
    assert len(told) == 1
    assert ended[0].reports == values
    assert ended[0].objective == record.trials[0].metrics["objective"] == 0.5
    histories = read_histories(config.stores.tracking_uri, [record.trials[0].run_id], [metric])
    assert list(histories[record.trials[0].run_id][metric][1]) == [*values.values()]


def test_lost_artifacts_come_back_with_contents_of_before_and_the_last_line_of_errors(config):
    (study,) = _runs(config, role="study")
    contents = Contents(data="0123", architecture="4567")
    config = dataclasses.replace(config, contents=contents, identity=config.digest)
    _reopened(config)  # with contents that the user accepted
    config = dataclasses.replace(config, contents=Contents(data="89ab", architecture="4567"))
    _reopened(config)
    shutil.rmtree(config.stores.artifacts)
    (line,) = _reopened(config)[0]
    paths = [contents_path(each.digest) for each in (config.contents, contents)]
    listed = ", ".join(["config.yaml", *paths, "error.txt of trial 3"])
    assert line == (f"artifacts of this study were lost and are written again: {listed}. The log follows.")
    folder = config.stores.artifacts / config.experiment_name / study.info.run_id / "artifacts"
    assert Contents.from_json((folder / paths[1]).read_text()) == contents
    (error,) = config.stores.artifacts.rglob("error.txt")
    assert error.read_text().startswith("Traceback: it broke\n(The lines before were lost")
    assert _reopened(config)[0] == []


def test_a_trial_of_another_seed_is_not_taken_into_the_search(config):
    other = dataclasses.replace(config, study_seed=7, identity=config.digest)
    config.stores.optuna_journal.unlink()
    told, ended, _, due = _reopened(other)
    assert (told, ended, due) == ([], {}, [0, 1, 2, 3, 4, 5])


def test_a_study_deleted_in_both_stores_begins_anew(config):
    for run in _runs(config):
        _client(config).delete_run(run.info.run_id)
    config.stores.optuna_journal.unlink()
    told, ended, record, due = _reopened(config)
    assert (told, ended, due) == ([], {}, [0, 1, 2, 3, 4, 5])
    assert record.confirmations == ()


def test_an_experiment_renamed_in_mlflow_is_named_with_both_ways_on(config):
    (found,) = (e for e in _client(config).search_experiments() if e.name == config.experiment_name)
    _client(config).rename_experiment(found.experiment_id, "another name")
    with pytest.raises(StoreError) as told:
        _reopened(config)
    name = config.experiment_name
    for part in (
        f"experiment_name={name}: the runs of this study are in the experiment another name of sqlite:",
        f"study rename 'another name' {name}",
        f"study rename {name} 'another name'",
        "go on with 'experiment_name=another name'",
        f"To begin anew instead: study delete {name}.",
    ):
        assert part in str(told.value)
    assert not [e for e in _client(config).search_experiments() if e.name == name]


def test_a_deleted_experiment_is_told_with_the_command_that_restores_it(config):
    (found,) = (e for e in _client(config).search_experiments() if e.name == config.experiment_name)
    _client(config).delete_experiment(found.experiment_id)
    with pytest.raises(StoreError, match=rf"mlflow experiments restore --experiment-id {found.experiment_id}"):
        _reopened(config)
    _client(config).restore_experiment(found.experiment_id)
    told, ended, record, _ = _reopened(config)
    assert told == []
    _agree(ended, record)
