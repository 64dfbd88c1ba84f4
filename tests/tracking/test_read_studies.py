import sqlite3
from contextlib import closing

import numpy as np
import pytest

from study.core.errors import StoreError
from study.tracking import read_studies as read_module
from study.tracking.read_studies import read_artifact_text, read_experiments, read_histories, read_studies


@pytest.fixture
def stored(make_config, open_tracker, record):
    configs = [make_config(optimizer=optimizer) for optimizer in ("adam", "sgd")]
    for config in configs:
        with open_tracker(config) as tracker:
            for number in (1, 0):
                record(tracker, "trial", number, values=(0.1 * number, 0.2 * number, 0.3 * number))
            record(tracker, "best", 0)
    return configs[0]


def test_experiments_without_studies_are_left_out(stored):
    assert list(read_experiments(stored.stores.tracking_uri)) == ["tiny-mlp"]


def test_studies_come_with_their_own_runs_in_order(stored):
    studies = read_studies(stored.stores.tracking_uri, "tiny-mlp")
    assert [study.name for study in studies] == ["adam", "sgd"]
    for study in studies:
        assert [run.number for run in study.trials] == [0, 1]
        assert [run.kind for run in study.confirmations] == ["best"]
        assert {run.params["optimizer"] for run in (*study.trials, *study.confirmations)} == {study.optimizer}
        assert study.started <= study.trials[1].started <= study.trials[1].ended <= study.ended


def test_histories_of_many_runs_come_in_bulk_and_paged(stored, monkeypatch):
    monkeypatch.setattr(read_module, "_RUNS_PER_QUERY", 2)
    runs = [run for study in read_studies(stored.stores.tracking_uri, "tiny-mlp") for run in study.trials]
    wanted = [run.run_id for run in runs]
    histories = read_histories(stored.stores.tracking_uri, wanted, ["val_accuracy", "loss"])
    assert list(histories) == wanted
    for run in runs:
        steps, values = histories[run.run_id]["val_accuracy"]
        np.testing.assert_array_equal(steps, [1, 2, 3])
        np.testing.assert_allclose(values, np.array([0.1, 0.2, 0.3]) * run.number)
        assert set(histories[run.run_id]) == {"val_accuracy", "loss"}


def test_a_server_gives_the_same_histories_as_the_database(stored, monkeypatch):
    uri = stored.stores.tracking_uri
    runs = [run.run_id for run in read_studies(uri, "tiny-mlp")[0].trials]
    direct = read_histories(uri, runs, ["val_accuracy", "absent"])
    monkeypatch.setattr(read_module, "is_database", lambda _: False)
    asked = read_histories(uri, runs, ["val_accuracy", "absent"])
    assert {run: set(found) for run, found in asked.items()} == {run: {"val_accuracy"} for run in runs}
    for run in runs:
        np.testing.assert_array_equal(asked[run]["val_accuracy"], direct[run]["val_accuracy"])


def test_runs_of_other_programs_in_the_experiment_do_not_disturb(stored):
    from mlflow.tracking import MlflowClient

    uri = stored.stores.tracking_uri
    client = MlflowClient(uri, registry_uri=uri)
    client.create_run(client.get_experiment_by_name("tiny-mlp").experiment_id)
    assert len(read_studies(uri, "tiny-mlp")) == 2


def test_the_error_for_a_missing_artifact_has_its_name(stored):
    (study, _) = read_studies(stored.stores.tracking_uri, "tiny-mlp")
    with pytest.raises(StoreError, match=r"artifact nothing\.html of run"):
        read_artifact_text(stored.stores.tracking_uri, study.run_id, "nothing.html")


def test_reading_changes_nothing(stored, database):
    def contents():
        with closing(sqlite3.connect(database)) as connection:
            return list(connection.iterdump())

    before = contents()
    for study in read_studies(stored.stores.tracking_uri, "tiny-mlp"):
        read_histories(stored.stores.tracking_uri, [study.run_id], ["objective"])
    assert contents() == before


@pytest.fixture
def client(stored):
    from mlflow.tracking import MlflowClient

    uri = stored.stores.tracking_uri
    return MlflowClient(uri, registry_uri=uri)


@pytest.mark.parametrize("kind", ["trial", "best", "default"])
def test_a_run_that_was_deleted_trained_again_and_restored_counts_once(stored, client, open_tracker, record, kind):
    uri = stored.stores.tracking_uri
    with open_tracker(stored) as tracker:
        record(tracker, kind, 3, values=(0.1,))

    def run_ids():
        (study, _) = read_studies(uri, "tiny-mlp")
        return [run.run_id for run in (*study.trials, *study.confirmations) if (run.kind, run.number) == (kind, 3)]

    (first,) = run_ids()
    client.delete_run(first)
    with open_tracker(stored) as tracker:
        record(tracker, kind, 3, values=(0.2,))
    (second,) = run_ids()
    client.restore_run(first)
    assert run_ids() == [second]


def test_a_superseded_confirmation_is_no_twin(stored, open_tracker, record):
    with open_tracker(stored) as tracker:
        (old,) = (run.run_id for run in tracker.finished("confirmation").values())
        tracker.supersede("best", [old])
        record(tracker, "best", 0)
    (study, _) = read_studies(stored.stores.tracking_uri, "tiny-mlp")
    assert [run.superseded for run in study.confirmations] == [True, False]


@pytest.mark.parametrize(
    ("tag", "value"),
    [("role", None), ("role", "trail"), ("number", None), ("number", "first"), ("number", "-1"), ("config", "x")],
)
def test_a_run_whose_tags_were_changed_in_mlflow_is_trained_again(stored, client, open_tracker, record, tag, value):
    uri = stored.stores.tracking_uri
    (study, _) = read_studies(uri, "tiny-mlp")
    changed = study.confirmations[0].run_id
    if value is None:
        client.delete_tag(changed, tag)
    else:
        client.set_tag(changed, tag, value)
    assert read_studies(uri, "tiny-mlp")[0].confirmations == ()
    with open_tracker(stored) as tracker:
        assert tracker.finished("confirmation") == {}
        record(tracker, "best", 0)
    assert [run.number for run in read_studies(uri, "tiny-mlp")[0].confirmations] == [0]


@pytest.mark.parametrize("value", ["", "completed"])
def test_a_run_of_an_unknown_state_has_not_finished(stored, client, value):
    (study, _) = read_studies(stored.stores.tracking_uri, "tiny-mlp")
    client.set_tag(study.confirmations[0].run_id, "state", value)
    (study, _) = read_studies(stored.stores.tracking_uri, "tiny-mlp")
    assert not study.confirmations[0].finished


@pytest.mark.parametrize("tag", ["study_name", "optimizer", "dataset", "model", "study_id"])
def test_the_error_for_a_study_whose_tags_were_removed_names_run_and_tag(stored, client, tag):
    (study, _) = read_studies(stored.stores.tracking_uri, "tiny-mlp")
    client.delete_tag(study.run_id, tag)
    with pytest.raises(StoreError, match=rf"the run adam \({study.run_id}\) of a study has no tags {tag}, .* delete"):
        read_studies(stored.stores.tracking_uri, "tiny-mlp")
