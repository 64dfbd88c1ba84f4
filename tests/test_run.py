import json
import math
import shutil
import sys

import numpy as np
import optuna
import pytest

from study.config.schema import Objective
from study.core.errors import BackendError, ConfigError, DataError, StudyError
from study.core.trainer_interface import Trial, TrialResult
from study.pipeline.preflight import check
from study.pipeline.train_batch import score
from study.run import run_study
from study.tracking.read_studies import read_artifact_text, read_histories, read_studies

pytestmark = pytest.mark.slow


def _study(config):
    (record,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    return record


def _histories(config):
    """Return every metric of every run, by role, setting and number."""
    record = _study(config)
    runs = [*record.trials, *record.confirmations]
    read = read_histories(
        config.stores.tracking_uri, [run.run_id for run in runs], ["loss", "val_loss", "val_accuracy"]
    )
    return {
        (run.kind, run.number): {name: values.tolist() for name, (_, values) in read[run.run_id].items()}
        for run in runs
    }


def _with_store(folder, empty_store):
    (folder / "mlruns").mkdir(parents=True)
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    return folder


@pytest.fixture
def ready(tmp_path, empty_store, compose):
    """Compose a study in a folder that holds an empty store."""
    _with_store(tmp_path, empty_store)
    return compose


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, compose_quick, empty_store):
    """A study that is run once, for tests that only inspect its results."""
    folder = _with_store(tmp_path_factory.mktemp("study"), empty_store)
    config = compose_quick("budget.n_trials=5", "tracking.tensorboard=true", folder=folder)
    return config, run_study(config)


def test_optuna_mlflow_and_the_table_hold_the_same_numbers(outcome, capsys):
    config, result = outcome
    journal = optuna.storages.journal.JournalFileBackend(str(config.stores.optuna_journal))
    in_optuna = optuna.load_study(
        study_name=f"{result.experiment}/{result.name}", storage=optuna.storages.JournalStorage(journal)
    )
    record = _study(config)
    by_number = {trial.user_attrs["trial_number"]: trial for trial in in_optuna.trials}
    assert len(by_number) == len(record.trials) == 5
    for run in record.trials:
        theirs = by_number[run.number]
        assert run.metrics["objective"] == theirs.value
        assert float(run.params["learning_rate"]) == theirs.params["learning_rate"]
        assert float(run.params["beta_1"]) == theirs.params["beta_1"]
        assert int(run.params["run_seed"]) == theirs.user_attrs["run_seed"]
    assert record.metrics["best_objective"] == in_optuna.best_value == result.best.objective

    from study.cli.actions.overview import show_studies

    show_studies({(config.stores.tracking_uri, config.experiment_name)})
    printed = capsys.readouterr().out
    tested = [run.metrics["test_accuracy"] for run in record.confirmations if run.config == "best"]
    assert f"{in_optuna.best_value:.4f}" in printed
    assert f"{np.mean(tested):.4f}" in printed
    assert "5/5" in printed


def test_tensorboard_and_mlflow_have_the_same_histories(outcome, tensorboard):
    config, result = outcome
    folder = config.stores.artifacts.parent / "tensorboard" / result.experiment
    (study,) = folder.iterdir()
    histories = _histories(config)
    assert {path.name for path in study.iterdir()} == {f"{kind}-{number:03d}" for kind, number in histories}
    for run in (*_study(config).trials, *_study(config).confirmations):
        read, values = tensorboard.scalars(study / f"{run.kind}-{run.number:03d}")
        for name, recorded in histories[run.kind, run.number].items():
            assert read[name] == [(i + 1, float(np.float32(value))) for i, value in enumerate(recorded)]
        tested = run.metrics.get("test_accuracy")
        assert read.get("test_accuracy") == (None if tested is None else [(2, float(np.float32(tested)))])
        for name in {"learning_rate", "beta_1", "beta_2"} & values.keys():
            assert values[name] == float(run.params[name])


def test_only_confirmations_see_the_test_split(outcome):
    record = _study(outcome[0])
    assert all(not name.startswith("test_") for run in record.trials for name in run.metrics)
    assert all("test_accuracy" in run.metrics for run in record.confirmations)
    assert sorted((run.config, run.number) for run in record.confirmations) == [
        ("best", 0), ("best", 1), ("default", 0), ("default", 1),
    ]  # fmt: skip


def test_confirmations_are_paired_and_fresh(outcome):
    record = _study(outcome[0])
    seeds = {
        (run.config, run.number): (run.params["run_seed"], run.params["order_seed"]) for run in record.confirmations
    }
    assert seeds["best", 0] == seeds["default", 0] != seeds["best", 1]
    assert not {run.params["run_seed"] for run in record.trials} & {run_seed for run_seed, _ in seeds.values()}


def test_the_untuned_optimizer_keeps_the_defaults(outcome):
    untuned = next(run for run in _study(outcome[0]).confirmations if run.config == "default")
    assert not {"learning_rate", "beta_1", "beta_2"} & set(untuned.params)


def test_the_same_command_again_trains_nothing(outcome):
    config, result = outcome
    before = _study(config)
    assert run_study(config) == result
    after = _study(config)
    assert [run.run_id for run in after.trials] == [run.run_id for run in before.trials]
    assert [run.run_id for run in after.confirmations] == [run.run_id for run in before.confirmations]


def test_two_fresh_folders_give_bit_identical_histories(outcome, compose, tmp_path):
    again = compose("budget.n_trials=5", folder=tmp_path / "elsewhere")
    assert again.digest == outcome[0].digest
    run_study(again)
    histories = _histories(again)
    assert histories == _histories(outcome[0])
    assert len(histories) == 9


def test_more_trials_continue_the_search_and_supersede_earlier_best_points(ready):
    first = ready("budget.n_trials=1", "optimizer.search.learning_rate.high=2.0e-5", "budget.n_confirmations=1")
    run_study(first)
    more = ready("budget.n_trials=6", "optimizer.search.learning_rate.high=2.0e-5", "budget.n_confirmations=1")
    result = run_study(more)
    record = _study(more)
    assert [run.number for run in record.trials] == [0, 1, 2, 3, 4, 5]
    confirmed = [run for run in record.confirmations if run.config == "best"]
    if result.best.number == 0:
        assert len(confirmed) == 1
    else:
        assert sorted(run.superseded for run in confirmed) == [False, True]
        (current,) = (run for run in confirmed if not run.superseded)
        assert float(current.params["learning_rate"]) == result.best.point["learning_rate"]


def test_a_fixed_setting_is_one_trial_and_confirmed_as_such(ready):
    config = ready("optimizer=sgd", "optimizer.learning_rate=0.1", "budget.n_trials=9")
    result = run_study(config)
    record = _study(config)
    assert len(record.trials) == 1
    assert {run.config for run in record.confirmations} == {"fixed"}
    assert result.best.point == {}


def test_a_diverged_trial_spends_its_number_with_the_worst_objective(ready):
    config = ready("optimizer=sgd", "optimizer.learning_rate=1.0e12", "budget.n_confirmations=1")
    result = run_study(config)
    (run,) = _study(config).trials
    assert result.best is None
    assert (run.state, run.metrics["objective"], run.status) == ("diverged", 0.0, "FINISHED")


def test_a_model_that_raises_fails_its_trials_and_the_study_names_the_error(ready, tmp_path, monkeypatch):
    (tmp_path / "fragile.py").write_text(
        "import keras\n"
        "def build(input_shape, n_outputs, hidden, activation, output_activation, dropout, batch_norm, l2):\n"
        "    class Fragile(keras.layers.Layer):\n"
        "        def call(self, x, training=False):\n"
        "            if training: raise RuntimeError('it broke')\n"
        "            return x\n"
        "    return keras.Sequential([keras.layers.Input(input_shape), Fragile(), keras.layers.Flatten(),"
        " keras.layers.Dense(n_outputs)])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = ready("model._target_=fragile.build", "budget.n_trials=2")
    with pytest.raises(ConfigError, match=r"it raises RuntimeError: it broke \(call in fragile.py, line 5\)"):
        run_study(config)
    monkeypatch.setattr("study.pipeline.start.check_task", lambda *_: None)  # as if only values made it break
    with pytest.raises(StudyError, match=r"all 2 trials have failed, with the same error:\n.*it broke"):
        run_study(config)
    record = _study(config)
    assert [(run.state, run.status) for run in record.trials] == [("failed", "FAILED")] * 2
    for run in record.trials:
        told = read_artifact_text(config.stores.tracking_uri, run.run_id, "error.txt")
        assert told.startswith("Traceback")
        assert "if training: raise RuntimeError('it broke')" in told
    assert (record.status, record.confirmations) == ("FAILED", ())

    (tmp_path / "fragile.py").write_text(
        (tmp_path / "fragile.py").read_text().replace("raise RuntimeError('it broke')", "str()")
    )
    monkeypatch.delitem(sys.modules, "fragile")
    run_study(ready("model._target_=fragile.build", "budget.n_trials=2", "retry_failed=true"))
    failed = [run.run_id for run in record.trials]
    (record,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    assert [(run.number, run.state) for run in record.trials] == [(0, "complete"), (1, "complete")]
    assert [run.run_id for run in record.trials] == failed
    assert record.status == "FINISHED"


def test_a_schedule_and_steps_per_epoch_are_recorded(ready):
    config = ready("schedule=cosine", "tracking.every_n_steps=10", "budget.n_trials=1", "budget.n_confirmations=0")
    run_study(config)
    (run,) = _study(config).trials
    steps, losses = read_histories(config.stores.tracking_uri, [run.run_id], ["step_loss"])[run.run_id]["step_loss"]
    assert steps.tolist() == list(range(10, 81, 10))
    assert np.isfinite(losses).all()


def test_a_time_limit_starts_no_further_trial(ready):
    config = ready("budget.n_trials=50", "budget.time_limit_s=0.5", "budget.n_confirmations=0")
    run_study(config)
    assert 1 <= len(_study(config).trials) < 50


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband", "patient"])
def test_every_pruner_runs(ready, pruner):
    config = ready(f"pruner={pruner}", "budget.n_trials=4", "budget.n_epochs=3", "budget.n_confirmations=0")
    run_study(config)
    assert {run.state for run in _study(config).trials} <= {"complete", "pruned", "diverged"}


def test_another_backend_than_the_loaded_one_is_refused(compose, tmp_path):
    config = compose("trainer.backend=jax")
    with pytest.raises(BackendError, match=r"trainer\.backend=jax.*tensorflow.*new process"):
        run_study(config)
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()


def test_a_missing_data_set_leaves_nothing_behind(compose, tmp_path):
    config = compose("dataset=mnist", f"dataset.path={tmp_path}/nowhere")
    with pytest.raises(DataError, match="nowhere"):
        run_study(config)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_fit_leaves_no_store(compose, tmp_path):
    config = compose("model.activation=reluu")
    with pytest.raises(StudyError, match="reluu"):
        run_study(config)
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()


def test_all_jobs_are_checked_before_the_first_starts(compose, tmp_path):
    good, bad = compose(), compose("model.hidden=[-3]")
    with pytest.raises(StudyError, match="-3"):
        check([(good.raw, good.labels), (bad.raw, bad.labels)], folder=tmp_path)


def test_faults_of_several_jobs_come_in_one_message(compose, tmp_path):
    raw = json.loads(json.dumps(compose().raw))
    one = {**raw, "budget": {**raw["budget"], "n_trials": 0}}
    two = {**raw, "study_seed": -4}
    with pytest.raises(ConfigError) as caught:
        check([(one, ()), (two, ()), (one, ())], folder=tmp_path)
    assert [fault.key for fault in caught.value.faults] == ["budget.n_trials", "study_seed"]


@pytest.mark.parametrize(
    ("state", "history", "direction", "expected"),
    [
        ("complete", [0.2, 0.9, 0.7], "maximize", 0.7),
        ("pruned", [0.2, 0.3], "maximize", 0.3),
        ("diverged", [0.2], "maximize", 0.0),
        ("complete", [0.2, math.nan], "maximize", 0.0),
        ("diverged", [], "minimize", 1.0),
    ],
)
def test_the_objective_is_the_last_epoch_and_the_worst_where_it_diverged(state, history, direction, expected):
    trial = Trial(number=0, hyperparameters={}, run_seed=0, order_seed=0)
    result = TrialResult(trial=trial, state=state, history={"val_accuracy": history}, summary={})
    assert score(result, Objective(metric="val_accuracy", direction=direction, target=None, is_share=True)) == expected


def test_a_failed_trial_has_no_objective():
    trial = Trial(number=0, hyperparameters={}, run_seed=0, order_seed=0)
    result = TrialResult(trial=trial, state="failed", history={}, summary={})
    assert math.isnan(score(result, Objective(metric="val_loss", direction="minimize", target=None, is_share=False)))
