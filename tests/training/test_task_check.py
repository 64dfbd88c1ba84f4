"""Models, losses and metrics that do not fit together are told before the first trial, without computing anything."""

import dataclasses

import keras
import numpy as np
import pytest

from study.config.schema import Component
from study.config.task import Task
from study.core.errors import ConfigError
from study.core.trainer_interface import Trial
from study.datasets import Dataset, Split
from study.training import task_check
from study.training.fit.trainer import FitTrainer
from study.training.initial_weights import numpy_state
from study.training.task_check import task_faults

SPARSE = {"_target_": "keras.losses.SparseCategoricalCrossentropy", "from_logits": True}
CATEGORICAL = {**SPARSE, "_target_": "keras.losses.CategoricalCrossentropy"}
BINARY = {**SPARSE, "_target_": "keras.losses.BinaryCrossentropy"}
SQUARED = {"_target_": "keras.losses.MeanSquaredError"}
LABELS = np.arange(6, dtype=np.int32) % 3
ROWS = np.eye(3, dtype=np.float32)[LABELS]


@pytest.fixture(scope="module")
def base(compose_quick, tmp_path_factory):
    return compose_quick("optimizer=sgd", folder=tmp_path_factory.mktemp("config"))


def data(y, *, n_outputs=3):
    some = Split(x=np.zeros((len(y), 4, 2), np.float32), y=y)
    return Dataset(name="mine", source="made", train=some, validation=some, test=some, n_outputs=n_outputs)


def told(base, y, *, loss=SPARSE, metrics=(), n_outputs=3, model="dense", **arguments):
    section = {"_target_": f"task_cases.{model}", **arguments}
    config = dataclasses.replace(
        base, model=Component(name=model, section=section), task=Task(loss=loss, metrics=tuple(metrics))
    )
    return [str(fault) for fault in task_faults(config, data(y, n_outputs=n_outputs))]


def metric(kind, **arguments):
    return {"_target_": kind if "." in kind else f"keras.metrics.{kind}", "name": "m", **arguments}


@pytest.mark.parametrize("model", ["dense", "only_call"])
@pytest.mark.parametrize(
    ("y", "loss", "n_outputs", "metrics"),
    [
        (LABELS, SPARSE, 3, ("accuracy", metric("SparseTopKCategoricalAccuracy", k=2))),
        (LABELS[:, None], SPARSE, 3, ()),
        (LABELS.astype(np.float64), SPARSE, 3, ("accuracy",)),
        (ROWS, CATEGORICAL, 3, ("accuracy", metric("F1Score", average="macro"))),
        (ROWS, BINARY, 3, (metric("BinaryAccuracy", threshold=0.0),)),
        (ROWS[:, 0], BINARY, 1, ()),
        (ROWS, SQUARED, 3, ("mae",)),
        (ROWS[:, 0], SQUARED, 1, ("mae", "r2_score")),
        (ROWS[:, :1], SQUARED, 1, (metric("task_cases.distance"),)),
    ],
)
def test_what_fits_together_has_no_fault(base, model, y, loss, n_outputs, metrics):
    assert told(base, y, loss=loss, n_outputs=n_outputs, metrics=metrics, model=model) == []


def test_one_hot_targets_with_a_sparse_loss(base):
    (fault,) = told(base, ROWS)
    assert fault == (
        "train.y=shape (3,): expected class indices of shape () for each example, since the loss is "
        "SparseCategoricalCrossentropy. Let load() return labels as class indices (y.argmax(axis=-1)), or set "
        "dataset.task.loss._target_=keras.losses.CategoricalCrossentropy."
    )


def test_class_indices_with_a_loss_of_rows(base):
    (fault,) = told(base, LABELS, loss=CATEGORICAL)
    assert fault.startswith("model=dense: expected a model whose output has the shape of a target, (); it has (3,).")
    assert fault.endswith("set dataset.task.loss._target_=keras.losses.SparseCategoricalCrossentropy.")


@pytest.mark.parametrize(("extra", "width"), [(2, 5), (-1, 2)])
def test_a_model_wider_or_narrower_than_its_classes(base, extra, width):
    (fault,) = told(base, LABELS, extra=extra)
    assert fault.startswith(
        f"model=dense: expected a model with as many outputs as there are classes, 3; it has {width}. Build the last"
    )


@pytest.mark.parametrize("y", [ROWS, ROWS[:, :2]], ids=["(3,) beside (1,)", "(2,) beside (1,)"])
def test_targets_that_keras_would_stretch_over_the_outputs(base, y):
    (fault,) = told(base, y, loss=SQUARED, n_outputs=1)
    assert fault.startswith(
        f"model=dense: expected a model whose output has the shape of a target, ({y.shape[1]},); it"
    )


@pytest.mark.parametrize("last", ["Dense", "Softmax", "inside", "Activation"])
@pytest.mark.parametrize("model", ["dense", "only_call"])
def test_probabilities_for_a_loss_of_logits(base, last, model):
    places = {} if model == "only_call" else {"last": last}
    (fault,) = told(base, LABELS, model=model, activation="softmax", **places)
    assert fault.startswith(
        f"dataset.task.loss.from_logits=true: expected false, since the last activation of model={model} is softmax: "
        "its outputs are probabilities. Set dataset.task.loss.from_logits=false, or"
    )
    probabilities = {**SPARSE, "from_logits": False}
    assert told(base, LABELS, model=model, loss=probabilities, activation="softmax", **places) == []


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
def test_logits_for_a_loss_of_probabilities(base, activation):
    (fault,) = told(base, LABELS, loss={"_target_": SPARSE["_target_"]}, activation=activation)
    assert fault.startswith("dataset.task.loss.from_logits=false: expected true, since the last activation of")
    assert told(base, LABELS, loss=SPARSE, activation=activation) == []


def test_a_softmax_over_one_output(base):
    loss = {**BINARY, "from_logits": False}
    (fault,) = told(base, ROWS[:, 0], loss=loss, n_outputs=1, activation="softmax")
    assert fault.startswith(
        "model=dense: expected a model with more outputs than one for a softmax, which is always 1"
    )
    assert told(base, ROWS[:, 0], loss=loss, n_outputs=1, activation="sigmoid") == []


def test_targets_in_float64_with_a_metric_of_ones_own(base):
    y = ROWS[:, 0].astype(np.float64)
    (fault,) = told(base, y, loss=SQUARED, n_outputs=1, metrics=[metric("task_cases.distance")])
    assert fault.startswith(
        "dataset.task.metrics.0=m: expected a metric that can be computed from targets of shape (), float64, and "
        "outputs of shape (1,), float32; it raises "
    )
    assert "(difference in task_cases.py, line " in fault
    assert fault.endswith("Targets of another type: keras.ops.cast(y_true, y_pred.dtype).")


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (
            [metric("F1Score")],
            "dataset.task.metrics.0=m: expected a metric of one number; its result has the shape (3,)",
        ),
        (
            [metric("task_cases.Renamed")],
            "dataset.task.metrics.0=m: expected a metric that keeps its name; it calls itself",
        ),
        (
            ["mae", metric("MeanIoU")],
            "dataset.task.metrics.1=m: expected a metric that can be computed from targets of",
        ),
        ([metric("AUC", num_thresholds=0)], "dataset.task.metrics.0=m: expected a metric that can be computed from"),
    ],
)
def test_metrics_that_cannot_be_used(base, metrics, expected):
    (fault,) = told(base, ROWS, loss=CATEGORICAL, metrics=metrics)
    assert fault.startswith(expected)


def test_all_faults_are_told_at_once(base):
    found = told(base, ROWS[:, 0], loss={"_target_": "task_cases.square"}, metrics=[metric("Nope"), metric("F1Score")])
    assert [fault.split("=")[0] for fault in found] == ["dataset.task.metrics.0", "dataset.task.metrics.1"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "for_other_data",
            "model=for_other_data: expected a model that takes inputs of shape (4, 2), float32: it raises ValueError",
        ),
        (
            "two_outputs",
            "model=two_outputs: expected a model with one output, not a list of 2. Return one output from the",
        ),
        ("frozen", "model=frozen: expected a model with trainable weights. Set trainable=True for a layer."),
    ],
)
def test_models_that_cannot_be_trained(base, model, expected):
    (fault,) = told(base, LABELS, model=model)
    assert fault.startswith(expected)


def test_a_function_that_returns_no_model_is_named(base):
    expected = "model=nothing: expected a function that returns a keras.Model; task_cases.nothing returns NoneType"
    with pytest.raises(ConfigError, match=expected):
        told(base, LABELS, model="nothing")


def test_a_model_with_a_training_step_of_its_own_is_left_alone(base, monkeypatch):
    monkeypatch.setattr(task_check.keras.Model, "train_step", lambda *_: {})
    monkeypatch.setattr(keras.src.models.Functional, "train_step", lambda *_: {}, raising=False)
    monkeypatch.setattr(keras.src.models.Functional, "test_step", lambda *_: {}, raising=False)
    assert told(base, ROWS) == []


def test_the_check_changes_no_number_of_a_training(base):
    x = np.random.default_rng(0).normal(size=(6, 4, 2)).astype(np.float32)
    some = Split(x=x, y=LABELS)
    digits = dataclasses.replace(data(LABELS), train=some, validation=some, test=some)
    section = {"_target_": "task_cases.only_call"}
    task = Task(loss=SPARSE, metrics=("accuracy",))
    config = dataclasses.replace(base, model=Component(name="only_call", section=section), task=task)
    arguments = {"backend": "tensorflow", "batch_size": 4, "eval_batch_size": 4, "precision": "float32"}
    point = {"hyperparameters": {"learning_rate": 0.01}, "run_seed": 1, "order_seed": 0}
    results = []
    for checked in (False, True):
        before = numpy_state()
        assert not checked or task_faults(config, digits) == []
        assert numpy_state() == before
        trainer = FitTrainer(config, digits, **arguments, jit_compile=False)
        results += trainer.train([Trial(number=0, **point, test=True, keep_weights=True)], lambda *_: True)
    first, second = results
    assert first.state == "complete", first.error
    assert first.history == second.history
    for mine, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_loss_that_grows_with_the_batch_is_told(base):
    own = {"_target_": "task_cases.SquaredLoss"}
    for over in ("", "mean"):
        assert told(base, ROWS, loss={**own, "over": over}) == []
    (fault,) = told(base, ROWS, loss={**own, "over": "sum"})
    assert fault.startswith("dataset.task.loss=task_cases.SquaredLoss: expected a loss of one number per example")
    assert "its value is 2 times as large. Return one number per example" in fault
    assert told(base, ROWS, loss=SQUARED) == []


def test_a_metric_that_keeps_what_it_has_counted_is_told(base):
    assert told(base, ROWS, loss=SQUARED, metrics=[metric("task_cases.Kept")]) == []
    for kept in ("total", "total count"):
        (fault,) = told(base, ROWS, loss=SQUARED, metrics=[metric("task_cases.Kept", kept=kept)])
        assert fault.startswith("dataset.task.metrics.0=m: expected a metric that begins anew at every epoch and data")
        assert f"its reset_state() leaves {kept.replace(' ', ', ')} as it is" in fault


def test_a_metric_whose_result_is_no_number_is_told(base):
    (fault,) = told(base, ROWS, loss=SQUARED, metrics=[metric("task_cases.Kept", returned="none")])
    assert fault.startswith("dataset.task.metrics.0=m: expected a metric")
    (fault,) = told(base, ROWS, loss=SQUARED, metrics=[metric("task_cases.Kept", returned="dict")])
    assert fault.startswith("dataset.task.metrics.0=m: expected a metric")


AT_ZERO = {"_target_": "keras.metrics.BinaryAccuracy", "name": "accuracy", "threshold": 0.0}
SEVERAL = {"digit": SPARSE, "odd": BINARY}
ODD = (LABELS % 2).astype(np.float32)[:, None]
TARGETS = {"digit": LABELS, "odd": ODD}


def told_of_several(base, y=None, *, weight=None, loss=None, metrics=None, weighted=None, n_outputs=None, **arguments):
    y = TARGETS if y is None else y
    arguments = {"_target_": "task_cases.several", **arguments}
    task = Task(loss=loss or SEVERAL, metrics=metrics or {}, weighted_metrics=weighted or {})
    config = dataclasses.replace(base, model=Component(name="several", section=arguments), task=task)
    whole = data(LABELS, n_outputs=n_outputs or ({"digit": 3, "odd": 1} if isinstance(y, dict) else (3, 1)))
    some = dataclasses.replace(whole.train, y=y, sample_weight=weight)
    return [str(fault) for fault in task_faults(config, dataclasses.replace(whole, train=some))]


@pytest.mark.parametrize("form", ["dict", "tuple", "list"])
@pytest.mark.parametrize("weights", ["none", "one", "each"])
def test_several_outputs_that_fit_have_no_fault(base, form, weights):
    one = np.ones(6, np.float32)
    y = TARGETS if form == "dict" else tuple(TARGETS.values())
    each = {"digit": one, "odd": one} if form == "dict" else (one, one)
    weight = {"none": None, "one": one, "each": each}[weights]
    metrics = {"digit": ("accuracy",), "odd": (AT_ZERO,)}
    assert told_of_several(base, y, form=form, weight=weight, metrics=metrics, weighted=metrics) == []


@pytest.mark.parametrize(
    ("y", "arguments", "expected"),
    [
        (
            None,
            {"names": ["digit", "even"]},
            ["model=several: expected a model that returns a dict of digit, odd, as dataset.task.loss has; these are"],
        ),
        (None, {"names": ["digit"]}, ["these are digit. Correct the names, or those of dataset.task.loss."]),
        (
            {**TARGETS, "extra": ODD},
            {"names": ["digit", "odd"]},
            ["train.y=a dict of 3: expected targets in a dict of digit, odd, as dataset.task.loss has;"],
        ),
        (
            tuple(TARGETS.values()),
            {"form": "tuple", "names": ["odd", "digit"]},
            ["expected output layers of the names that dataset.task.loss has, in this order: digit, odd; they"],
        ),
        (None, {"form": "tuple"}, ["train.y=a dict of 2: expected a tuple of targets in the order of the model's"]),
        (
            tuple(TARGETS.values()),
            {"form": "dict"},
            ["train.y=a tuple of 2: expected targets in a dict with the names of dataset.task.loss: digit, odd."],
        ),
        (None, {"form": "deep"}, ["model=several: expected a model that returns a dict with the names of"]),
        (
            tuple(TARGETS.values()),
            {"_target_": "task_cases.pair"},
            ["expected a model that returns a dict with the names of dataset.task.loss: digit, odd; it returns a"],
        ),
        (
            None,
            {"_target_": "task_cases.single"},
            ["expected a model that returns a dict with the names of dataset.task.loss: digit, odd; it returns a"],
        ),
        (
            None,
            {"extra": 2},
            ["model=several: expected a model with as many outputs digit as there are classes, 3; it"],
        ),
        (
            {**TARGETS, "digit": ROWS},
            {},
            ["train.y.digit=shape (3,): expected class indices of shape () for each example, since the loss is"],
        ),
        (
            None,
            {"activation": "softmax"},
            ["dataset.task.loss.digit.from_logits=true: expected false, since the last activation of model=several"],
        ),
        (
            tuple(TARGETS.values()),
            {"activation": "softmax", "form": "tuple"},
            ["dataset.task.loss.digit.from_logits=true: expected false, since the last activation of model=several"],
        ),
    ],
)
def test_outputs_targets_and_losses_that_differ_are_told(base, y, arguments, expected):
    n_outputs = {"digit": 3, "odd": 1, "extra": 1} if isinstance(y, dict) and "extra" in y else None
    found = told_of_several(base, y, n_outputs=n_outputs, **arguments)
    assert len(found) == len(expected), found
    assert all(part in fault for part, fault in zip(expected, found, strict=True)), found


@pytest.mark.parametrize("kind", ["metrics", "weighted"])
def test_a_metric_of_one_output_that_cannot_be_computed(base, kind):
    wrong = metric("task_cases.never")
    (fault,) = told_of_several(base, **{kind: {"odd": (wrong,)}})
    assert fault.startswith(
        f"dataset.task.{'weighted_' * (kind == 'weighted')}metrics.odd.0=m: expected a metric that"
    )


def test_a_metric_that_takes_no_sample_weights(base):
    unweighted = {"odd": (metric("task_cases.Unweighted"),)}
    weight = np.ones(6, np.float32)
    assert told_of_several(base, metrics=unweighted, weight=weight) == []
    assert told_of_several(base, weighted=unweighted) == []
    (fault,) = told_of_several(base, weighted=unweighted, weight=weight)
    assert fault.startswith("dataset.task.weighted_metrics.odd.0=m: expected a metric that can be computed from")


def test_a_loss_of_one_number_for_a_batch_ignores_sample_weights(base):
    loss = {"digit": SPARSE, "odd": {"_target_": "task_cases.SquaredLoss", "over": "mean"}}
    assert told_of_several(base, loss=loss) == []
    (fault,) = told_of_several(base, loss=loss, weight=np.ones(6, np.float32))
    assert "dataset.task.loss.odd=task_cases.SquaredLoss: expected a loss of one number per example, since" in fault
