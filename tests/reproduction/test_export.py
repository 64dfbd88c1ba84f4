import datetime
import shutil

import numpy as np
import pytest
import yaml

from study.cli import main
from study.cli.launch.compose import compose_jobs, prepare
from study.core.errors import ConfigError, StudyError
from study.core.search_space import Range, to_arguments, to_coordinates
from study.pipeline.preflight import load_config
from study.reproduction.export import export
from study.reproduction.exported_file import read_exported
from study.reproduction.recorded_run import find_recorded_run
from study.run import run_study
from study.search.ask_tell import open_search
from study.tracking.read_studies import read_histories, read_studies

TODAY = datetime.date(2026, 1, 2)
RECORDED = "tracking.system_metrics=false", "tracking.log_model=false", "live=false"


def _with_store(folder, empty_store):
    (folder / "mlruns").mkdir(parents=True)
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, compose_quick, empty_store):
    folder = _with_store(tmp_path_factory.mktemp("study"), empty_store)
    config = compose_quick("study_name=adam", "optimizer.search_only=[learning_rate,beta_1]", folder=folder)
    run_study(config)
    return config


@pytest.fixture(scope="module")
def target(recorded):
    return find_recorded_run(recorded.stores.tracking_uri, "digits-mlp/adam", folder=recorded.folder)


@pytest.fixture
def file(target, tmp_path):
    path = tmp_path / "the best.yaml"
    path.write_text(export(target, exported_on=TODAY))
    return path


@pytest.fixture
def fixed_compose(tmp_path):
    """Compose with only the words of a test, as a command line would."""

    def build(*words):
        (job,) = compose_jobs(prepare(words), multirun=False)
        return load_config(job.raw, folder=tmp_path, labels=job.labels)

    return build


def _best(target):
    return [run for run in target.study.confirmations if run.kind == "best"]


def test_the_header_says_where_it_comes_from(file, target, recorded):
    text = file.read_text()
    assert text.startswith("# @package _global_\n")
    told = read_exported(file).provenance
    scores = [run.metrics["test_accuracy"] for run in _best(target)]
    assert told["experiment"] == "digits-mlp"
    assert told["run_id"] == target.run.run_id
    assert told["exported_on"] == "2026-01-02"
    assert told["objective"]["value"] == target.study.metrics["best_objective"]
    assert told["test"]["test_accuracy"].startswith(f"{np.mean(scores):.6g}, 2 seeds")
    assert told["seeds"]["run_seeds_confirmed"] == [int(run.params["run_seed"]) for run in _best(target)]
    assert told["data_digest"] == target.data_digests[0]
    assert told["versions"]["keras"] == target.study.tags["keras"]
    assert str(recorded.folder) not in text  # nothing of this machine


def test_best_trains_exactly_this_configuration_as_one_fixed_trial(file, target, empty_store, tmp_path, fixed_compose):
    _with_store(tmp_path, empty_store)
    config = fixed_compose(f"best={file}", *RECORDED)
    assert config.n_trials == 1
    assert config.optimizer.ranges == {}
    assert config.labels == ("adam-best=the_best",)
    run_study(config)
    (record,) = read_studies(config.stores.tracking_uri, "digits-mlp")
    again = {run.number: run for run in record.confirmations if run.kind == "fixed"}
    before = {run.number: run for run in _best(target)}
    assert again.keys() == before.keys() == {0, 1}
    for number, run in again.items():
        theirs = before[number]
        assert run.params == theirs.params
        assert run.metrics["test_accuracy"] == theirs.metrics["test_accuracy"]
        assert run.metrics["test_loss"] == theirs.metrics["test_loss"]
        names = ("loss", "val_loss")
        new = read_histories(config.stores.tracking_uri, [run.run_id], names)[run.run_id]
        old = read_histories(target.tracking_uri, [theirs.run_id], names)[theirs.run_id]
        assert {name: new[name][1].tolist() for name in names} == {name: old[name][1].tolist() for name in names}


def test_what_is_typed_beside_best_wins(file, fixed_compose):
    config = fixed_compose(f"best={file}", "trainer.batch_size=64", "optimizer.learning_rate=0.5", "split_seed=3")
    assert config.trainer.section["batch_size"] == 64
    assert config.optimizer.fixed["learning_rate"] == 0.5
    assert config.dataset.section["split_seed"] == 3
    assert config.budget.n_epochs == 2
    assert config.raw["model"]["hidden"] == [16]


def test_a_group_chosen_beside_best_takes_nothing_of_the_files_section(file, fixed_compose):
    config = fixed_compose(f"best={file}", "model=linear", "optimizer=sgd")
    assert config.model.name == "linear"
    assert "hidden" not in config.model.section
    assert config.optimizer.name == "sgd"
    assert "learning_rate" in config.optimizer.ranges
    assert config.budget.n_epochs == 2


def test_where_the_file_lies_does_not_make_another_study(file, fixed_compose, tmp_path):
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(file.read_text())
    assert fixed_compose(f"best={file}").digest == fixed_compose(f"best={elsewhere}").digest
    assert fixed_compose(f"best={file}", "optimizer.beta_1=0.5").digest != fixed_compose(f"best={file}").digest


def test_the_file_is_an_experiment_of_ones_own_conf(file, fixed_compose, monkeypatch, tmp_path):
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    shutil.copyfile(file, tmp_path / "conf" / "experiment" / "mine.yaml")
    monkeypatch.chdir(tmp_path)
    assert fixed_compose("experiment=mine").digest == fixed_compose(f"best={file}").digest


def test_every_job_of_a_multirun_starts_from_the_file(file):
    jobs = compose_jobs(prepare(["-m", f"best={file}", "study_seed=1,2"])[1:], multirun=True)
    assert [job.raw["study_seed"] for job in jobs] == [1, 2]
    assert {tuple(job.raw["model"]["hidden"]) for job in jobs} == {(16,)}


def _points(config, n=3):
    config.stores.optuna_journal.parent.mkdir(parents=True, exist_ok=True)
    with open_search(config) as search:
        return [trial.hyperparameters for trial in search.ask(n)]


def test_enqueue_begins_a_search_with_the_point_and_draws_the_rest(file, fixed_compose, target):
    words = "optimizer=adam", "budget.n_trials=3"
    first, *others = _points(fixed_compose(*words, f"enqueue={file}"))
    assert first["learning_rate"] == target.hyperparameters["learning_rate"]
    assert first["beta_1"] == target.hyperparameters["beta_1"]
    assert 0.9 <= first["beta_2"] <= 0.99999  # searched here, not there
    without = _points(fixed_compose(*words, "study_seed=0", "study_name=plain"))
    assert [first, *others] != without
    assert others == without[1:]


def test_enqueue_into_another_optimizer_takes_what_both_search(file, fixed_compose, target):
    config = fixed_compose("optimizer=rmsprop", f"enqueue={file}")
    assert config.enqueue == {"learning_rate": target.hyperparameters["learning_rate"]}


def test_enqueue_is_part_of_the_identity_by_its_values(file, fixed_compose, tmp_path):
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(file.read_text())
    digest = fixed_compose(f"enqueue={file}").digest
    assert fixed_compose(f"enqueue={elsewhere}").digest == digest
    assert fixed_compose().digest != digest
    assert fixed_compose(f"enqueue={file}", "enqueue.learning_rate=0.01").digest != digest


def test_enqueue_outside_a_range_is_a_fault_by_name(file, fixed_compose):
    with pytest.raises(ConfigError) as caught:
        fixed_compose(f"enqueue={file}", "optimizer.search.learning_rate.high=2.0e-5", "enqueue.beta_1=much")
    assert [fault.key for fault in caught.value.faults] == ["enqueue.learning_rate", "enqueue.beta_1"]
    assert "2e-05, the range searched" in str(caught.value)


def test_enqueue_where_nothing_of_it_is_searched_is_a_fault(file, fixed_compose):
    with pytest.raises(ConfigError, match=r"enqueue=.*a searched argument"):
        fixed_compose(f"enqueue={file}", "optimizer.learning_rate=0.1", "optimizer.beta_1=0.9", "optimizer.search={}")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "section `optimizer`"),
        ("- a\n- b\n", "section `optimizer`"),
        ("optimizer: adam\n", "section `optimizer`"),
        ("optimizer: {name: adam}\nhidden: 3\n", "hidden"),
        ("optimizer: {name: adam}\nmodel: mlp\n", "model"),
        ("a: [", "cannot be read"),
        ("\x00", "cannot be read"),
    ],
)
def test_a_file_that_is_no_configuration_is_told(content, told, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text(content)
    assert main(["run", "best=bad.yaml"]) == 2
    printed = capsys.readouterr().err
    assert "bad.yaml" in printed
    assert told in printed
    assert list(tmp_path.iterdir()) == [tmp_path / "bad.yaml"]


def test_a_file_written_by_hand_can_be_trained_but_not_reproduced(tmp_path, fixed_compose, recorded):
    path = tmp_path / "hand.yaml"
    path.write_text("optimizer: {name: sgd, learning_rate: 0.25}\n")
    config = fixed_compose(f"best={path}")
    assert (config.optimizer.name, config.optimizer.fixed["learning_rate"]) == ("sgd", 0.25)
    assert config.optimizer.ranges == {}
    with pytest.raises(StudyError, match=r"hand\.yaml.*run_id"):
        find_recorded_run(recorded.stores.tracking_uri, str(path), folder=tmp_path)


def test_the_command_writes_a_file_and_spares_one_that_is_there(recorded, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    command = ["export", "digits-mlp/adam", "--folder", str(recorded.folder)]
    assert main(command) == 0
    assert "study run best=digits-mlp-adam.yaml" in capsys.readouterr().out
    first = (tmp_path / "digits-mlp-adam.yaml").read_text()
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    capsys.readouterr()
    assert main([*command, "-o", "-"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == yaml.safe_load(first)
    assert main([*command, "-o", "no/such/folder.yaml"]) == 2
    assert main(["export", "digits-mlp/adan", "--folder", str(recorded.folder)]) == 2


def test_a_trial_is_exported_with_its_own_point(target, recorded):
    trial = target.study.trials[0]
    named = find_recorded_run(recorded.stores.tracking_uri, trial.run_id, folder=recorded.folder)
    content = yaml.safe_load(export(named, exported_on=TODAY))
    assert content["optimizer"]["learning_rate"] == float(trial.params["learning_rate"])
    assert content["optimizer"]["search_only"] == []


def test_coordinates_are_the_inverse_of_arguments():
    ranges = {
        "learning_rate": Range(argument="learning_rate", low=1e-5, high=0.1, scale="log"),
        "beta_1": Range(argument="beta_1", low=0.5, high=0.99, scale="one_minus_log"),
        "centered": Range(argument="centered", choices=(True, False)),
    }
    for point in (
        {"learning_rate": 0.0123, "beta_1": 0.875, "centered": True},
        {"learning_rate": 1e-5, "beta_1": 0.5, "centered": False},
    ):
        assert to_arguments(ranges, to_coordinates(ranges, point)) == point
    low, high = ranges["beta_1"].bounds
    edge = to_coordinates(ranges, {"beta_1": 0.99})["one_minus_beta_1"]
    assert low <= edge <= high  # what Optuna would refuse otherwise
