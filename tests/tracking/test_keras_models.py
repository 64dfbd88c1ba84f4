import importlib.metadata
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow

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


def test_a_logged_model_loads_without_its_optimizer_and_predicts_the_same(database, tmp_path):
    program = [sys.executable, "-c", textwrap.dedent(_PROGRAM), f"sqlite:///{database}", (tmp_path / "a").as_uri()]
    environment = {"KERAS_BACKEND": "jax", "PATH": "", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"keras=={importlib.metadata.version('keras')}" in done.stdout
    assert "tensorflow==" in done.stdout
