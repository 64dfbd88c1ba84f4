"""Label smoothing in whole trainings of digits."""

import dataclasses

import numpy as np
import pytest
from training_workload import LOSS, digits, keep_going, make_config, make_trainer, make_trial

from study.datasets import Split
from study.training.numpy.trainer import NumpyTrainer

ROWS = {**LOSS, "_target_": "keras.losses.CategoricalCrossentropy"}
LINEAR = {"_target_": "study.models.linear.build"}


def history(trainer):
    (result,) = trainer.train([make_trial(learning_rate=0.1, test=True)], keep_going)
    assert result.state == "complete", result.error
    return {**result.history, **{k: v for k, v in result.summary.items() if not k.startswith("seconds")}}


def with_rows():
    """Return the digits with rows of 0 and 1 as targets."""
    found = digits()
    splits = {name: Split(x=split.x, y=np.eye(10, dtype=np.float32)[split.y]) for name, split in found.splits.items()}
    return dataclasses.replace(found, **splits)


def assert_close(one, other, *, tolerance=2e-6):
    assert one.keys() == other.keys()
    for name, values in other.items():
        np.testing.assert_allclose(one[name], values, rtol=tolerance, err_msg=name)


@pytest.mark.slow
def test_no_smoothing_trains_as_the_loss_of_keras_bit_for_bit():
    none = history(make_trainer(loss={**LOSS, "label_smoothing": 0.0}))
    assert none == history(make_trainer())


@pytest.mark.slow
def test_smoothing_trains_as_with_rows_of_0_and_1():
    smoothed = history(make_trainer(loss={**LOSS, "label_smoothing": 0.1}))
    assert_close(smoothed, history(make_trainer(loss={**ROWS, "label_smoothing": 0.1}, dataset=with_rows())))
    assert smoothed["val_loss"] != pytest.approx(history(make_trainer())["val_loss"], rel=1e-2)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_numpy_trains_as_fit(smoothing):
    given = {"loss": {**LOSS, "label_smoothing": smoothing}, "model": LINEAR}
    sizes = {"batch_size": 32, "eval_batch_size": 64}
    ours = NumpyTrainer(make_config(**given), digits(), backend="tensorflow", precision="float32", **sizes)
    reference = history(make_trainer(**given))
    shared = ("loss", "val_loss", "val_accuracy", "final_loss", "test_loss")
    found = history(ours)
    assert_close({k: found[k] for k in shared}, {k: reference[k] for k in shared}, tolerance=1e-4)
