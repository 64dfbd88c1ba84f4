"""A study of data without a test split: its confirmations are measured on validation, and nothing is called test."""

import datetime
import shutil

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from study.cli import main
from study.cli.actions.overview import show_studies
from study.reproduction.export import export
from study.reproduction.recorded_run import find_recorded_run
from study.reproduction.reproduce import repeat, reproduce
from study.run import run_study
from study.tracking.read_studies import read_studies

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config(tmp_path_factory, compose_quick, empty_store):
    folder = tmp_path_factory.mktemp("study")
    (folder / "mlruns").mkdir()
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    np.savez(folder / "mine.npz", x=x, y=(x @ rng.normal(size=(4, 3))).argmax(axis=1))
    data = ("dataset=npz", "dataset.path=mine.npz", "dataset.test=none", "study_name=adam")
    made = compose_quick(*data, "budget.n_confirmations=3", folder=folder)
    run_study(made)
    return made


@pytest.fixture
def record(config):
    (found,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    return found


@pytest.fixture
def target(config):
    return find_recorded_run(config.stores.tracking_uri, "npz-mlp/adam", folder=config.folder)


def test_the_records_have_no_metric_of_a_test(config, record):
    assert record.tags["n_test"] == "0"
    names = {name for run in (record, *record.trials, *record.confirmations) for name in run.metrics}
    assert not [name for name in names if name.startswith("test_")]
    tuned = [run.metrics["val_accuracy"] for run in record.confirmations if run.config == "best"]
    assert len(tuned) == 3
    assert record.metrics["mean_val_accuracy"] == pytest.approx(np.mean(tuned), abs=1e-6)
    assert record.metrics["low_val_accuracy"] < record.metrics["high_val_accuracy"]
    assert "val_accuracy " in record.tags["mlflow.note.content"]
    client = MlflowClient(config.stores.tracking_uri)
    tags = client.get_experiment_by_name(config.experiment_name).tags
    assert "mean_val_accuracy" in tags["mlflow.sharedViewState.studies"]
    assert not [name for name, text in tags.items() if "test_" in text]


def test_the_overview_names_validation(config, record, capsys):
    show_studies({(config.stores.tracking_uri, config.experiment_name)})
    told = capsys.readouterr().out
    assert "validation, tuned" in told
    assert "validation, untuned" in told
    assert "test" not in told
    assert f"{record.metrics['mean_val_accuracy']:.4f}" in told


def test_a_confirmation_is_reproduced_and_repeated(target, config):
    again = reproduce(target, folder=config.folder)
    assert again.reproduced
    assert {each.metric for each in again.comparisons} == {"loss", "accuracy", "val_loss", "val_accuracy"}
    repeated = repeat(target, n_seeds=2, folder=config.folder)
    assert repeated.fresh.keys() == repeated.recorded.keys() == {"val_accuracy", "val_loss"}
    last = [result.history["val_accuracy"][-1] for result in repeated.results]
    assert repeated.fresh["val_accuracy"].others.estimate == pytest.approx(np.mean(last), abs=1e-6)


def test_the_command_shows_the_scores_of_each_fresh_seed(config, capsys, monkeypatch):
    monkeypatch.chdir(config.folder)
    assert main(["reproduce", "npz-mlp/adam", "--seeds", "2"]) == 0
    told = capsys.readouterr().out
    (header,) = [line for line in told.splitlines() if "run_seed" in line]
    assert header.split("|")[1:-1] == [*header.split("|")[1:3], " val_accuracy ", " val_loss "]
    assert "test" not in told


def test_an_exported_file_says_on_which_split_its_numbers_are(target):
    text = export(target, exported_on=datetime.date(2026, 1, 2))
    assert "#   validation:\n#     val_accuracy: " in text
    assert "test_" not in text
