import importlib.metadata
import subprocess
import sys
import textwrap
import zipfile

import pytest
from mlflow.entities import LoggedModelOutput

from study.tracking.connection import connect
from study.tracking.keras_models import _OF, _digest, drop_replaced_models, find_model, kept_models
from study.tracking.registry import DescribedModel, register_version

# A process keeps its first Keras backend, and this test needs JAX whatever other tests chose.
_PROGRAM = """
import sys

import keras
import mlflow
import numpy as np
from mlflow.tracking import MlflowClient

from study.tracking.keras_models import log_keras_model
from study.tracking.connection import connect

uri, artifacts = sys.argv[1:]
client = connect(uri, create=False)
experiment = client.create_experiment("tiny", artifact_location=artifacts)
run = client.create_run(experiment).info.run_id


class Unknown(keras.optimizers.SGD):
    pass


inputs = keras.Input((4, 3))
hidden = keras.layers.BatchNormalization()(keras.layers.Flatten()(inputs))
model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
model.compile(Unknown(0.1), loss="mse")
x = np.random.default_rng(0).normal(size=(6, 4, 3)).astype(np.float32)
model.fit(x, np.ones((6, 2)), verbose=0)
plain = keras.Model(model.inputs, model.outputs)  # as a trainer's build_model hands it over: trained, not compiled
log_keras_model(client, plain, example_x=x[:2], experiment_id=experiment, run_id=run)

mlflow.set_tracking_uri(uri)
loaded = mlflow.pyfunc.load_model(f"runs:/{run}/model")
np.testing.assert_array_equal(loaded.predict(x), model.predict(x, verbose=0))
assert loaded.metadata.signature.inputs.inputs[0].shape == (-1, 4, 3)
assert loaded.metadata.signature.outputs.inputs[0].shape == (-1, 2)
(logged,) = client.search_logged_models([experiment])
assert (logged.name, str(logged.status), logged.source_run_id) == ("model", "READY", run)

sequential = keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
other = client.create_run(experiment).info.run_id
log_keras_model(client, sequential, example_x=x[:2], experiment_id=experiment, run_id=other)
loaded = mlflow.pyfunc.load_model(f"runs:/{other}/model")
np.testing.assert_array_equal(loaded.predict(x), sequential.predict(x, verbose=0))
print(open(f"{logged.artifact_location.removeprefix('file://')}/requirements.txt").read())
"""


@pytest.fixture
def kept(database, tmp_path):
    """A run with models of trainings, without Keras: their files and tags alone."""
    uri = f"sqlite:///{database}"
    client = connect(uri, create=False)
    experiment = client.create_experiment("tiny", artifact_location=(tmp_path / "artifacts").as_uri())
    run_id = client.create_run(experiment).info.run_id
    files = tmp_path / "files"
    (files / "data").mkdir(parents=True)
    for name in ("MLmodel", "requirements.txt", "data/keras_module.txt"):
        (files / name).write_text("keras")
    with zipfile.ZipFile(files / "data" / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")

    class Kept:
        def log(self, of):
            logged = client.create_logged_model(
                experiment, name="model", source_run_id=run_id, tags={_OF: _digest(of)}
            )
            client.log_model_artifacts(logged.model_id, str(files))
            client.finalize_logged_model(logged.model_id, "READY")
            client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
            return logged.model_id

    Kept.uri, Kept.client, Kept.run_id = uri, client, run_id
    return Kept()


def test_a_run_shows_the_model_that_replaced_the_earlier_ones(kept):
    """Also two of an earlier version, which kept all."""
    ids = [kept.log("best 0 "), kept.log("best 1 ")]
    earlier = kept_models(kept.client, kept.run_id)
    assert set(earlier) == set(ids)
    assert find_model(kept.client, kept.run_id, of="best 1 ").model_id == ids[1]
    last, other = kept.log("best 2 "), kept.log("best 3 ")  # of another worker, since
    drop_replaced_models(kept.client, kept.run_id, earlier, of="best 2 ")
    assert set(kept_models(kept.client, kept.run_id)) == {last, other}
    assert find_model(kept.client, kept.run_id, of="best 0 ") is None
    assert find_model(kept.client, kept.run_id, of="best 2 ").model_id == last


def test_nothing_is_deleted_before_the_model_that_replaces_it_is_whole(kept):
    first = kept.log("best 0 ")
    drop_replaced_models(kept.client, kept.run_id, [first], of="best 1 ")
    assert kept_models(kept.client, kept.run_id) == (first,)


@pytest.mark.parametrize("has_tag", [True, False])
def test_a_registered_model_stays_and_is_marked(kept, has_tag):
    first = kept.log("best 0 ")
    described = DescribedModel(model_id=first, run_id=kept.run_id, description="", tags={}, collection="")
    register_version(kept.uri, described, name="champions")
    if not has_tag:  # as registered in MLflow's pages
        kept.client.delete_logged_model_tag(first, "mlflow.modelVersions")
    last = kept.log("best 1 ")
    drop_replaced_models(kept.client, kept.run_id, [first], of="best 1 ")
    assert set(kept_models(kept.client, kept.run_id)) == {first, last}
    assert kept.client.get_logged_model(first).tags["study.replaced"] == "true"
    assert "study.replaced" not in kept.client.get_logged_model(last).tags


@pytest.mark.slow
def test_a_logged_model_loads_without_its_optimizer_and_predicts_the_same(database, tmp_path):
    program = [sys.executable, "-c", textwrap.dedent(_PROGRAM), f"sqlite:///{database}", (tmp_path / "a").as_uri()]
    environment = {"KERAS_BACKEND": "jax", "PATH": "", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"keras=={importlib.metadata.version('keras')}" in done.stdout
    assert "tensorflow==" in done.stdout
