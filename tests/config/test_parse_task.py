"""The task of one output or of several: losses, metrics and weights, with the names that Keras gives them."""

import re

import keras
import numpy as np
import pytest

from study.config.parse_task import read_task
from study.config.reader import Reader
from study.config.task import Task
from study.core.errors import ConfigError
from study.training.compile_task import compile_arguments

SPARSE = {"_target_": "keras.losses.SparseCategoricalCrossentropy", "from_logits": True}
BINARY = {"_target_": "keras.losses.BinaryCrossentropy", "from_logits": True}
AT_ZERO = {"_target_": "keras.metrics.BinaryAccuracy", "name": "accuracy", "threshold": 0.0}
TOP = {"_target_": "keras.metrics.SparseTopKCategoricalAccuracy", "name": "top", "k": 2}
BOTH = {"digit": SPARSE, "is_odd": BINARY}
N = 12


def read(**task):
    reader = Reader({"dataset": {"task": task}})
    return read_task(reader, recorded=False), [str(fault) for fault in reader.faults]


def right(**task):
    found, faults = read(**task)
    assert faults == []
    return found


def net(kind):
    inputs = keras.Input((4,))
    outputs = {
        "digit": keras.layers.Dense(3, name="digit")(inputs),
        "is_odd": keras.layers.Dense(1, name="is_odd")(inputs),
    }
    if kind == "one":
        return keras.Model(inputs, outputs["digit"])
    if kind == "dict of one":
        return keras.Model(inputs, {"digit": outputs["digit"]})
    return keras.Model(inputs, tuple(outputs.values()) if kind == "tuple" else outputs)


def targets(kind):
    y = {"digit": np.arange(N) % 3, "is_odd": (np.arange(N) % 2).astype("float32")[:, None]}
    return {
        "one": y["digit"],
        "dict of one": {"digit": y["digit"]},
        "tuple": tuple(y.values()),
        "dict": y,
    }[kind]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("one", {"loss": SPARSE, "metrics": ["accuracy"], "weighted_metrics": ["accuracy", TOP]}),
        ("dict of one", {"loss": {"digit": SPARSE}, "metrics": {"digit": ["accuracy"]}}),
        ("dict of one", {"loss": {"digit": SPARSE}, "weighted_metrics": {"digit": ["accuracy"]}}),
        *(
            (kind, {"loss": BOTH, **more})
            for kind in ("dict", "tuple")
            for more in (
                {},
                {"metrics": {"digit": ["accuracy"], "is_odd": [AT_ZERO]}},
                {
                    "metrics": {"digit": ["accuracy", TOP]},
                    "weighted_metrics": {"digit": ["accuracy"], "is_odd": ["mse"]},
                },
                {"loss_weights": {"is_odd": 0.5}, "weighted_metrics": {"is_odd": [AT_ZERO]}},
            )
        ),
    ],
)
def test_the_names_are_those_of_keras(kind, task, weighted):
    task, model = right(**task), net(kind)
    model.compile("sgd", **compile_arguments(task))
    x, y = np.zeros((N, 4), "float32"), targets(kind)
    weight = np.ones(N, "float32") if weighted else None
    history = model.fit(x, y, sample_weight=weight, validation_data=(x, y), verbose=0).history
    assert sorted(history) == sorted(task.metric_names)


def test_a_missing_loss_weight_is_one():
    task = right(loss=BOTH, loss_weights={"is_odd": 0.5})
    assert compile_arguments(task)["loss_weights"] == {"digit": 1.0, "is_odd": 0.5}
    assert "loss_weights" not in compile_arguments(right(loss=BOTH))


def test_a_metric_is_found_by_the_name_of_keras():
    loss = {"_target_": "keras.losses.Huber", "name": "score"}
    accuracy = {"_target_": "keras.metrics.BinaryAccuracy", "name": "score", "threshold": 0.0}
    task = right(loss=BOTH, metrics={"is_odd": [accuracy]}, weighted_metrics={"is_odd": [loss]})
    plain, weighted = (task.find_watched(f"val_is_odd_{name}") for name in ("score", "weighted_score"))
    assert (plain.metric, plain.output, plain.is_weighted) == (accuracy, "is_odd", False)
    assert (weighted.metric, weighted.output, weighted.is_weighted) == (loss, "is_odd", True)
    assert task.find_watched("is_odd_loss").metric is None
    assert task.find_watched("val_score") is None


def test_targets_in_a_tuple_are_in_the_order_of_the_losses():
    task = Task(loss=BOTH, metrics={})
    assert [task.takes_classes(place) for place in ("y.digit", "y.is_odd", "y.0", "y.1", "y.2")] == [
        *(True, False),
        *(True, False),
        False,
    ]
    assert not task.has_classes
    assert Task(loss=SPARSE, metrics=()).has_classes


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (
            {"loss": {0: SPARSE, "b": BINARY}},
            "dataset.task.loss.0=keras.losses.SparseCategoricalCrossentropy: expected the",
        ),
        ({"loss": {"a.b": SPARSE}}, "expected the name of an output"),
        ({"loss": {"final": SPARSE, "digit": SPARSE}}, "dataset.task.loss=final_loss: expected names of outputs that"),
        ({"loss": {"test": SPARSE, "digit": SPARSE}}, "dataset.task.loss=test_loss: expected names of outputs"),
        ({"loss": {"val": SPARSE, "digit": SPARSE}}, "dataset.task.loss=val_loss: expected names of outputs"),
        (
            {"loss": {"a": SPARSE, "a_b": SPARSE}, "metrics": {"a": [{**TOP, "name": "b_top"}], "a_b": [TOP]}},
            "dataset.task.loss=a_b_top: expected losses and metrics of different names: 2 of them",
        ),
        (
            {
                "loss": SPARSE,
                "metrics": ["accuracy", {**TOP, "name": "weighted_accuracy"}],
                "weighted_metrics": ["accuracy"],
            },
            "dataset.task.weighted_metrics=weighted_accuracy: expected losses and metrics of different names",
        ),
        (
            {"loss": BOTH, "metrics": ["accuracy"]},
            "expected a list of metrics for each output, since loss has several",
        ),
        (
            {"loss": BOTH, "weighted_metrics": {"odd": []}},
            "dataset.task.weighted_metrics.odd=[]: expected an output of",
        ),
        ({"loss": BOTH, "metrics": {"is_odd": [{**AT_ZERO, "threshold": 0.5}]}}, None),
        (
            {"loss": BOTH, "metrics": {"is_odd": ["accuracy"]}},
            "dataset.task.metrics.is_odd.0=accuracy: expected a metric of",
        ),
        (
            {"loss": BOTH, "loss_weights": {"odd": 1.0}},
            "dataset.task.loss_weights.odd=1.0: expected an output of loss:",
        ),
        ({"loss": BOTH, "loss_weights": {"digit": "much"}}, "dataset.task.loss_weights.digit=much: expected a finite"),
        ({"loss": SPARSE, "loss_weights": {"digit": 1.0}}, "expected no value for a single loss"),
        (
            {"loss": {**BOTH, "is_odd": {**BINARY, "logits": 1}}},
            "dataset.task.loss.is_odd.logits=1: expected an argument",
        ),
        ({"loss": SPARSE, "class_weight": "even"}, "dataset.task.class_weight=even: expected balanced, or weights by"),
        ({"loss": SPARSE, "class_weight": {"a": 1}}, "dataset.task.class_weight.a=1: expected class indices as keys"),
        ({"loss": SPARSE, "class_weight": {0: -1}}, "dataset.task.class_weight.0=-1: expected a finite number of at"),
        ({"loss": SPARSE, "class_weight": {0: float("nan")}}, "dataset.task.class_weight.0=nan: expected a finite"),
        ({"loss": BOTH, "class_weight": "balanced"}, "expected weights by the name of an output: digit, is_odd"),
        ({"loss": BOTH, "class_weight": {"odd": "balanced"}}, "expected weights by the name of an output"),
        ({"loss": BOTH, "class_weight": {"digit": {"x": 1}}}, "dataset.task.class_weight.digit.x=1: expected class"),
    ],
)
def test_a_fault_of_a_task_is_named(task, told):
    _, faults = read(**task)
    if told is None:
        assert faults == []
    else:
        assert len(faults) == 1
        assert told in faults[0], faults


@pytest.mark.parametrize("given", ["balanced", {0: 1.0, 1: 20}, {"0": 1.0}])
def test_class_weights_of_one_output(given):
    assert right(loss=SPARSE, class_weight=given).class_weight == given


def test_class_weights_of_several_outputs():
    given = {"digit": "balanced", "is_odd": {0: 1, 1: 3}}
    assert right(loss=BOTH, class_weight=given).class_weight == given


@pytest.mark.parametrize(
    ("metric", "direction", "is_share"),
    [("val_digit_accuracy", "maximize", True), ("val_is_odd_loss", "minimize", False), ("loss", "minimize", False)],
)
def test_an_objective_is_any_loss_or_metric(compose, metric, direction, is_share):
    config = compose(*several(), f"objective.metric={metric}")
    assert (config.objective.direction, config.objective.is_share) == (direction, is_share)


def test_an_objective_that_no_output_has_is_refused(compose):
    with pytest.raises(ConfigError, match=re.escape("Did you mean val_digit_accuracy")):
        compose(*several(), "objective.metric=val_digit_acuracy")


def test_the_keys_of_several_outputs_change_the_identity(compose):
    plain = compose("dataset=digits")
    weighted = compose("dataset=digits", "+dataset.task.class_weight=balanced")
    assert plain.typed_digest != weighted.typed_digest
    halved = compose(*several(), "objective.metric=loss", "+dataset.task.loss_weights={digit:0.5}")
    assert halved.typed_digest != compose(*several(), "objective.metric=loss").typed_digest


def several():
    """Return words that give the digits two outputs."""
    return (
        "dataset=digits",
        "~dataset.task.loss",
        "+dataset.task.loss={digit:{_target_:keras.losses.SparseCategoricalCrossentropy,from_logits:true},"
        "is_odd:{_target_:keras.losses.BinaryCrossentropy,from_logits:true}}",
        "~dataset.task.metrics",
        "+dataset.task.metrics={digit:[accuracy]}",
    )
