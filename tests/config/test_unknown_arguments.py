"""Losses and metrics that do not exist, or have a wrong argument, are told before anything is loaded."""

import pytest

from study.config.unknown_arguments import section_faults
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
            "reduction, axis, name, dtype. Did you mean dataset.task.loss.from_logits?",
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
