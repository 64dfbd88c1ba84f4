"""A study that searches keys of the config goes on, tries one trial and keeps its model at the trial's own values."""

import dataclasses
import shutil

import pytest

from study.api.open_experiment import open_experiment
from study.run import run_study
from study.tracking.read_studies import read_histories, read_studies

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

SEARCH = (
    *("study_name=adam", "optimizer.search_only=[learning_rate]", "search.model.dropout.low=0.1"),
    *("search.model.dropout.high=0.5", "search.model.hidden.choices=[[8],[8,8]]", "budget.n_confirmations=1"),
    *("search.trainer.batch_size.choices=[48,96]", "tracking.log_model=true"),
)
NAMES = ("loss", "val_loss")


def _folder(tmp_path_factory, empty_store):
    folder = tmp_path_factory.mktemp("study")
    (folder / "mlruns").mkdir()
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    return folder


def _trials(config):
    (record,) = read_studies(config.stores.tracking_uri, "digits-mlp")
    histories = read_histories(config.stores.tracking_uri, [run.run_id for run in record.trials], NAMES)
    return {
        run.number: (run.params, {name: histories[run.run_id][name][1].tolist() for name in NAMES})
        for run in record.trials
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory, compose_quick, empty_store):
    config = compose_quick(*SEARCH, "budget.n_trials=6", folder=_folder(tmp_path_factory, empty_store))
    run_study(config)
    return config


def test_a_study_that_goes_on_has_the_trials_of_an_undisturbed_one(
    whole, tmp_path_factory, compose_quick, empty_store, capfd
):
    folder = _folder(tmp_path_factory, empty_store)
    run_study(compose_quick(*SEARCH, "budget.n_trials=4", folder=folder))
    again = compose_quick(*SEARCH, "budget.n_trials=6", folder=folder)
    run_study(again)
    assert _trials(again) == _trials(whole)
    assert len({params["trainer.batch_size"] for params, _ in _trials(whole).values()}) == 2
    assert "changed" not in capfd.readouterr().err  # its best trial was repeated, at its own values


def test_one_trial_alone_has_the_numbers_of_the_study(whole, capfd):
    for number, (params, history) in _trials(whole).items():
        run_study(dataclasses.replace(whole, only_trial=number))
        printed = capfd.readouterr().err
        assert f"model.hidden={params['model.hidden']}" in printed
        assert f"val_loss {history['val_loss'][-1]:.9g}" in printed


def test_the_kept_model_is_that_of_the_best_point(whole):
    best = open_experiment("digits-mlp", folder=whole.folder).best("adam")
    widths = [layer.units for layer in best.model().layers if hasattr(layer, "units")]
    assert widths == [*best.hyperparameters["model.hidden"], 10]
    assert best.hyperparameters["model.hidden"] in ((8,), (8, 8))


def test_tables_for_python_have_a_column_for_each_value(whole):
    view = open_experiment("digits-mlp", folder=whole.folder)
    trials, row = view.trials(), view.table().iloc[0]
    assert str(trials["trainer.batch_size"].dtype) == "Int64"
    assert str(trials["model.dropout"].dtype) == "float64"
    assert set(trials["model.hidden"]) <= {(8,), (8, 8)}
    best = view.best("adam").hyperparameters
    assert {key: row[key] for key in best if "." in key} == {key: best[key] for key in best if "." in key}
    assert "sensitivity-model.dropout" in view.figures
