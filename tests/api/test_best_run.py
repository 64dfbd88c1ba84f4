import re
import shutil

import numpy as np
import pytest
import yaml

from study.api.open_experiment import open_experiment
from study.core.errors import StudyError
from study.pipeline.workload import load_dataset
from study.tracking import keras_models

pytestmark = pytest.mark.slow

# Loads a model whose own classes only its kept modules have.
LOADED_ELSEWHERE = """
import numpy as np
from study.api.open_experiment import open_experiment
best = open_experiment("digits-own_net", folder=r"{folder}").best("adam")
model = best.model()
print([layer.name for layer in model.layers if layer.name.startswith("plain")])
print(np.asarray(model.predict(np.zeros((1, 8, 8, 1)), verbose=0)).shape)
"""
OWN_NET = """
import keras


class Plain(keras.layers.Layer):
    def call(self, x):
        return x


def build(input_shape, n_outputs, units):
    inputs = keras.Input(input_shape)
    x = Plain(name="plain")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(n_outputs)(x))
"""
RUN_OWN = (
    *("run", "model=own_net", "optimizer=adam", "study_name=adam", "budget.n_trials=1", "budget.n_epochs=1"),
    *("budget.n_confirmations=1", "trainer=fit", "live=false", "tracking.system_metrics=false"),
)


@pytest.fixture
def best(view):
    return view.best("adam")


def test_it_is_the_configuration_of_the_table_and_of_study_export(view, ran, best, command):
    row = view.table().set_index("study").loc["adam"]
    searched = ("learning_rate", "beta_1", "beta_2")
    assert {name: best.hyperparameters[name] for name in searched} == {name: row[name] for name in searched}
    assert best.hyperparameters["amsgrad"] is False
    assert best.objective == pytest.approx(row["search_best"])
    first = view.confirmations("adam").query("config == 'best' and repetition == 0").iloc[0]
    assert (best.run_id, best.kind, best.number, best.study) == (first["run_id"], "best", 0, "adam")
    assert best.yaml() == command("export", "digits-mlp/adam", "-o", "-", cwd=ran)
    assert re.fullmatch(r"<best of digits-mlp/adam: .*learning_rate=.*; val_accuracy 0\.\d+>", repr(best))


def test_its_config_is_the_one_that_trained(best):
    config = best.config
    assert config["optimizer"]["learning_rate"] == best.hyperparameters["learning_rate"]
    assert config["model"]["hidden"] == [16]
    assert config["trainer"]["backend"] == "tensorflow"
    config["model"]["hidden"] = []
    assert best.config["model"]["hidden"] == [16]  # a copy


def test_its_model_is_that_of_the_best_confirmation(view, best, compose_quick, tmp_path):
    test = load_dataset(compose_quick("optimizer=adam", folder=tmp_path)).test
    classes = best.model().predict(np.asarray(test.x), verbose=0).argmax(axis=-1)
    confirmed = view.confirmations("adam").query("config == 'best'")
    kept = confirmed.loc[confirmed["objective"].idxmax()]
    assert np.mean(classes == np.asarray(test.y)) == pytest.approx(kept["test_accuracy"], abs=1e-6)


def test_a_model_that_was_not_kept_is_told(record_study):
    folder = record_study("sgd", "tracking.log_model=false", trials=(0.5, 0.6), best=(0.6,))
    best = open_experiment("digits-mlp", folder=folder).best("sgd")
    told = (
        r"^best\('sgd'\)\.model\(\): expected a study whose model was kept, and this one has tracking.log_model=false"
    )
    with pytest.raises(StudyError, match=told):
        best.model()


def test_a_study_without_a_confirmation_has_its_best_trial(record_study):
    folder = record_study("sgd", trials=(0.5, 0.7, 0.6))
    best = open_experiment("digits-mlp", folder=folder).best("sgd")
    assert (best.kind, best.number, best.objective) == ("trial", 1, 0.7)
    assert best.hyperparameters["learning_rate"] == 0.02
    assert yaml.safe_load(best.yaml())["optimizer"]["learning_rate"] == 0.02
    with pytest.raises(StudyError, match=r"^best\('sgd'\)\.model\(\): expected a study with a complete confirmation"):
        best.model()


def test_a_lost_file_and_a_model_that_keras_refuses_are_told(copied, monkeypatch):
    best = open_experiment("digits-mlp", folder=copied).best("adam")

    def refuse(*_):
        raise ValueError("Could not locate class 'Scale'.\nAnd more lines.")

    monkeypatch.setattr("study.api.best_run.load_kept_model", refuse)
    told = r"model\(\): expected a model that Keras can load here, and that raises ValueError: Could not locate class"
    with pytest.raises(StudyError, match=told):
        best.model()
    monkeypatch.undo()
    (file,) = [path for path in copied.rglob("model.keras") if model_is_of(path, best)]
    file.write_bytes(b"")
    with pytest.raises(StudyError, match=r"^best\('adam'\)\.model\(\): expected .* and a file of it was lost"):
        best.model()


def model_is_of(path, best):
    """Return whether a kept file belongs to the study of a run."""
    client = keras_models.MlflowClient(best._target.tracking_uri)
    outputs = client.get_run(best._target.study.run_id).outputs.model_outputs
    return any(output.model_id in str(path) for output in outputs)


def test_classes_of_its_own_come_with_the_model(tmp_path, in_process):
    from tests.api.conftest import START

    folder = tmp_path / "own"
    (folder / "conf" / "model").mkdir(parents=True)
    (folder / "own_net.py").write_text(OWN_NET)
    (folder / "conf" / "model" / "own_net.yaml").write_text("name: own_net\n_target_: own_net.build\nunits: 16\n")
    in_process(START, *RUN_OWN, cwd=folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(folder / "own_net.py", folder / "moved_away.py")
    done = in_process(LOADED_ELSEWHERE.format(folder=folder), cwd=elsewhere, KERAS_BACKEND="jax")
    assert done.stdout.splitlines() == ["['plain']", "(1, 10)"]
    assert done.stderr == ""
    assert list(elsewhere.iterdir()) == []
