"""The loss that is built for a section, and the faults of its arguments."""

import pytest

from study.config.loss_faults import loss_faults
from study.config.losses import SMOOTHED, SPARSE, built_loss, keras_loss

KEY = "dataset.task.loss"


def test_our_class_stands_in_only_where_labels_are_smoothed():
    plain = {"_target_": SPARSE, "from_logits": True}
    assert built_loss(plain) == plain
    assert built_loss({**plain, "label_smoothing": 0.1}) == {**plain, "_target_": SMOOTHED, "label_smoothing": 0.1}
    rows = {"_target_": "keras.losses.CategoricalCrossentropy", "label_smoothing": 0.1}
    assert built_loss(rows) == rows


def test_a_loss_has_its_name_in_keras():
    assert keras_loss({"_target_": SPARSE}) == keras_loss({"_target_": SMOOTHED}) == "SparseCategoricalCrossentropy"
    assert keras_loss({"_target_": "keras.losses.Huber"}) == "Huber"
    assert keras_loss({"_target_": "own.losses.Huber"}) == keras_loss({"_target_": "keras.losses.own.Huber"}) == ""
    assert keras_loss({}) == ""


@pytest.mark.parametrize("value", [0, 0.0, 0.1, 0.999])
@pytest.mark.parametrize("target", [SPARSE, SMOOTHED, "keras.losses.CategoricalCrossentropy"])
def test_a_smoothing_in_its_range_is_accepted(target, value):
    assert loss_faults(KEY, {"_target_": target, "label_smoothing": value}) == []


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, True, None, "much", float("nan")])
def test_another_smoothing_is_refused(value):
    (fault,) = loss_faults(KEY, {"_target_": SPARSE, "label_smoothing": value})
    assert fault.key == f"{KEY}.label_smoothing"
    assert fault.allowed == "a number of at least 0 and below 1"


def test_keras_own_losses_allow_a_smoothing_of_1():
    rows = "keras.losses.CategoricalCrossentropy"
    assert loss_faults(KEY, {"_target_": rows, "label_smoothing": 1.0}) == []
    (fault,) = loss_faults(KEY, {"_target_": rows, "label_smoothing": 1.1})
    assert fault.allowed == "a number of at least 0 and at most 1"


def test_a_mistyped_smoothing_is_corrected():
    (fault,) = loss_faults(KEY, {"_target_": SPARSE, "label_smothing": 0.1})
    assert "label_smoothing" in fault.allowed
    assert f"Did you mean {KEY}.label_smoothing?" in fault.advice
    (other,) = loss_faults(KEY, {"_target_": "keras.losses.Huber", "label_smoothing": 0.1})
    assert other.key == f"{KEY}.label_smoothing"
    assert other.allowed.startswith("an argument of keras.losses.Huber")
