"""Metrics that would take logits for probabilities are refused with the right one spelled out."""

import keras
import numpy as np
import pytest

from study.config.logits import logits_faults
from study.core.errors import ConfigError

BINARY = {"_target_": "keras.losses.BinaryCrossentropy", "from_logits": True}
CLASSES = {"_target_": "keras.losses.SparseCategoricalCrossentropy", "from_logits": True}


def section(kind, **arguments):
    return {"_target_": f"keras.metrics.{kind}", "name": "m", **arguments}


def test_accuracy_of_a_binary_loss_over_logits_is_refused_with_the_right_metric(compose):
    words = ["dataset=photo_patches", "dataset.task.metrics=[accuracy]", "optimizer=sgd"]
    right = "Write {_target_: keras.metrics.BinaryAccuracy, name: accuracy, threshold: 0.0}."
    with pytest.raises(ConfigError) as raised:
        compose(*words)
    assert "dataset.task.metrics.0=accuracy: expected a metric of logits" in str(raised.value)
    assert str(raised.value).endswith(right)
    written = right.removeprefix("Write ").removesuffix(".")
    found = compose(words[0], f"dataset.task.metrics=[{written}]", words[2])
    assert found.task.metric_names[1] == "accuracy"


def test_the_metric_that_is_spelled_out_is_right():
    logits, y = np.array([[-2.0], [0.2], [0.4], [3.0]]), np.array([[0], [1], [1], [1]])
    plain, right = keras.metrics.BinaryAccuracy(), keras.metrics.BinaryAccuracy(threshold=0.0)
    assert (float(plain(y, logits)), float(right(y, logits))) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("loss", "metric", "advice"),
    [
        (BINARY, "acc", "keras.metrics.BinaryAccuracy, name: acc, threshold: 0.0}"),
        (BINARY, "binary_accuracy", "keras.metrics.BinaryAccuracy, name: binary_accuracy, threshold: 0.0}"),
        (BINARY, section("Precision"), "keras.metrics.Precision, name: m, thresholds: 0.0}"),
        (BINARY, section("BinaryIoU"), "keras.metrics.BinaryIoU, name: m, threshold: 0.0}"),
        (BINARY, "auc", "keras.metrics.AUC, name: auc, from_logits: true}"),
        (BINARY, "bce", "keras.metrics.BinaryCrossentropy, name: bce, from_logits: true}"),
        (CLASSES, section("SparseCategoricalCrossentropy"), "from_logits: true}"),
        (CLASSES, section("Recall"), "let the model return probabilities"),
        (BINARY, section("PrecisionAtRecall", recall=0.5), "let the model return probabilities"),
    ],
)
def test_metrics_of_probabilities_over_logits_are_refused(loss, metric, advice):
    (fault,) = logits_faults(loss, [metric])
    assert fault.key == "dataset.task.metrics.0"
    assert advice in fault.advice
    assert logits_faults({**loss, "from_logits": False}, [metric]) == []


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        (CLASSES, "accuracy"),
        (CLASSES, "sparse_categorical_accuracy"),
        (BINARY, section("BinaryAccuracy", threshold=0.0)),
        (BINARY, section("AUC", from_logits=True)),
        (BINARY, section("Precision", top_k=2)),
        (BINARY, {"_target_": "mine.Precision", "name": "m"}),
        (BINARY, "mse"),
        ({"_target_": "mine.loss", "from_logits": True}, "auc"),
    ],
)
def test_metrics_of_logits_are_taken(loss, metric):
    assert logits_faults(loss, [metric]) == []
