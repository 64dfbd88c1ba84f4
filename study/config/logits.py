"""Faults of metrics that take logits for probabilities, and so give wrong numbers without a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.config.instantiate import Section
from study.config.losses import keras_loss
from study.config.metric_facts import metric_names
from study.config.task import Metric
from study.core.errors import Fault

# Metrics that compare outputs with a threshold, 0.5 unless this argument says otherwise.
_THRESHOLDS = {
    "BinaryAccuracy": "threshold",
    "BinaryIoU": "threshold",
    "Precision": "thresholds",
    "Recall": "thresholds",
    "TruePositives": "thresholds",
    "TrueNegatives": "thresholds",
    "FalsePositives": "thresholds",
    "FalseNegatives": "thresholds",
}
# Metrics that take probabilities unless `from_logits` says otherwise.
_SWITCHED = ("AUC", "BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy")
# Metrics that take probabilities alone.
_OF_PROBABILITIES = ("PrecisionAtRecall", "RecallAtPrecision", "SensitivityAtSpecificity", "SpecificityAtSensitivity")
_ACCURACY = ("accuracy", "acc")


def logits_faults(loss: Section, metrics: Sequence[Metric], *, key: str = "dataset.task.metrics") -> list[Fault]:
    """Return a fault for each metric that reads a model's outputs in another way than the loss.

    Keras's own `accuracy` compares the outputs of a binary cross-entropy with 0.5 (`keras.metrics.BinaryAccuracy`).
    The logit of the probability 0.5 is 0.

    Args:
        loss: The section of the loss.
        metrics: The metrics besides the loss.
        key: The key of the metrics. Default `dataset.task.metrics`.
    """
    name = keras_loss(loss)
    if not name or loss.get("from_logits") is not True:
        return []
    is_binary = name.startswith("Binary")
    found = (_fault(f"{key}.{i}", metric, is_binary=is_binary) for i, metric in enumerate(metrics))
    return [fault for fault in found if fault is not None]


def _fault(key: str, metric: Metric, *, is_binary: bool) -> Fault | None:
    section = metric if isinstance(metric, Mapping) else {}
    name = metric if isinstance(metric, str) else str(section.get("name"))
    module, _, kind = str(section.get("_target_")).rpartition(".")
    if isinstance(metric, str):
        is_fitting = name.lower() in _ACCURACY
        kind = ("BinaryAccuracy" if is_binary else "") if is_fitting else metric_names().get(metric, "")
    elif module != "keras.metrics":
        return None
    told = f"{{_target_: keras.metrics.{kind}, name: {name}"
    allowed = "a metric of logits, since the loss has from_logits=true"
    if kind in _SWITCHED and section.get("from_logits") is not True:
        return Fault(key=key, value=name, allowed=allowed, advice=f"Write {told}, from_logits: true}}.")
    argument = None if section.get("top_k") else _THRESHOLDS.get(kind)  # top_k compares outputs with one another
    if argument is not None and is_binary and section.get(argument) is None:
        because = f"{allowed}: its threshold is 0.5, and the logit of the probability 0.5 is 0"
        return Fault(key=key, value=name, allowed=because, advice=f"Write {told}, {argument}: 0.0}}.")
    if kind in _OF_PROBABILITIES or (argument is not None and section.get(argument) is None):
        advice = (
            "Choose another metric, or let the model return probabilities and set dataset.task.loss.from_logits=false."
        )
        return Fault(key=key, value=name, allowed=allowed, advice=advice)
    return None
