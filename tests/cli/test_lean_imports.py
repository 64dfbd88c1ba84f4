"""Libraries that a command does not use are not imported, and work for whoever imports them later."""

import json
import subprocess
import sys

import pytest

RARE = ["fastapi", "matplotlib", "scipy.stats", "sklearn"]
AFTER = f"print(json.dumps([name for name in {RARE} if name in sys.modules]))"

KERAS = """
from study.training.backend import start_backend
start_backend("jax")
import keras
"""
KERAS_LATER = """
import numpy as np
import matplotlib.pyplot
from sklearn.linear_model import LinearRegression
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile(loss="mse")
x = np.ones((4, 2), np.float32)
assert isinstance(keras.wrappers.SKLearnRegressor(model), __import__("sklearn").base.BaseEstimator)
from keras.wrappers import SKLearnRegressor
assert SKLearnRegressor(model, fit_kwargs={"verbose": 0}).fit(x, x[:, 0]).predict(x).shape == (4,)
matplotlib.use("Agg")
keras.visualization.plot_image_gallery(np.zeros((4, 8, 8, 3)), rows=2, cols=2, value_range=(0, 1))
"""
MLFLOW = "import study.tracking.connection\nimport mlflow\n"
MLFLOW_LATER = """
assert callable(mlflow.gateway.get_gateway_uri)
from fastapi import FastAPI
FastAPI()
"""
STATISTICS = """
import study.cli.actions.end_of_run, study.pipeline.finalize
from study.statistics.intervals import mean_interval
mean_interval([0.1, 0.2, 0.3])
"""
STATISTICS_LATER = "from scipy import stats\nassert stats.norm.cdf(0) == 0.5\n"


def run(program, environment, cwd):
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{program}"],
        env=environment | {"MPLBACKEND": "Agg"},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "later"),
    [(KERAS, KERAS_LATER), (MLFLOW, MLFLOW_LATER), (STATISTICS, STATISTICS_LATER)],
    ids=["keras", "mlflow", "statistics"],
)
def test_a_library_that_is_put_off_works_later(first, later, environment, tmp_path):
    assert run(f"{first}\n{AFTER}", environment, tmp_path) == []
    run(f"{first}\n{later}\nprint(0)", environment, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["trainer=vectorized", "trainer=fit"])
def test_a_study_imports_none_of_them(trainer, environment, tmp_path):
    words = ["run", trainer, "trainer.backend=jax"] if trainer == "trainer=fit" else ["run", trainer]
    words += ["optimizer=sgd", "dataset=linear_regression", "model=linear", "budget=smoke", "budget.n_trials=3"]
    found = run(f"from study.cli import main\nassert main({words}) == 0\n{AFTER}", environment, tmp_path)
    assert found == []
