"""Any data is trained on to finite numbers, or refused with the name of its split, by every trainer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given

from tests.conftest import QUICK
from tests.pipeline.drawn_data import QUICKLY, datasets, is_told_or_trained

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["fit", "numpy"])
def config(request, compose_quick, tmp_path_factory):
    words = ["optimizer=sgd" if request.param == "fit" else "optimizer=paper_adam", f"trainer={request.param}"]
    return compose_quick(*words, "budget.n_epochs=1", folder=tmp_path_factory.mktemp("config"))


@QUICKLY
@given(dataset=datasets())
def test_any_data_is_told_or_trained(config, dataset):
    is_told_or_trained(config, dataset)


@pytest.mark.faults
def test_any_data_is_told_or_trained_side_by_side(tmp_path):
    words = [*QUICK, "optimizer=sgd", "budget.n_epochs=1", "trainer=vectorized", "trainer.backend=jax"]
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.drawn_data", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
