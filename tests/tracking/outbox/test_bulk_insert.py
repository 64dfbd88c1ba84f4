import math
import shutil

import mlflow
import pytest
from mlflow.store.tracking.dbmodels import models
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from study.core.trainer_interface import EpochReport, Trial, TrialResult
from study.tracking.outbox import bulk_insert
from study.tracking.read_studies import read_histories, read_studies

pytestmark = pytest.mark.slow

VALUES = {0: (0.5, 0.75), 1: (0.9, math.nan), 2: (0.1, math.inf), 3: ()}
STATES = {0: "complete", 1: "diverged", 2: "pruned", 3: "failed"}


def train(tracker, *, in_bulk):
    trials = [Trial(number=n, hyperparameters={"learning_rate": 0.1}, run_seed=n, order_seed=2) for n in VALUES]
    for trial in trials:
        tracker.start("trial", trial, in_bulk=in_bulk)
    for epoch in range(2):
        for trial in trials:
            if VALUES[trial.number]:
                metrics = {"val_accuracy": VALUES[trial.number][epoch], "a name?": 0.1}
                tracker.epoch("trial", trial, EpochReport(epoch=epoch, step=epoch + 1, metrics=metrics))
    for trial in trials:
        state = STATES[trial.number]
        history = {"val_accuracy": VALUES[trial.number]}
        error = "Traceback: it broke" if state == "failed" else None
        result = TrialResult(trial=trial, state=state, history=history, summary={"n_steps": 2.0}, error=error)
        tracker.end("trial", result, objective=0.5 + trial.number / 10)


def written(config):
    client = MlflowClient(config.stores.tracking_uri, registry_uri=config.stores.tracking_uri)
    (study,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    found = []
    for record in study.trials:
        run = client.get_run(record.run_id)
        assert run.info.artifact_uri.endswith(f"/{record.run_id}/artifacts")
        tags = {k: v for k, v in run.data.tags.items() if k not in ("mlflow.parentRunId", "record")}
        histories = {
            key: [(m.step, str(m.value)) for m in client.get_metric_history(record.run_id, key)]
            for key in sorted(run.data.metrics)
        }
        found.append(
            {
                "name": run.info.run_name,
                "status": run.info.status,
                "stage": run.info.lifecycle_stage,
                "user": run.info.user_id,
                "params": run.data.params,
                "tags": tags,
                "latest": {key: str(value) for key, value in run.data.metrics.items()},
                "histories": histories,
                "times": run.info.start_time <= run.info.end_time,
                "files": [file.path for file in client.list_artifacts(record.run_id)],
            }
        )
    return [{"study": dict(study.metrics), "progress": study.tags["progress"]}, *found]


@pytest.mark.parametrize("is_database", [True, False])
def test_runs_written_at_once_are_those_written_one_by_one(
    make_config, open_tracker, tmp_path, empty_store, monkeypatch, is_database
):
    if not is_database:  # treat the database as a server's store
        monkeypatch.setattr("study.tracking.open_runs.is_database", lambda _uri: False)
    stores = []
    for in_bulk in (False, True):
        path = tmp_path / f"{in_bulk}.db"
        shutil.copyfile(empty_store, path)
        config = make_config(n_trials=4, uri=f"sqlite:///{path}")
        with open_tracker(config) as tracker:
            train(tracker, in_bulk=in_bulk)
        stores.append(written(config))
    assert stores[0] == stores[1]
    assert len(stores[0]) == 5


@pytest.mark.parametrize(
    ("make_unknown", "reason"),
    [
        # No retries here: with another version, as with a server, a retried run has the metrics of its end twice.
        (lambda patch: patch.setattr(mlflow, "__version__", "3.18.0"), "MLflow 3.18.0 is not 3.17"),
        (
            lambda patch: patch.setitem(bulk_insert._COLUMNS, "SqlTag", frozenset({"key", "run_uuid", "text"})),
            "has other columns in SqlTag than expected (text, value)",
        ),
        (lambda patch: patch.delattr(models, "SqlParam"), "has other columns in SqlParam than expected"),
    ],
)
def test_an_unknown_mlflow_gets_the_same_runs_one_by_one(
    make_config,
    open_tracker,
    tmp_path,
    empty_store,
    monkeypatch,
    caplog,
    make_unknown,
    reason,
):
    stores, n_times = [], 1 if "3.18" in reason else 2  # the second time, the trials have runs already
    for is_known in (True, False):
        path = tmp_path / f"{is_known}.db"
        shutil.copyfile(empty_store, path)
        config = make_config(n_trials=4, uri=f"sqlite:///{path}")
        with monkeypatch.context() as patch:
            if not is_known:
                make_unknown(patch)
                patch.setattr(bulk_insert, "_insert", None)  # would not survive a call
            for _ in range(n_times):
                with open_tracker(config) as tracker:
                    train(tracker, in_bulk=True)
                    tracker.flush()
            stores.append(written(config))
    assert stores[0] == stores[1]
    warnings = [record.getMessage() for record in caplog.records if "one by one" in record.getMessage()]
    assert len(warnings) == n_times  # one for each opening of the study
    assert all(reason in warning for warning in warnings)


def test_the_installed_mlflow_is_known():
    assert bulk_insert.unknown_part() == ""


def test_nothing_is_stored_before_the_flush_and_a_repeated_trial_replaces_the_first(make_config, open_tracker):
    config = make_config(n_trials=4)
    for _ in range(2):
        with open_tracker(config) as tracker:
            train(tracker, in_bulk=True)
            tracker.flush()
            (study,) = read_studies(config.stores.tracking_uri, config.experiment_name)
            assert [run.number for run in study.trials] == [0, 1, 2, 3]
            assert study.tags["progress"] == "4/4"
    histories = read_histories(config.stores.tracking_uri, [run.run_id for run in study.trials], ["val_accuracy"])
    assert histories


def test_all_runs_are_written_in_one_transaction(make_config, open_tracker, monkeypatch):
    calls = []
    for name in ("create_run", "log_batch"):
        method = getattr(SqlAlchemyStore, name)
        monkeypatch.setattr(SqlAlchemyStore, name, lambda *a, _m=method, _n=name, **k: calls.append(_n) or _m(*a, **k))
    with open_tracker(make_config(n_trials=4)) as tracker:
        calls.clear()
        train(tracker, in_bulk=True)
        tracker.flush()
        assert calls == ["log_batch"]  # the study's progress
