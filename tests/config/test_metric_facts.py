import inspect

import keras
import numpy as np
import pytest

from study.config.metric_facts import (
    LOSS,
    UNDIRECTED,
    UnusableMetric,
    facts_of,
    facts_of_objective,
    metric_names,
    recorded_facts,
)

# Functions that handle configs, and no metrics.
NO_METRICS = {"get", "serialize", "deserialize"}
LOSSES = sorted(name for name in dir(keras.losses) if not name.startswith("_") and name not in NO_METRICS)
METRICS = sorted(name for name in dir(keras.metrics) if not name.startswith("_") and name not in NO_METRICS)

_CLASSES = np.array([0, 1, 2, 1, 0, 2])
_ONE_HOT = np.eye(3, dtype="float32")[_CLASSES]
_NUMBERS = np.array([[1, 2, 4, 3], [5, 1, 2, 2], [1, 6, 2, 4]], dtype="float32")
_BITS = np.array([[0], [1], [1], [0], [1]], dtype="float32")
_SIGNS = 2 * _BITS - 1
# Targets, good outputs, bad outputs.
NUMBERS = (_NUMBERS, _NUMBERS + 0.1 * np.sin(_NUMBERS), _NUMBERS[:, ::-1] + 2)
BITS = (_BITS, 0.1 + 0.8 * _BITS, 0.9 - 0.8 * _BITS)
SIGNS = (_SIGNS, 0.9 * _SIGNS, -0.9 * _SIGNS)
ONE_HOT = (_ONE_HOT, 0.05 + 0.85 * _ONE_HOT, np.roll(0.05 + 0.85 * _ONE_HOT, 1, axis=1))
CLASSES = (_CLASSES, *ONE_HOT[1:])
LABELS = (_CLASSES, _CLASSES, (_CLASSES + 1) % 3)
TWO_LABELS = (_CLASSES % 2, _CLASSES % 2, 1 - _CLASSES % 2)
ARGUMENTS = {
    "TopKCategoricalAccuracy": {"k": 1},
    "SparseTopKCategoricalAccuracy": {"k": 1},
    "top_k_categorical_accuracy": {"k": 1},
    "sparse_top_k_categorical_accuracy": {"k": 1},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.8},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "IoU": {"num_classes": 2, "target_class_ids": [1]},
    "MeanIoU": {"num_classes": 3},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [1]},
    "OneHotMeanIoU": {"num_classes": 3},
    "categorical_generalized_cross_entropy": {"q": 0.5},
}
_OF_LABELS = {"Accuracy": LABELS, "MeanIoU": LABELS, "IoU": TWO_LABELS}
_OF_BITS = [
    "binary",
    "auc",
    "precision",
    "recall",
    "sensitivity",
    "specificity",
    "true_",
    "false_",
    "dice",
    "tversky",
    "kl_divergence",
    "kldivergence",
]


def data_of(name):
    """Return targets, good and bad outputs that a metric or a loss takes."""
    lower = keras.src.utils.naming.to_snake_case(name)
    if name in _OF_LABELS:
        return _OF_LABELS[name]
    if "sparse" in lower or "generalized" in lower:
        return CLASSES
    if "categorical" in lower or "one_hot" in lower or "f1" in lower or "f_beta" in lower:
        return ONE_HOT
    if "hinge" in lower:
        return SIGNS
    return BITS if any(part in lower for part in _OF_BITS) else NUMBERS


def measured(module, name, y, outputs):
    """Return the value of a metric or a loss, a class or a function."""
    thing, arguments = getattr(module, name), ARGUMENTS.get(name, {})
    if not inspect.isclass(thing):
        return float(np.mean(keras.ops.convert_to_numpy(thing(y, outputs, **arguments))))
    return float(np.mean(keras.ops.convert_to_numpy(thing(**arguments)(y, outputs))))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_keras_has_a_direction_or_a_reason(name):
    facts = facts_of(
        {"_target_": f"keras.metrics.{name}", "name": "score", **({"fn": len} if "Wrapper" in name else {})}
    )
    assert (facts.direction is None) == (name in UNDIRECTED) == bool(facts.reason)


@pytest.mark.parametrize("name", sorted({*METRICS} - {*UNDIRECTED}))
def test_the_better_of_two_outputs_is_better_in_the_direction_of_each_metric(name):
    y, good, bad = data_of(name)
    facts = facts_of({"_target_": f"keras.metrics.{name}", "name": "score"})
    values = [measured(keras.metrics, name, y, outputs) for outputs in (good, bad)]
    assert values[0] != values[1]
    assert facts.direction == ("maximize" if values[0] > values[1] else "minimize"), values
    if facts.is_share:
        assert 0 <= values[1] < values[0] <= 1


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_minimized(name):
    assert facts_of({"_target_": f"keras.losses.{name}", "name": "my_accuracy"}) == LOSS
    if name not in ("Loss", "CTC", "ctc", "Circle", "circle"):  # a base; sequences and embeddings need other data
        y, good, bad = data_of(name)
        assert measured(keras.losses, name, y, good) < measured(keras.losses, name, y, bad)


@pytest.mark.parametrize("name", sorted({name for name in METRICS if inspect.isclass(getattr(keras.metrics, name))}))
def test_directions_agree_with_those_that_keras_keeps(name):
    if name not in UNDIRECTED:
        theirs = getattr(getattr(keras.metrics, name)(**ARGUMENTS.get(name, {})), "_direction", None)
        own = facts_of({"_target_": f"keras.metrics.{name}", "name": "score"}).direction
        assert theirs in (None, {"maximize": "up", "minimize": "down"}[own])


def test_every_name_of_keras_is_known_with_its_class():
    theirs = {name: thing.__name__ for name, thing in keras.src.metrics.ALL_OBJECTS_DICT.items()}
    assert {name: known for name, known in metric_names().items() if name.lower() not in ("accuracy", "acc")} == {
        name: known for name, known in theirs.items() if name.lower() != "accuracy"
    }
    assert facts_of("acc") == facts_of("accuracy") == facts_of("ACC") == facts_of("BinaryAccuracy")
    assert {facts_of(name).direction for name in ("mse", "MSE", "msle", "mape", "kl_divergence", "bce")} == {
        "minimize"
    }


OWN = """
import keras


class ByAttribute(keras.metrics.Metric):
    direction = "minimize"

    def update_state(self, y_true, y_pred, sample_weight=None): pass

    def result(self): return 0.0


class Silent(ByAttribute):
    direction = None


class Wrong(ByAttribute):
    direction = "down"


class Share(ByAttribute):
    is_share = True


class LikeMse(keras.metrics.MeanSquaredError):
    pass


class Turned(keras.metrics.MeanSquaredError):
    direction = "maximize"


class OwnLoss(keras.losses.Loss):
    def call(self, y_true, y_pred): return y_pred


class Broken(keras.metrics.Metric):
    def __init__(self, name): raise RuntimeError("it broke")


class WrapsHuber(keras.metrics.MeanMetricWrapper):
    def __init__(self, name): super().__init__(keras.losses.huber, name=name)


def own(y_true, y_pred): return y_pred


def directed(y_true, y_pred): return y_pred


directed.direction = "minimize"


def wraps_function(name): return keras.metrics.MeanMetricWrapper(keras.losses.log_cosh, name=name)


def wraps_gain(name): return keras.metrics.MeanMetricWrapper(keras.metrics.categorical_accuracy, name=name)


def wraps_loss(name): return keras.metrics.MeanMetricWrapper(keras.losses.CosineSimilarity(), name=name)


def wraps_own(name): return keras.metrics.MeanMetricWrapper(own, name=name)


def wraps_directed(name): return keras.metrics.MeanMetricWrapper(directed, name=name)


def made_by_function(name): return keras.metrics.KLDivergence(name=name)


def a_loss(name): return keras.losses.Huber(name=name)


def says_it_late(name):
    made = Silent(name=name)
    made.direction = "maximize"
    return made
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_metrics.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_metrics", raising=False)
    return lambda name: {"_target_": f"own_metrics.{name}", "name": "accuracy"}


@pytest.mark.parametrize(
    ("name", "direction", "is_share"),
    [
        ("ByAttribute", "minimize", False),
        ("Share", "minimize", True),
        ("LikeMse", "minimize", False),
        ("Turned", "maximize", False),
        ("OwnLoss", "minimize", False),
        ("WrapsHuber", "minimize", False),
        ("wraps_function", "minimize", False),
        ("wraps_gain", "maximize", True),
        ("wraps_loss", "minimize", False),
        ("wraps_directed", "minimize", False),
        ("made_by_function", "minimize", False),
        ("a_loss", "minimize", False),
        ("says_it_late", "maximize", False),
        ("Silent", None, False),
        ("wraps_own", None, False),
    ],
)
def test_a_metric_of_the_user_says_its_direction_or_inherits_it(own, name, direction, is_share):
    facts = facts_of(own(name))
    assert (facts.direction, facts.is_share, bool(facts.reason)) == (direction, is_share, direction is None)


@pytest.mark.parametrize(
    ("name", "told"),
    [("Wrong", "direction is 'down', expected maximize or minimize"), ("Broken", "it broke"), ("Missing", "Missing")],
)
def test_a_metric_that_cannot_be_used_says_why(own, name, told):
    with pytest.raises(UnusableMetric, match=told):
        facts_of(own(name))


def test_an_objective_is_looked_up_by_name_in_the_workload():
    metrics = ["accuracy", {"_target_": "keras.metrics.MeanSquaredError", "name": "my_accuracy"}]
    found = {name: facts_of_objective(name, metrics) for name in ("val_accuracy", "val_my_accuracy", "my_accuracy")}
    assert {name: (facts.direction, facts.is_share) for name, facts in found.items()} == {
        "val_accuracy": ("maximize", True),
        "val_my_accuracy": ("minimize", False),
        "my_accuracy": ("minimize", False),
    }
    assert facts_of_objective("val_loss", metrics) == facts_of_objective("loss", metrics) == LOSS
    assert facts_of_objective("val_other", metrics).direction is None


def test_recorded_metrics_of_the_user_are_not_imported():
    assert recorded_facts("val_msle", ["msle"]).direction == "minimize"
    section = {"_target_": "no_such_module.Metric", "name": "score"}
    assert recorded_facts("val_score", [section]).direction is None
    assert recorded_facts("val_score", [{"_target_": "keras.metrics.Mean", "name": "score"}]).direction is None
