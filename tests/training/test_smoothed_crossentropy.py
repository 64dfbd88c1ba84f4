"""Label smoothing of class indices, beside Keras's own losses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import smoothing_cases

from study.training.smoothed_crossentropy import SmoothedSparseCategoricalCrossentropy as Smoothed

ROOT = Path(__file__).parents[2]
FLOAT32 = {"rtol": 2e-6, "atol": 1e-6}


@pytest.fixture(scope="module", params=["tensorflow", pytest.param("jax", marks=pytest.mark.slow)])
def found(request):
    """The numbers on a backend, each in a process that has it."""
    if request.param == os.environ["KERAS_BACKEND"]:
        return json.loads(json.dumps(smoothing_cases.all_cases()))
    program = Path(smoothing_cases.__file__)
    environment = os.environ | {"KERAS_BACKEND": request.param, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def close(ours, expected):
    np.testing.assert_allclose(ours["value"], expected["value"], **FLOAT32)
    if expected["slope"] is not None:
        np.testing.assert_allclose(ours["slope"], expected["slope"], **FLOAT32)


def test_without_smoothing_the_numbers_are_those_of_keras_bit_for_bit(found):
    cases = [(ours, keras_own) for name, ours, keras_own in found["pairs"] if name.startswith("none ")]
    assert len(cases) == 48
    for ours, keras_own in cases:
        assert ours == keras_own


def test_with_smoothing_they_are_those_of_rows_of_0_and_1(found):
    cases = {name: (ours, rows) for name, ours, rows in found["pairs"] if not name.startswith("none ")}
    assert len(cases) == 96
    for ours, rows in cases.values():
        close(ours, rows)
    # Smoothing acts: the losses differ from those without.
    without = {name: ours for name, ours, _ in found["pairs"] if name.startswith("none ")}
    for name, ours in without.items():
        smoothed, _ = cases[name.replace("none ", "some ")]
        assert not np.allclose(ours["value"], smoothed["value"], rtol=1e-3)


def test_examples_of_an_ignored_class_do_not_count(found):
    ignored = found["ignored"]
    assert 0 < ignored["n"] < smoothing_cases.N
    close(ignored["ours"], ignored["others"])
    close(ignored["broken"], ignored["others"])
    for ours, keras_own in (ignored["none"][:2], ignored["none"][2:]):
        assert ours == keras_own
    close(*ignored["weighted"])


def test_masked_steps_do_not_count(found):
    ours, rows = found["masked"]
    assert ours == pytest.approx(rows, rel=1e-6)


def test_a_stand_in_number_gives_the_same_losses_and_slopes(found):
    symbolic = found["symbolic"]
    assert symbolic["answers"] == [["bool", "s"]]  # nothing else decides
    assert symbolic["serves"] == [True, False]
    for ours, expected in zip(symbolic["ours"], symbolic["expected"], strict=True):
        close(ours, expected)
    assert symbolic["ours"][0]["value"] != symbolic["ours"][1]["value"]


@pytest.mark.parametrize("wrong", [-0.1, 1, 1.5, float("nan")])
def test_a_smoothing_out_of_its_range_is_refused(wrong):
    with pytest.raises(ValueError, match=r"label_smoothing=.*: expected a number of at least 0 and below 1"):
        Smoothed(label_smoothing=wrong)


def test_another_axis_is_refused():
    with pytest.raises(ValueError, match=r"axis=1: expected -1"):
        Smoothed(axis=1)


def test_the_loss_can_be_written_down_and_read_again():
    loss = Smoothed(from_logits=True, ignore_class=3, label_smoothing=0.2, reduction="sum", name="own")
    again = keras.losses.deserialize(
        keras.losses.serialize(loss), custom_objects={"SmoothedSparseCategoricalCrossentropy": Smoothed}
    )
    assert type(again) is Smoothed
    assert again.get_config() == loss.get_config()
    assert (again.label_smoothing, again.ignore_class, again.from_logits) == (0.2, 3, True)
