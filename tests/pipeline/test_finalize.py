"""The end of a study: if Keras cannot save the model, a message says so, and everything else is recorded."""

import shutil

import pytest

from study.run import run_study
from study.tracking.read_studies import read_studies

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
        (record,) = read_studies(config.stores.tracking_uri, f"digits-{name}")
        assert [run.state for run in (*record.trials, *record.confirmations)] == ["complete"] * 3
        told = "the best model of model=plain is not kept, since Keras cannot save it" in capfd.readouterr().err
        assert told == (name == "plain")
