"""`trainer=vectorized` gives `fit`'s numbers on JAX for several inputs and outputs, weights and augmentation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.long(reason="the first test compiles the programs of all cases")

ROOT = Path(__file__).parents[3]
# As for the trainer's other cases: float32, about twenty steps.
TOLERANCE = 2e-6
IGNORED = ("seconds_train", "seconds_compile", "seconds_evaluate", "compiled_batch_size")


@pytest.fixture(scope="module")
def answers():
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
    program = Path(__file__).with_name("fit_numbers_cases.py")
    ended = subprocess.run(
        [sys.executable, str(program)],
        cwd=ROOT,
        env=kept | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "case", ["two inputs", "two outputs", "sample weights", "class weights", "augmentation", "no test split"]
)
def test_the_numbers_are_those_of_fit(answers, case):
    for ours, reference in zip(answers[case]["vectorized"], answers[case]["fit"], strict=True):
        assert ours["state"] == reference["state"] == "complete", ours["error"] or reference["error"]
        assert ours["history"].keys() == reference["history"].keys()
        for name, values in reference["history"].items():
            np.testing.assert_allclose(ours["history"][name], values, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)
        assert ours["summary"].keys() == reference["summary"].keys()
        for name in set(ours["summary"]) - set(IGNORED):
            np.testing.assert_allclose(ours["summary"][name], reference["summary"][name], rtol=10 * TOLERANCE)
        for mine, other in zip(ours["weights"], reference["weights"], strict=True):
            np.testing.assert_allclose(mine, other, atol=10 * TOLERANCE)


def test_several_outputs_have_the_names_of_keras(answers):
    names = {"loss", "digit_loss", "digit_accuracy", "is_odd_loss"}
    (found, *_) = answers["two outputs"]["fit"]
    assert set(found["history"]) == names | {f"val_{name}" for name in names}
    assert {f"test_{name}" for name in names} <= set(found["summary"])


def test_an_empty_test_split_is_not_evaluated(answers):
    for found in (*answers["no test split"]["vectorized"], *answers["no test split"]["fit"]):
        assert found["history"]["val_accuracy"]
        assert not [name for name in found["summary"] if name.startswith("test_")]


def test_streams_train_with_both_trainers(answers):
    for found in answers["streams"]:
        assert found["state"] == "complete", found["error"]
        assert found["summary"]["n_examples"] == 200
        assert found["history"]["val_accuracy"][0] > 0.1
