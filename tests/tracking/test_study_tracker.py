import contextlib
import json
import math
import os
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.validation import _validate_param_name as validate_param_name

from study.core.errors import StoreError
from study.core.records import SearchRecord
from study.core.trainer_interface import EpochReport, Trial, TrialResult
from study.tracking.mlflow_schema import config_params
from study.tracking.outbox.spool import RecordsWaitError
from study.tracking.packed_tags import all_tags
from study.tracking.read_studies import read_artifact_text, read_histories, read_studies
from study.tracking.study_summary import ConfirmedMean
from study.tracking.study_tracker import open_study
from tests.awkward_names import names


def read(config):
    return read_studies(config.stores.tracking_uri, config.experiment_name)


def client_of(config):
    return MlflowClient(config.stores.tracking_uri, registry_uri=config.stores.tracking_uri)


def trial_of(number):
    return Trial(number=number, hyperparameters={"learning_rate": 0.1}, run_seed=1, order_seed=2)


def test_the_studys_run_holds_the_schema(make_config, open_tracker, record, dataset):
    config = make_config()
    with open_tracker(config) as tracker:
        record(tracker, "trial", 0, values=(0.9, 0.6))
        record(tracker, "trial", 1, values=(0.5, 0.8))
        record(tracker, "trial", 2, values=(0.1, math.nan), state="diverged", objective=0.0)
        record(tracker, "best", 0)
        tracker.summarize(best=1, tests={"test_accuracy": ConfirmedMean(mean=0.65, low=0.6, high=0.7, n=3)})

    (study,) = read(config)
    assert study.name == study.optimizer == "adam"
    assert (study.status, study.n_trials, study.study_id) == ("FINISHED", 3, config.digest)
    expected = {"role": "study", "dataset": "tiny", "model": "mlp", "study_name": "adam", "progress": "3/3"}
    expected |= {"keras": "3.15.0", "git_commit": "abc123", "mlflow.source.git.commit": "abc123"}
    expected |= {"best": "learning_rate=0.2", "n_trials": "3", "n_at_once": "3"}
    expected |= {"test": "0.6500 ± 0.0500", "validation": "0.8000 (best trial)"}
    expected |= {"n_train": str(len(dataset.train)), "n_validation": str(len(dataset.validation))}
    expected |= {"n_test": str(len(dataset.test)), "targets_per_example": "1"}
    assert expected.items() <= study.tags.items()
    assert "best val_accuracy 0.8000 (trial 1)" in study.tags["mlflow.note.content"]
    assert "test_accuracy 0.6500 [0.6000, 0.7000]" in study.tags["mlflow.note.content"]
    params = {"optimizer.name": "adam", "optimizer.beta_2": "0.5", "model.hidden": "[8, 4]"}
    assert params.items() <= study.params.items()
    assert "budget.n_trials" not in study.params
    assert "tracking_uri" not in study.params
    assert "dataset.path" not in study.params
    assert study.metrics == {
        "n_complete": 2,
        "n_diverged": 1,
        "best_objective": 0.8,
        "best_so_far": 0.8,
        "objective_of_trial": 0.8,
        "best_trial_number": 1,
        "point/learning_rate": 0.2,
        "mean_test_accuracy": 0.65,
        "low_test_accuracy": 0.6,
        "high_test_accuracy": 0.7,
        "n_confirmations_diverged": 0,
    }
    kept = yaml.safe_load(read_artifact_text(config.stores.tracking_uri, study.run_id, "config.yaml"))
    assert kept == config.raw


def test_children_hold_the_schema(make_config, open_tracker, record):
    config = make_config()
    with open_tracker(config) as tracker:
        record(tracker, "trial", 0, values=(0.9, 0.6))
        record(tracker, "best", 1)
        record(tracker, "default", 0)
    (study,) = read(config)
    (trial,) = study.trials
    assert dict(trial.params) == {
        "optimizer": "adam",
        "learning_rate": "0.1",
        "amsgrad": "false",
        "trial_number": "0",
        "run_seed": "100",
        "order_seed": "7",
    }
    assert dict(trial.metrics) == {
        "loss": pytest.approx(0.4),
        "val_accuracy": 0.6,
        "objective": 0.6,
        "best_val_accuracy": 0.9,  # the value of the best epoch; the objective is that of the last epoch
        "seconds_train": 1.5,
        "n_steps": 20.0,
    }
    assert [(run.kind, run.role, run.config, run.number) for run in study.confirmations] == [
        ("best", "confirmation", "best", 1),
        ("default", "confirmation", "default", 0),
    ]
    assert study.confirmations[0].metrics["test_accuracy"] == pytest.approx(0.7)
    stored = client_of(config).get_run(trial.run_id)
    assert stored.info.run_name == "adam trial 0"
    shown = {key: value for key, value in stored.data.tags.items() if not key.startswith("mlflow.")}
    own = {"role": "trial", "number": "0", "state": "complete", "study_name": "adam", "point": "learning_rate=0.1"}
    assert shown == own | {"internals": shown["internals"], "process": shown["process"]}
    packed = {"study_id": config.digest, "optimizer": "adam", "keras": "3.15.0", "git_commit": "abc123"}
    assert packed.items() <= all_tags(stored.data.tags).items()
    assert stored.data.tags["mlflow.parentRunId"] == study.run_id
    assert study.confirmations[0].params["repetition"] == "1"
    assert "trial_number" not in study.confirmations[0].params
    assert client_of(config).get_run(study.confirmations[0].run_id).info.run_name == "adam confirmation 1 (tuned)"


def test_the_data_set_is_an_input_once_however_often_the_study_is_opened(make_config, open_tracker, dataset):
    config = make_config()
    for _ in range(2):
        with open_tracker(config) as tracker:
            run_id = tracker.run_id
    (described,) = client_of(config).get_run(run_id).inputs.dataset_inputs
    assert (described.dataset.name, described.dataset.digest) == ("tiny", dataset.digest)
    assert "made up" in described.dataset.source
    assert json.loads(described.dataset.profile)["features_shape"] == [5, 3]
    assert [(tag.key, tag.value) for tag in described.tags] == [("mlflow.data.context", "training")]


def test_epochs_are_steps_from_one_and_steps_keep_their_numbers(make_config, open_tracker):
    config = make_config()
    with open_tracker(config) as tracker:
        trial = trial_of(0)
        tracker.start("trial", trial)
        for epoch in range(2):
            steps = {"step": np.array([1.0, 5.0]) + 10 * epoch, "step_loss": np.array([3.0, 2.0]) - epoch}
            report = EpochReport(epoch=epoch, step=10 * epoch + 10, metrics={"loss": 1.0 - epoch}, steps=steps)
            tracker.epoch("trial", trial, report)
        tracker.flush()
    (run,) = read(config)[0].trials
    histories = read_histories(config.stores.tracking_uri, [run.run_id], ["loss", "step_loss", "absent"])
    assert set(histories[run.run_id]) == {"loss", "step_loss"}
    steps, values = histories[run.run_id]["loss"]
    assert (steps.tolist(), values.tolist()) == ([1, 2], [1.0, 0.0])
    steps, values = histories[run.run_id]["step_loss"]
    assert (steps.tolist(), values.tolist()) == ([1, 5, 11, 15], [3.0, 2.0, 2.0, 1.0])


def test_values_that_are_not_finite_are_read_back(make_config, open_tracker, record):
    config = make_config()
    with open_tracker(config) as tracker:
        record(tracker, "trial", 0, values=(math.inf, -math.inf, math.nan), state="diverged", objective=0.0)
    (run,) = read(config)[0].trials
    _, values = read_histories(config.stores.tracking_uri, [run.run_id], ["val_accuracy"])[run.run_id]["val_accuracy"]
    np.testing.assert_array_equal(values, [math.inf, -math.inf, math.nan])
    assert math.isnan(run.metrics["val_accuracy"])
    assert "best_val_accuracy" not in run.metrics


def test_a_diverged_trial_has_no_objective_in_mlflow_and_the_worst_one_for_readers(make_config, open_tracker, record):
    config = make_config()
    with open_tracker(config) as tracker:
        record(tracker, "trial", 0, values=(0.3, math.nan), state="diverged", objective=0.0)
        record(tracker, "trial", 1, values=(0.3, 0.5))
        assert set(tracker.finished()) == {("trial", 0), ("trial", 1)}
    diverged, complete = read(config)[0].trials
    assert (diverged.metrics["objective"], complete.metrics["objective"]) == (0.0, 0.5)
    client = MlflowClient(config.stores.tracking_uri)
    assert "objective" not in client.get_run(diverged.run_id).data.metrics
    client.log_metric(diverged.run_id, "objective", 0.25)  # as an earlier version might have
    assert read(config)[0].trials[0].metrics["objective"] == 0.25


def test_a_long_trial_is_written_whole(make_config, open_tracker):
    config = make_config()
    n_steps = 2345  # more than MLflow accepts in one call
    with open_tracker(config) as tracker:
        tracker.start("trial", trial_of(0))
        steps = {"step": np.arange(1.0, n_steps + 1), "step_loss": np.arange(float(n_steps))}
        tracker.epoch("trial", trial_of(0), EpochReport(epoch=0, step=n_steps, metrics={}, steps=steps))
    (run,) = read(config)[0].trials
    steps, _ = read_histories(config.stores.tracking_uri, [run.run_id], ["step_loss"])[run.run_id]["step_loss"]
    np.testing.assert_array_equal(steps, np.arange(1, n_steps + 1))


def test_a_failed_trial_is_failed_and_keeps_its_traceback(make_config, open_tracker, record):
    config = make_config()
    with open_tracker(config) as tracker:
        record(tracker, "trial", 0, state="failed", objective=0.0)
        record(tracker, "trial", 1, state="pruned")
        assert set(tracker.finished()) == {("trial", 0), ("trial", 1)}
    (study,) = read(config)
    assert [(run.state, run.status) for run in study.trials] == [("failed", "FAILED"), ("pruned", "FINISHED")]
    text = read_artifact_text(config.stores.tracking_uri, study.trials[0].run_id, "error.txt")
    assert text == "Traceback: it broke"
    assert study.metrics["n_failed"] == study.metrics["n_pruned"] == 1
    assert "best_objective" not in study.metrics  # neither can be the best


def test_the_record_can_be_read_while_the_study_runs(make_config, open_tracker):
    config = make_config()
    with open_tracker(config) as tracker:
        tracker.start("trial", trial_of(0))
        tracker.epoch("trial", trial_of(0), EpochReport(epoch=0, step=1, metrics={"loss": 2.5}))
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            trials = read(config)[0].trials
            if trials and "loss" in trials[0].metrics:
                break
            time.sleep(0.05)
        assert trials[0].metrics["loss"] == 2.5
        assert trials[0].status == read(config)[0].status == "RUNNING"


def test_training_does_not_wait_for_the_store(make_config, open_tracker, record, monkeypatch):
    config = make_config()
    with open_tracker(config) as tracker:
        release, log_batch, written = threading.Event(), MlflowClient.log_batch, []

        def slow(*arguments, **options):
            assert release.wait(300)
            written.append(arguments)
            return log_batch(*arguments, **options)

        monkeypatch.setattr(MlflowClient, "log_batch", slow)
        record(tracker, "trial", 0)
        record(tracker, "trial", 1)
        assert written == []  # everything was reported before anything was written
        release.set()
    assert [run.metrics["objective"] for run in read(config)[0].trials] == [0.75, 0.75]


def test_a_resumed_study_continues_its_run_and_repeats_nothing(make_config, open_tracker, record):
    config = make_config(n_trials=1)
    with open_tracker(config) as tracker:
        first = tracker.run_id
        record(tracker, "trial", 0, values=(0.7, 0.7))
    more = make_config(n_trials=2)
    with open_tracker(more) as tracker:
        assert tracker.run_id == first
        assert client_of(more).get_run(first).info.status == "RUNNING"
        assert read(more)[0].ended is None
        assert set(tracker.finished()) == {("trial", 0)}
        record(tracker, "trial", 1, values=(0.6, 0.6))
        tracker.summarize(best=0)
    (study,) = read(more)
    assert (study.status, study.n_trials, study.tags["progress"]) == ("FINISHED", 2, "2/2")
    assert [run.number for run in study.trials] == [0, 1]
    assert (study.metrics["n_complete"], study.metrics["best_objective"]) == (2, 0.7)


def test_a_resumed_study_keeps_a_persons_description_and_what_earlier_versions_recorded_stays_current(
    make_config, open_tracker, record
):
    config = make_config(n_trials=1)
    with open_tracker(config) as tracker:
        record(tracker, "trial", 0, values=(0.7, 0.7))
    client, run_id = client_of(config), tracker.run_id
    client.set_tag(run_id, "mlflow.note.content", "Mine.")
    client.set_tag(run_id, "budget.n_trials", "1")
    client.log_metric(run_id, "objective", 0.7, step=1)
    client.log_metric(run_id, "n_failed", 1, step=1)
    more = make_config(n_trials=2)
    with open_tracker(more) as tracker:
        record(tracker, "trial", 1, values=(0.9, 0.9))
        tracker.summarize(best=1)
    data = client.get_run(run_id).data
    assert data.tags["mlflow.note.content"] == "Mine."
    assert data.tags["budget.n_trials"] == str(more.raw["budget"]["n_trials"])
    assert data.metrics["best_objective"] == 0.9


@pytest.mark.parametrize("broken", [None, "{", '{"looks": "5:0.05",}', "[]"])
def test_packed_tags_that_a_person_removed_or_broke_are_named_and_written_again(
    make_config, open_tracker, record, broken
):
    config = make_config(n_trials=1)
    with open_tracker(config) as tracker:
        record(tracker, "trial", 0)
    (before,) = read(config)
    client = client_of(config)
    if broken is None:
        client.delete_tag(tracker.run_id, "internals")
    else:
        client.set_tag(tracker.run_id, "internals", broken)
    with pytest.raises(StoreError, match="the tag internals of the study adam"):
        read(config)
    with open_tracker(config):
        pass
    (after,) = read(config)
    assert {**after.tags, "opened_ms": ""} == {**before.tags, "opened_ms": ""}


def test_another_config_is_another_study_in_the_same_experiment(make_config, open_tracker):
    for optimizer in ("adam", "sgd"):
        with open_tracker(make_config(optimizer=optimizer)):
            pass
    assert [study.optimizer for study in read(make_config())] == ["adam", "sgd"]


def test_a_run_left_by_a_crash_is_replaced_when_its_trial_starts_again(make_config, open_tracker, record):
    config = make_config()
    crashed = open_tracker(config)
    record(crashed, "trial", 0)
    crashed.start("trial", trial_of(1))
    crashed.start("trial", trial_of(2))
    crashed.flush()
    crashed._writer.close()  # and no end is recorded, as when a process is killed

    with open_tracker(config) as tracker:
        assert set(tracker.finished()) == {("trial", 0)}
        record(tracker, "trial", 1)
    trials = read(config)[0].trials
    # The third was never started again: it must not appear as running.
    assert [(run.number, run.state, run.status) for run in trials] == [
        (0, "complete", "FINISHED"),
        (1, "complete", "FINISHED"),
        (2, None, "KILLED"),
    ]


def test_the_run_of_another_living_process_is_left_alone(make_config, open_tracker):
    config = make_config()
    other = open_tracker(config)
    other.start("trial", trial_of(0))
    other.flush()
    client = client_of(config)
    (run,) = read(config)[0].trials
    host = client.get_run(run.run_id).data.tags["process"].rpartition(":")[0]
    client.set_tag(run.run_id, "process", f"{host}:{os.getppid()}")
    with open_tracker(config):
        assert read(config)[0].trials[0].status == "RUNNING"
    other._writer.close()


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_exception_marks_the_study_and_its_running_trial(make_config, open_tracker, error, status):
    config = make_config()

    def interrupted():
        with open_tracker(config) as tracker:
            tracker.start("trial", trial_of(0))
            raise error("stop")

    with pytest.raises(error, match="stop"):
        interrupted()
    (study,) = read(config)
    assert study.status == status
    assert [run.status for run in study.trials] == ["KILLED"]


def test_superseded_confirmations_stay_and_free_their_numbers(make_config, open_tracker, record):
    config = make_config()
    with open_tracker(config) as tracker:
        for number in range(2):
            record(tracker, "best", number)
        old = [run.run_id for run in tracker.finished().values()]
        tracker.supersede("best", old)
        assert tracker.finished() == {}
        record(tracker, "best", 0)
    confirmations = read(config)[0].confirmations
    assert sorted((run.number, run.superseded) for run in confirmations) == [(0, False), (0, True), (1, True)]


def test_a_failed_write_raises_at_the_next_call_and_nothing_hangs(make_config, open_tracker, monkeypatch):
    config = make_config()

    def broken(*_, **__):
        raise sqlite3.OperationalError("disk is full")

    def record_on_a_broken_store():
        with open_tracker(config) as tracker:
            monkeypatch.setattr(MlflowClient, "log_batch", broken)
            tracker.start("trial", trial_of(0))
            with pytest.raises(StoreError, match="disk is full"):
                tracker.flush()
            tracker.epoch("trial", trial_of(0), EpochReport(epoch=0, step=1, metrics={"loss": 1.0}))

    with pytest.raises(StoreError, match=r"mlflow\.db: results could not be written \(disk is full\)"):
        record_on_a_broken_store()
    assert read(config)[0].status == "FAILED"


def test_artifacts_lie_in_the_configured_folder(make_config, open_tracker, tmp_path):
    config = make_config()
    (tmp_path / "run.log").write_text("a line")
    with open_tracker(config) as tracker:
        tracker.artifact_text("<p>", "page.html")
        tracker.artifact_text('{"a": 1}', "plots/numbers.json")
        tracker.artifact_file(tmp_path / "run.log")
        run_id = tracker.run_id
    folder = config.stores.artifacts / "tiny-mlp" / run_id / "artifacts"
    assert (folder / "page.html").read_text() == "<p>"
    assert json.loads((folder / "plots" / "numbers.json").read_text()) == {"a": 1}
    assert (folder / "run.log").read_text() == "a line"


def test_a_report_for_a_trial_that_never_started_raises(make_config, open_tracker):
    with (
        open_tracker(make_config()) as tracker,
        pytest.raises(ValueError, match="trial 4 was not started"),
    ):
        tracker.epoch("trial", trial_of(4), EpochReport(epoch=0, step=1, metrics={}))


def test_system_metrics_are_sampled_on_the_studys_run_after_its_first_results(
    make_config, open_tracker, record, monkeypatch
):
    from study.config.schema import TrackingConfig

    monkeypatch.setattr("study.tracking.study_tracker._INTERVAL_S", 0.1)
    tracking = TrackingConfig(every_n_steps=None, system_metrics=True, log_model=False)
    config = make_config(tracking=tracking)
    with open_tracker(config) as tracker:
        time.sleep(0.5)
        tracker.flush()
        assert read(config)[0].metrics == {}
        record(tracker, "trial", 0)
        deadline = time.monotonic() + 10
        while "system/cpu_utilization_percentage" not in read(config)[0].metrics and time.monotonic() < deadline:
            time.sleep(0.1)
    names = list(read(config)[0].metrics)
    # MLflow compares studies by the first metric that it stored.
    assert names[0] == "best_objective"
    assert "system/cpu_utilization_percentage" in names
    assert "system metrics" not in {thread.name for thread in threading.enumerate()}


def test_passwords_are_not_kept(make_config, open_tracker, database):
    secret = {**make_config().raw, "storage": {"optuna": "postgresql://me:pw4711@host/optuna"}}
    config = make_config(raw=secret)
    with open_tracker(config) as tracker:
        text = read_artifact_text(config.stores.tracking_uri, tracker.run_id, "config.yaml")
    assert "postgresql://me:***@host/optuna" in text
    assert b"pw4711" not in Path(database).read_bytes()


def cut_off_after(open_tracker, config, trial, values):
    """Leave a trial's run as a killed process does, and return its id."""
    crashed = open_tracker(config)
    crashed.start("trial", trial)
    for epoch, value in enumerate(values):
        crashed.epoch("trial", trial, EpochReport(epoch=epoch, step=epoch + 1, metrics={"val_accuracy": value}))
    crashed.flush()
    crashed._writer.close()
    return read(config)[0].trials[0].run_id


def train(tracker, trial, values, *, kind="trial", in_bulk=False, error=None):
    tracker.start(kind, trial, in_bulk=in_bulk)
    for epoch, value in enumerate(values):
        tracker.epoch(kind, trial, EpochReport(epoch=epoch, step=epoch + 1, metrics={"val_accuracy": value}))
    history = {"val_accuracy": values}
    state = "failed" if error else "complete"
    result = TrialResult(trial=trial, state=state, history=history, summary={}, error=error)
    tracker.end(kind, result, objective=math.nan if error else values[-1])


@pytest.mark.parametrize(
    ("recorded", "trained", "deterministic", "goes_on"),
    [
        ((0.1, 0.2), (0.1, 0.2, math.nan), True, True),
        ((0.1, math.nan, math.inf), (0.1, math.nan, math.inf), True, True),
        ((), (0.1, 0.2), True, True),
        ((0.1, 0.2), (0.1, 0.25, 0.3), True, False),  # the first epoch agreed, and is in the new run as well
        ((0.1, 0.2, 0.3), (0.1, 0.2), True, False),  # the first attempt was pruned later
        ((0.1, 0.2), (0.1, 0.2, 0.3), False, False),
    ],
)
def test_the_run_of_an_interrupted_trial_continues_if_the_training_repeats_its_history(
    make_config, open_tracker, recorded, trained, deterministic, goes_on
):
    config = make_config(deterministic=deterministic)
    before = cut_off_after(open_tracker, config, trial_of(0), recorded)
    with open_tracker(config) as tracker:
        train(tracker, trial_of(0), trained)
    (run,) = read(config)[0].trials
    assert (run.run_id == before) == goes_on
    assert (run.state, run.status) == ("complete", "FINISHED")
    steps, values = read_histories(config.stores.tracking_uri, [run.run_id], ["val_accuracy"])[run.run_id][
        "val_accuracy"
    ]
    assert steps.tolist() == list(range(1, len(trained) + 1))
    np.testing.assert_array_equal(values, trained)
    assert len(client_of(config).get_metric_history(run.run_id, "objective")) == 1


@pytest.mark.parametrize(
    "changed", [{"hyperparameters": {"learning_rate": 0.2}}, {"run_seed": 5}, {"order_seed": 5}], ids=str
)
def test_the_run_of_another_point_or_seed_is_replaced(make_config, open_tracker, changed):
    config = make_config()
    before = cut_off_after(open_tracker, config, trial_of(0), (0.1,))
    with open_tracker(config) as tracker:
        train(tracker, replace(trial_of(0), **changed), (0.1, 0.2))
    (run,) = read(config)[0].trials
    assert run.run_id != before


def test_every_run_records_the_versions_it_was_trained_with(make_config, open_tracker, dataset):
    config = make_config()
    before = cut_off_after(open_tracker, config, trial_of(0), (0.1,))
    assert all_tags(client_of(config).get_run(before).data.tags)["keras"] == "3.15.0"
    upgraded = {"keras": "3.16.0"}
    with open_study(config, study_name="adam", dataset=dataset, environment=upgraded) as tracker:
        train(tracker, trial_of(0), (0.1, 0.2))
        tracker.start("trial", trial_of(1), in_bulk=True)
        tracker.end("trial", TrialResult(trial=trial_of(1), state="complete", history={}, summary={}), objective=0.0)
    runs = [client_of(config).get_run(run.run_id) for run in read(config)[0].trials]
    assert [all_tags(run.data.tags)["keras"] for run in runs] == ["3.16.0", "3.16.0"]
    assert before not in {run.info.run_id for run in runs}  # a run of another version is not continued


@pytest.mark.parametrize("in_bulk", [False, True])
@pytest.mark.parametrize(
    ("is_database", "again", "goes_on"),
    [
        (True, (0.5, 0.75), True),
        (True, (0.25, 0.75), True),  # the cause of the failure was corrected, which changed the metrics
        (False, (0.5, 0.75), True),
        (False, (0.25, 0.75), False),  # a server cannot delete a metric
    ],
)
def test_the_run_of_a_retried_trial_continues_without_its_failed_outcome(
    make_config, open_tracker, dataset, monkeypatch, in_bulk, is_database, again, goes_on
):
    if not is_database:
        monkeypatch.setattr("study.tracking.open_runs.is_database", lambda _uri: False)
        monkeypatch.setattr("study.tracking.outbox.resumed_run.is_database", lambda _uri: False)
    config = make_config()
    with open_tracker(config) as tracker:
        train(tracker, trial_of(0), (0.5,), in_bulk=in_bulk, error="Traceback: it broke")
        before = tracker.finished()["trial", 0].run_id
    assert read_artifact_text(config.stores.tracking_uri, before, "error.txt") == "Traceback: it broke"
    mended = {"keras": "3.16.0", "git_commit": "another"}
    with open_study(config, study_name="adam", dataset=dataset, environment=mended) as tracker:
        train(tracker, trial_of(0), again, in_bulk=in_bulk)
    (run,) = read(config)[0].trials
    assert (run.run_id == before, run.state, run.status) == (goes_on, "complete", "FINISHED")
    assert run.metrics["objective"] == 0.75
    steps, values = read_histories(config.stores.tracking_uri, [run.run_id], ["val_accuracy"])[run.run_id][
        "val_accuracy"
    ]
    assert (steps.tolist(), values.tolist()) == ([1, 2], [*again])
    client = client_of(config)
    assert all_tags(client.get_run(run.run_id).data.tags)["git_commit"] == "another"
    assert client.list_artifacts(run.run_id) == []


def test_the_studys_run_holds_each_number_of_its_progress_once(make_config, open_tracker, record):
    config = make_config()
    for _ in range(2):
        with open_tracker(config) as tracker:
            record(tracker, "trial", 0)
            record(tracker, "trial", 1)
            tracker.summarize(best=1)
            run_id = tracker.run_id
    history = client_of(config).get_metric_history(run_id, "n_complete")
    assert sorted((metric.step, metric.value) for metric in history) == [(0, 1), (0, 2)]
    for name in ("best_so_far", "objective_of_trial"):
        assert sorted(m.step for m in client_of(config).get_metric_history(run_id, name)) == [0, 1]


def test_a_study_is_summarized_without_a_read_if_all_its_trials_are_known(
    make_config, open_tracker, record, monkeypatch
):
    with open_tracker(make_config()) as tracker:
        record(tracker, "trial", 0)
        record(tracker, "trial", 1)
        read = []
        monkeypatch.setattr(tracker, "finished", lambda *_: read.append(True) or {})
        tracker.summarize(best=1, ended={0: "complete", 1: "complete"})
        assert not read
        tracker.summarize(best=1, ended={0: "complete", 1: "complete", 2: "complete"})
        assert read


def test_the_progress_counts_the_trials_of_other_workers_and_the_last_to_end_closes_the_study(
    make_config, open_tracker
):
    config = make_config()
    with open_tracker(config) as last:
        with open_tracker(config) as first:
            train(first, trial_of(0), (0.9,))
            first.flush()
            train(last, trial_of(1), (0.2,))
            last.flush()
            (study,) = read(config)
            assert study.tags["progress"].startswith("2/")
            assert (study.metrics["best_objective"], study.metrics["n_complete"]) == (0.9, 2)
            first.leave()
        assert read(config)[0].status == "RUNNING"
    assert read(config)[0].status == "FINISHED"


@pytest.mark.parametrize("in_bulk", [False, True])
def test_a_worker_that_was_paused_leaves_the_trials_that_others_took_over(
    make_config, open_tracker, monkeypatch, in_bulk
):
    config = make_config()
    with contextlib.suppress(RuntimeError), open_tracker(config) as paused:
        paused.start("trial", trial_of(0), in_bulk=in_bulk)
        paused.epoch("trial", trial_of(0), EpochReport(epoch=0, step=1, metrics={"val_accuracy": 0.9}))
        paused.start("trial", trial_of(1))
        if in_bulk:
            paused.end(
                "trial", TrialResult(trial=trial_of(0), state="complete", history={}, summary={}), objective=0.9
            )
        else:
            paused.flush()
        with monkeypatch.context() as patched:
            patched.setattr("os.getpid", lambda: os.getppid())
            with open_tracker(config) as other:
                train(other, trial_of(0), (0.9,))
        paused.lose([0])
        raise RuntimeError("lost")
    (study,) = read(config)
    assert study.status == "FINISHED"
    assert [(run.number, run.status, run.state) for run in study.trials] == [
        (0, "FINISHED", "complete"),
        (1, "KILLED", None),
    ]


def test_a_worker_that_was_paused_before_it_recorded_its_trial_leaves_no_second_run(
    make_config, open_tracker, monkeypatch
):
    config, go_on, create_run = make_config(), threading.Event(), MlflowClient.create_run
    writers = []

    def slow(*arguments, **options):
        assert threading.current_thread() not in writers or go_on.wait(300)
        return create_run(*arguments, **options)

    monkeypatch.setattr(MlflowClient, "create_run", slow)
    with contextlib.suppress(RuntimeError), open_tracker(config) as paused:
        writers += [thread for thread in threading.enumerate() if thread.name == "tracking"]
        paused.start("trial", trial_of(0))
        paused.epoch("trial", trial_of(0), EpochReport(epoch=0, step=1, metrics={"val_accuracy": 0.9}))
        with monkeypatch.context() as patched:
            patched.setattr("os.getpid", lambda: os.getppid())
            with open_tracker(config) as other:
                train(other, trial_of(0), (0.9,))
        go_on.set()
        paused.lose([0])
        raise RuntimeError("lost")
    assert [(run.number, run.status, run.state) for run in read(config)[0].trials] == [(0, "FINISHED", "complete")]


def test_a_run_that_another_worker_continues_is_not_marked_as_killed(make_config, open_tracker, monkeypatch):
    config = make_config()
    with contextlib.suppress(KeyboardInterrupt), open_tracker(config) as paused:
        paused.start("best", trial_of(0))
        paused.flush()
        with monkeypatch.context() as patched:
            patched.setattr("os.getpid", lambda: os.getppid())
            with open_tracker(config) as other:
                train(other, trial_of(0), (0.9,), kind="best")
        raise KeyboardInterrupt
    (run,) = read(config)[0].confirmations
    assert (run.status, run.state) == ("FINISHED", "complete")


def test_a_worker_that_lacks_trials_of_others_records_no_progress_of_its_own(make_config, open_tracker, monkeypatch):
    config = make_config()
    with open_tracker(config) as other, open_tracker(config) as own:
        train(other, trial_of(0), (0.9,))
        other.flush()
        train(own, trial_of(1), (0.2,))
        monkeypatch.setattr(own, "finished", lambda *_: pytest.fail("was read a moment ago"))
        train(own, trial_of(3), (0.3,))
        monkeypatch.undo()
        own.flush()
        (study,) = read(config)
        assert (study.tags["progress"].partition("/")[0], study.metrics["best_objective"]) == ("2", 0.9)


def test_a_model_that_a_server_cannot_take_waits_as_a_file(make_config, open_tracker, monkeypatch):
    config = make_config()
    monkeypatch.setattr("study.tracking.open_runs.is_database", lambda _uri: False)

    def away(*_, **__):
        raise MlflowException("the server is ill")

    monkeypatch.setattr("study.tracking.keras_models.log_keras_model", away)
    monkeypatch.setattr("study.tracking.keras_models.keras_file", lambda model: model)
    with open_tracker(config) as tracker:
        tracker.models.log(b"weights", example_x=None)
        run_id = tracker.run_id
    assert read_artifact_text(config.stores.tracking_uri, run_id, "model.keras") == "weights"


def test_a_study_continues_from_its_own_copy_while_its_server_is_away(make_config, open_tracker, record, monkeypatch):
    config = make_config()
    monkeypatch.setattr("study.tracking.open_runs.is_database", lambda _uri: False)
    monkeypatch.setattr("study.tracking.outbox.writer_thread.PATIENCE_S", 0.5)
    log_batch = MlflowClient.log_batch

    def away(*_, **__):
        raise MlflowException("the server is ill")

    def without_a_server():
        with open_tracker(config) as tracker:
            record(tracker, "trial", 0)
            assert tracker.settle()
            monkeypatch.setattr(MlflowClient, "log_batch", away)
            record(tracker, "trial", 1)
            record(tracker, "best", 0)
            assert not tracker.settle()
            known = tracker.finished()
            assert set(known) == {("trial", 0), ("trial", 1), ("best", 0)}
            assert known["best", 0].metrics["test_accuracy"] == pytest.approx(0.6)
            assert set(tracker.finished("confirmation")) == {("best", 0)}
            tracker.supersede("best", [known["best", 0].run_id])
            assert tracker.finished("confirmation") == {}
            record(tracker, "best", 0)
            tracker.summarize(best=1)

    with pytest.raises(
        RecordsWaitError, match=r"the server is away; the study's last \d+ records wait in .*-0\.jsonl"
    ):
        without_a_server()
    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    with open_tracker(config) as tracker:
        assert len(tracker.finished()) == 3
    (study,) = read(config)
    assert (study.tags["progress"], study.metrics["best_trial_number"]) == ("2/3", 1)
    assert sorted((run.number, run.superseded) for run in study.confirmations) == [(0, False), (0, True)]
    assert not list((config.stores.artifacts.parent / "spool").glob("*.jsonl"))


@pytest.mark.parametrize("name", ["adam-activation='tanh'", 'a"b`c', "a\\b", "a\nb", "50%", "漢" * 200, "1," * 5000])
def test_a_study_of_any_recorded_name_has_one_run(make_config, dataset, record, name):
    config = make_config()
    for number in range(2):
        with open_study(config, study_name=name, dataset=dataset, environment={}) as tracker:
            record(tracker, "trial", number)
    (study,) = read(config)
    assert study.name == name[:8000].replace("\n", "\\n")  # a part of one line wherever it is shown
    assert [trial.number for trial in study.trials] == [0, 1]


def test_a_study_keeps_its_run_under_another_name_and_leaves_that_of_a_namesake(make_config, dataset, record):
    config = make_config()
    for name, others in (("first", ()), ("other", ("first",)), ("renamed", ("other",))):
        known = SearchRecord(namesakes=frozenset(others))
        with open_study(config, study_name=name, dataset=dataset, environment={}, search=known) as tracker:
            record(tracker, "trial", 0)
    assert [study.name for study in read(config)] == ["renamed", "other"]


def test_names_of_settings_that_mlflow_cannot_tell_apart_are_all_recorded(make_config, open_tracker):
    config = make_config()
    text = {"text": "caf\udce9 \0"}  # a byte that is no character, as a command line may have
    keys = ["a%b", "a_b", "a'b", "x" * 300, "x" * 301, "漢" * 300, "漢" * 301, "plain"]
    config = replace(config, raw={**config.raw, "model": {"name": "mlp", "sizes": {key: 7 for key in keys}, **text}})
    with open_tracker(config):
        pass
    (study,) = read(config)
    found = [key for key, value in study.params.items() if key.startswith("model.sizes") and value == "7"]
    assert len(found) == len(keys)
    assert "model.sizes.plain" in found
    assert study.params["model.text"].startswith("caf\\udce9")
    assert max(map(len, found)) <= 250


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.dictionaries(names, st.integers(), max_size=6))
@example(sizes={"a//b": 1, "a/./b": 2, "../up": 3, "/root": 4, "a/": 5, "": 6})
@example(sizes={"x" * 300: 1, "x" * 301: 2, "a%b": 3, "a_b": 4})
def test_settings_of_any_names_have_keys_of_their_own_that_mlflow_accepts(make_config, sizes):
    config = make_config()
    config = replace(config, raw={**config.raw, "model": {"name": "mlp", "sizes": sizes}})
    keys = [param.key for param in config_params(config)]
    assert len(set(keys)) == len(keys) == len(config_params(make_config())) - 2 + len(sizes)
    for key in keys:
        validate_param_name(key)
