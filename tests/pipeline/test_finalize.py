"""The end of a study: if Keras cannot save the model, a message says so, and everything else is recorded."""

import shutil
import zipfile

import pytest
from mlflow.tracking import MlflowClient

from study.core.trainer_interface import TrialResult
from study.pipeline.context import StudyContext
from study.pipeline.finalize import LackingTrialsError, record
from study.run import run_study
from study.tracking.read_studies import read_studies
from tests.two_stores import DATASET, opened

OWN = """
import keras


class Plain(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.units, self.flat = units, keras.layers.Flatten()
        self.hidden, self.last = keras.layers.Dense(8), keras.layers.Dense(units)

    def call(self, x):
        return self.last(self.hidden(self.flat(x)))


@keras.saving.register_keras_serializable("own")
class Saved(Plain):
    def get_config(self):
        return {"units": self.units}


def plain(input_shape, n_outputs, hidden, activation, output_activation, dropout, batch_norm, l2):
    return Plain(n_outputs)


def saved(input_shape, n_outputs, hidden, activation, output_activation, dropout, batch_norm, l2):
    return Saved(n_outputs)
"""


# MLflow 3.17 warns of its own type hints when it imports its Keras flavor.
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_a_subclass_with_nothing_but_call_is_trained_and_confirmed(compose, tmp_path, empty_store, monkeypatch, capfd):
    (tmp_path / "own_subclass.py").write_text(OWN)
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    monkeypatch.syspath_prepend(tmp_path)
    few = ["optimizer=sgd", "budget.n_trials=1", "budget.n_confirmations=1", "tracking.log_model=true"]
    for name in ("plain", "saved"):
        config = compose(*few, f"model._target_=own_subclass.{name}", f"model.name={name}")
        assert run_study(config).best is not None
        (found,) = read_studies(config.stores.tracking_uri, f"digits-{name}")
        assert [run.state for run in (*found.trials, *found.confirmations)] == ["complete"] * 3
        told = "the best model of model=plain is not kept, since Keras cannot save it" in capfd.readouterr().err
        assert told == (name == "plain")


# MLflow 3.17 warns of its own type hints when it imports its Keras flavor.
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_a_model_that_was_lost_or_damaged_is_trained_again(compose, tmp_path, empty_store, capfd):
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    config = compose("optimizer=sgd", "budget.n_trials=1", "budget.n_confirmations=1", "tracking.log_model=true")
    run_study(config)
    (file,) = models = [*config.stores.artifacts.rglob("model.keras")]
    with zipfile.ZipFile(file) as archive:
        weights = archive.read("model.weights.h5")
    told = "The model of the best confirmation was lost: it is trained again, to the same weights."
    run_study(config)
    assert told not in capfd.readouterr().err
    file.write_bytes(file.read_bytes()[:-100])
    run_study(config)
    assert told in capfd.readouterr().err
    (again,) = {*config.stores.artifacts.rglob("model.keras")} - {*models}
    with zipfile.ZipFile(again) as archive:
        assert len(archive.read("model.weights.h5")) == len(weights)
    client = MlflowClient(config.stores.tracking_uri)
    (run,) = client.search_runs(["1"], "tags.role = 'study'")
    states = [client.get_logged_model(output.model_id).status for output in run.outputs.model_outputs]
    assert sorted(map(str, states)) == ["FAILED", "READY"]
    shutil.rmtree(config.stores.artifacts)
    run_study(config)
    assert told in capfd.readouterr().err
    assert len([*config.stores.artifacts.rglob("model.keras")]) == 1
    names = {path.name for path in config.stores.artifacts.rglob("*")}
    assert {"config.yaml", "contents", "MLmodel"} <= names


def test_a_study_without_all_its_trials_in_mlflow_is_not_called_whole(compose, tmp_path, empty_store):
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    config = compose("optimizer=sgd", "budget.n_trials=2")
    with opened(config) as (search, tracker):
        for trial in search.ask(2):
            result = TrialResult(trial=trial, state="complete", history={}, summary={})
            if trial.number == 0:  # as of a worker whose records wait in another folder
                tracker.start("trial", trial)
                tracker.end("trial", result, objective=0.5)
                tracker.flush()
            search.tell(result, objective=0.5)
        context = StudyContext(config=config, dataset=DATASET, search=search, tracker=tracker, trainer=None, view=None)
        with pytest.raises(LackingTrialsError, match=r"is not whole: sqlite:.* has no run of trial 1, which") as told:
            record(context)
    assert told.value.exit_status == 1
