"""Keys of the config that were searched: what is made of a recorded run has the run's own values of them."""

import ast
import datetime
import shutil

import pytest
import yaml

from study.api.best_run import BestRun
from study.cli.launch.compose import compose_jobs, prepare
from study.core.errors import ConfigError, StoreError, StudyError
from study.pipeline.preflight import load_config
from study.reproduction.config_changes import apply_changes, apply_to_point
from study.reproduction.export import export
from study.reproduction.exported_file import read_exported
from study.reproduction.recorded_run import find_recorded_run
from study.reproduction.reproduce import reproduce
from study.reproduction.script import make_script
from study.run import run_study
from study.tracking.read_studies import read_histories, read_studies

TODAY = datetime.date(2026, 1, 2)
# The config's own values, 32 and [300, 100], are no choices, so that a trial has other ones in any case.
SEARCH = (
    *("search.model.dropout.low=0.1", "search.model.dropout.high=0.5", "search.model.hidden.choices=[[8],[8,8]]"),
    *("search.trainer.batch_size.choices=[48,96]", "optimizer.search_only=[learning_rate]", "budget.n_trials=4"),
)
RECORDED = "tracking.system_metrics=false", "tracking.log_model=false", "live=false"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, compose_quick, empty_store):
    folder = tmp_path_factory.mktemp("study")
    (folder / "mlruns").mkdir()
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    config = compose_quick("study_name=adam", *SEARCH, folder=folder)
    run_study(config)
    return config


@pytest.fixture(scope="module")
def target(recorded):
    return find_recorded_run(recorded.stores.tracking_uri, "digits-mlp/adam", folder=recorded.folder)


@pytest.fixture
def file(target, tmp_path):
    path = tmp_path / "best.yaml"
    path.write_text(export(target, exported_on=TODAY))
    return path


@pytest.fixture
def composed(tmp_path):
    """Compose with only the words of a test, as a command line would."""

    def build(*words):
        (job,) = compose_jobs(prepare(words), multirun=False)
        return load_config(job.raw, folder=tmp_path, labels=job.labels)

    return build


def _values(target):
    return {name: value for name, value in target.hyperparameters.items() if "." in name}


def test_a_run_has_the_types_of_its_values(target):
    values = _values(target)
    assert values.keys() == {"model.dropout", "model.hidden", "trainer.batch_size"}
    assert values["model.hidden"] in ((8,), (8, 8))
    assert values["trainer.batch_size"] in (48, 96)
    assert target.at_point["model"]["hidden"] == list(values["model.hidden"])
    assert target.raw["model"]["hidden"] == [300, 100]
    assert "." not in "".join(target.arguments)


@pytest.mark.slow
def test_trials_and_confirmations_are_reproduced_bit_for_bit(recorded, target):
    runs = [target.run, next(run for run in target.study.confirmations if run.kind == "default"), *target.study.trials]
    assert len({run.params["trainer.batch_size"] for run in runs}) > 1  # another program each
    for run in runs:
        found = find_recorded_run(recorded.stores.tracking_uri, run.run_id, folder=recorded.folder)
        outcome = reproduce(found, folder=recorded.folder)
        assert (outcome.reproduced, outcome.tolerance, outcome.differences) == (True, 0.0, ())


def test_a_change_of_a_searched_key_changes_the_run(recorded, target):
    outcome = reproduce(target, folder=recorded.folder, changes={"trainer.batch_size": 64, "model.hidden": [4]})
    assert outcome.trained
    assert not outcome.reproduced
    recorded_values = {"trainer.batch_size": "64", "model.hidden": "[4]"}
    assert {change.subject: change.now for change in outcome.differences} == recorded_values
    (batch_size,) = (change for change in outcome.differences if change.subject == "trainer.batch_size")
    assert batch_size.recorded == target.run.params["trainer.batch_size"]


def test_a_change_to_the_runs_own_value_is_none(recorded, target):
    values = {key: list(v) if isinstance(v, tuple) else v for key, v in _values(target).items()}
    outcome = reproduce(target, folder=recorded.folder, changes=values)
    assert (outcome.reproduced, outcome.differences) == (True, ())


def test_the_exported_file_has_the_values_in_their_places_and_searches_nothing(file, target, composed):
    content, values = read_exported(file).sections, _values(target)
    assert content["model"]["dropout"] == values["model.dropout"]
    assert content["model"]["hidden"] == list(values["model.hidden"])
    assert content["trainer"]["batch_size"] == values["trainer.batch_size"]
    assert not {"search", "enqueue"} & content.keys()
    assert content["optimizer"].keys() & {"model.dropout", "model"} == set()
    config = composed(f"best={file}")
    assert (config.ranges, config.n_trials) == ({}, 1)
    assert config.model.section["hidden"] == list(values["model.hidden"])


@pytest.mark.parametrize("trainer", ["vectorized", "numpy", "fit"])
def test_another_trainer_keeps_the_batch_size_of_the_file(file, target, composed, trainer):
    config = composed(f"best={file}", f"trainer={trainer}")
    assert config.trainer.name == trainer
    assert config.trainer.section["batch_size"] == target.hyperparameters["trainer.batch_size"]
    typed = composed(f"best={file}", f"trainer={trainer}", "trainer.batch_size=7")
    assert typed.trainer.section["batch_size"] == 7


@pytest.mark.slow
def test_best_trains_the_exact_point(file, target, composed, empty_store, tmp_path):
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    config = composed(f"best={file}", *RECORDED)
    run_study(config)
    (record,) = read_studies(config.stores.tracking_uri, "digits-mlp")
    (again,) = (run for run in record.confirmations if (run.kind, run.number) == ("fixed", 0))
    names = ("loss", "val_loss")
    new = read_histories(config.stores.tracking_uri, [again.run_id], names)[again.run_id]
    old = read_histories(target.tracking_uri, [target.run.run_id], names)[target.run.run_id]
    assert {name: new[name][1].tolist() for name in names} == {name: old[name][1].tolist() for name in names}


def test_enqueue_takes_the_searched_values_of_a_file(file, target, composed):
    config = composed(f"enqueue={file}", "optimizer=adam", *SEARCH)
    point = {name: value for name, value in target.hyperparameters.items() if name != "amsgrad"}
    assert config.enqueue == {name: point[name] for name in config.ranges if name in point}
    assert config.enqueue.keys() >= {"learning_rate", "model.hidden", "trainer.batch_size"}


def test_enqueue_ignores_what_is_not_searched_and_the_study_stays_the_same(file, target, composed, tmp_path):
    content = yaml.safe_load(file.read_text())
    plain = tmp_path / "plain.yaml"
    plain.write_text(yaml.safe_dump({"optimizer": content["optimizer"]}))
    config = composed(f"enqueue={file}", "optimizer=adam")
    assert config.enqueue == {"learning_rate": target.hyperparameters["learning_rate"]}
    assert config.digest == composed(f"enqueue={plain}", "optimizer=adam").digest


def test_typed_values_of_searched_keys_are_enqueued(composed):
    words = ["enqueue.model.dropout=0.25", "enqueue.model.hidden=[8,8]", "enqueue.learning_rate=0.01"]
    config = composed("optimizer=adam", *SEARCH, *words)
    assert config.enqueue == {"learning_rate": 0.01, "model.dropout": 0.25, "model.hidden": (8, 8)}


@pytest.mark.parametrize(
    ("word", "key", "told"),
    [
        ("enqueue.model.droput=0.2", "enqueue.model.droput", "Did you mean enqueue.model.dropout"),
        ("enqueue.model.dropout=0.7", "enqueue.model.dropout", "Widen search.model.dropout"),
        ("enqueue.model.hidden=[9]", "enqueue.model.hidden", "one of [8], [8, 8]"),
    ],
)
def test_enqueued_values_that_no_range_has_are_faults(composed, word, key, told):
    with pytest.raises(ConfigError) as caught:
        composed("optimizer=adam", *SEARCH, word)
    assert [fault.key for fault in caught.value.faults] == [key]
    assert told in str(caught.value)


def test_a_script_trains_the_runs_own_model_and_batches(recorded, target):
    script = make_script(target, folder=recorded.folder, file_name="x.py", exported_on=TODAY)
    ast.parse(script.text)
    values = _values(target)
    assert f"BATCH_SIZE, EVAL_BATCH_SIZE = {values['trainer.batch_size']}," in script.text
    assert f"dropout={values['model.dropout']!r}" in script.text
    assert f"hidden={list(values['model.hidden'])}" in script.text


def test_the_best_of_a_study_has_its_values_for_python(target):
    best, values = BestRun(target, called="best()"), _values(target)
    assert best.config["model"]["hidden"] == list(values["model.hidden"])
    assert best.config["trainer"]["batch_size"] == values["trainer.batch_size"]
    assert best.config["optimizer"]["learning_rate"] == target.arguments["learning_rate"]
    assert not any("." in key for key in best.config["optimizer"])
    assert f"model.hidden={list(values['model.hidden'])}" in repr(best)


def test_a_param_that_is_no_key_of_the_config_is_told(target):
    damaged = {**target.run.params, "model.layers.units": "3"}
    broken = type(target)(**{**vars(target), "run": type(target.run)(**{**vars(target.run), "params": damaged})})
    with pytest.raises(StoreError, match=r"keys of the study's config.*model\.layers\.units"):
        _ = broken.at_point


def test_searched_values_leave_the_config_and_go_into_the_point():
    raw = {"model": {"hidden": [4], "l2": 0.0}, "optimizer": {}, "search": {"model": {}, "optimizer": {"rho": {}}}}
    changes = {"model.hidden": [8, 8], "model.l2": 0.5, "optimizer.rho": None}
    changed = apply_changes(raw, changes, searched=["model.hidden"])
    assert changed["model"] == {"hidden": [4], "l2": 0.5}
    assert changed["search"] == {"model": {}}
    point = apply_to_point({"model.hidden": (2,), "rho": 0.1, "momentum": 0.9}, changes)
    assert point == {"model.hidden": (8, 8), "momentum": 0.9}


def test_a_list_that_is_changed_as_a_whole_has_the_value_of_a_searched_part():
    point = {"dataset.augment.0.factor": 0.1}
    changes = {"dataset.augment": [{"_target_": "keras.layers.RandomRotation", "factor": 0.3}]}
    assert apply_to_point(point, changes) == {"dataset.augment.0.factor": 0.3}
    with pytest.raises(StudyError, match=r"a part dataset\.augment\.0\.factor"):
        apply_to_point(point, {"dataset.augment": []})
