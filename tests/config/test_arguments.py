"""Losses and metrics that do not exist, or have a wrong argument, are told before anything is loaded."""

import sys

import pytest

from study.config.arguments import section_faults
from study.core.errors import ConfigError

LOSS = "keras.losses.SparseCategoricalCrossentropy"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["dataset.task.loss._target_=keras.losses.SparseCategoricalCrossEntropy"],
            "expected an importable object (module 'keras.losses' has no attribute 'SparseCategoricalCrossEntropy'). "
            "Did you mean SparseCategoricalCrossentropy",
        ),
        (
            ["+dataset.task.loss.from_logit=true"],
            f"dataset.task.loss.from_logit=true: expected an argument of {LOSS}: from_logits, ignore_class, "
            "reduction, axis, name, dtype, label_smoothing. Did you mean dataset.task.loss.from_logits?",
        ),
        (["dataset.task.loss.from_logits=abc"], "dataset.task.loss.from_logits=abc: expected true or false."),
        (["+dataset.task.loss.axis=last"], "dataset.task.loss.axis=last: expected a finite number."),
        (["+dataset.task.loss.reduction=3"], "dataset.task.loss.reduction=3: expected a text."),
        (
            ["dataset.task.metrics=[{_target_: keras.metrics.MeanIou, name: m}]"],
            "dataset.task.metrics.0._target_=keras.metrics.MeanIou: expected an importable object",
        ),
        (
            ["dataset.task.metrics=[accuracy, {_target_: keras.metrics.TopKCategoricalAccuracy, name: m, kk: 3}]"],
            "dataset.task.metrics.1.kk=3: expected an argument of keras.metrics.TopKCategoricalAccuracy: k, name",
        ),
    ],
)
def test_losses_and_metrics_that_cannot_be_made(compose, tmp_path, words, told):
    with pytest.raises(ConfigError) as raised:
        compose(*words)
    assert told in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_the_faults_of_loss_and_metrics_are_told_together(compose):
    metrics = (
        "dataset.task.metrics=[{_target_: keras.metrics.Nope, name: m}, {_target_: keras.metrics.AUC, name: n, a: 1}]"
    )
    with pytest.raises(ConfigError, match="5 faults"):
        compose("dataset.task.loss._target_=keras.losses.Nope", metrics)


@pytest.mark.parametrize(
    ("section", "n"),
    [
        ({"_target_": LOSS, "from_logits": True}, 0),
        ({"_target_": LOSS, "name": None, "reduction": None}, 0),
        ({"_target_": "keras.metrics.AUC", "name": "m", "num_thresholds": 20}, 0),
        ({"_target_": "keras.losses.Loss", "name": "a"}, 0),
        ({"_target_": LOSS, "from_logits": None, "axis": True, "b": 1}, 3),
        ({}, 1),
        ({"_target_": None}, 1),
    ],
)
def test_sections(section, n):
    assert len(section_faults("dataset.task.loss", section)) == n


def test_a_target_that_takes_any_argument_is_not_asked(tmp_path, monkeypatch):
    (tmp_path / "open_losses.py").write_text("def make(name=None, **others):\n    return others\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert section_faults("dataset.task.loss", {"_target_": "open_losses.make", "anything": 2}) == []


OWN = """
from __future__ import annotations
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal
import keras
if TYPE_CHECKING:
    import unknown

def build(
    input_shape: tuple[int, ...], n_outputs: int, *,
    variant: str = "good", width: int = 8, rate: float = 0.0, skip: bool = False, sizes: Sequence[int] = (8,),
    act: Literal["relu", "tanh"] = "relu", seed: int = None, part: unknown.Part = None, layer: keras.Layer = None,
    bare="good", flag=False, count=3, anything=None, hidden=(), l2=0.0,
):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Dense(n_outputs)(keras.layers.Flatten()(inputs)))

class Loss(keras.losses.Loss):
    def __init__(self, *, weighted: bool, name="loss"):
        super().__init__(name=name)

    def call(self, y_true, y_pred):
        return y_pred[:, 0]
"""


@pytest.fixture
def own_net(tmp_path, monkeypatch):
    """Write a module with a model that has arguments of every type, and return the word that chooses it."""
    (tmp_path / "own_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "model._target_=own_nets.build"
    sys.modules.pop("own_nets", None)


def given(own_net, argument):
    return ["model=linear", own_net, f"+model.{argument}"]


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        (
            "variant=nan",
            "expected a text. A text that looks like another value stands in quotes: \"model.variant='nan'\".",
        ),
        ("variant=true", "expected a text."),
        ("variant=3", "expected a text."),
        ("variant=null", "expected a text."),
        ("skip=off", "expected true or false. Correct model.skip."),
        ("skip='false'", "expected true or false."),
        ("skip=1", "expected true or false."),
        ("width=true", "expected a whole number."),
        ("width=1e3", "expected a whole number."),
        ("width='\"8\"'", "expected a whole number."),
        ("rate=abc", "expected a number."),
        ("rate=false", "expected a number."),
        ("sizes=8", "expected a list"),
        ("sizes=[8,true]", "expected a list"),
        ("act=rleu", "expected one of relu, tanh."),
        ("bare=nan", "expected a text."),
        ("bare=false", "expected a text."),
        ("flag=no", "expected true or false."),
        ("count=true", "expected a number."),
    ],
)
def test_a_value_of_another_type_than_its_argument_has(compose, own_net, argument, told):
    with pytest.raises(ConfigError) as raised:
        compose(*given(own_net, argument))
    assert len(raised.value.faults) == 1
    assert str(raised.value).count(f"model.{argument.partition('=')[0]}=") >= 1
    assert told in str(raised.value)


@pytest.mark.parametrize(
    "argument",
    [
        "variant='\"nan\"'",
        "width=16",
        "rate=1",
        "rate=.5",
        "skip=true",
        "sizes=[8,4]",
        "sizes=[]",
        "act=tanh",
        "seed=null",
        "seed=4",
        "part=anything",
        "layer=dense",
        "bare=3",
        "bare=null",
        "flag=2",
        "count=2.5",
        "count=null",
        "anything=true",
    ],
)
def test_a_value_that_may_be_meant(compose, own_net, argument):
    assert argument.partition("=")[0] in compose(*given(own_net, argument)).model.section


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["sampler=tpe", "+sampler.multivariate=no"], "sampler.multivariate=no"),
        (["pruner=median", "+pruner.n_warmup_steps=true"], "pruner.n_warmup_steps=true"),
        (["dataset=toy_regression", "dataset.n_train=true"], "dataset.n_train=true"),
        (
            [
                "dataset=landscape",
                "model=bowl",
                "optimizer=sgd",
                "model.function={_target_: own_nets.build, skip: no}",
            ],
            "model.function.skip=no",
        ),
    ],
)
@pytest.mark.usefixtures("own_net")
def test_a_value_of_another_type_in_any_section(compose, words, key):
    with pytest.raises(ConfigError, match=key):
        compose(*words)


@pytest.mark.usefixtures("own_net")
def test_a_value_of_another_type_for_a_loss_of_ones_own():
    (fault,) = section_faults("dataset.task.loss", {"_target_": "own_nets.Loss", "weighted": "no"})
    assert str(fault) == "dataset.task.loss.weighted=no: expected true or false. Correct dataset.task.loss.weighted."
    assert section_faults("dataset.task.loss", {"_target_": "own_nets.Loss", "weighted": False}) == []


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("keras.losses.SparseCategoricalCrossentropy", "ignore_class"),
        ("keras.metrics.MeanIoU", "ignore_class"),
        ("keras.metrics.Precision", "class_id"),
        ("keras.metrics.Recall", "top_k"),
    ],
)
def test_an_index_of_a_class_is_a_whole_number(target, name):
    given = {"_target_": target, **({"num_classes": 3} if target.endswith("IoU") else {})}
    for value in (5.5, "abc", True, [1]):
        (fault,) = section_faults("dataset.task.loss", {**given, name: value})
        assert fault.key == f"dataset.task.loss.{name}"
        assert fault.allowed == "a whole number, or null"
        assert fault.advice == f"Correct dataset.task.loss.{name}."
    for value in (None, 2, -1):
        assert section_faults("dataset.task.loss", {**given, name: value}) == []
