"""Losses and metrics of several outputs in a training: the names of Keras, the same numbers for dict and tuple."""

import dataclasses

import numpy as np
import pytest
import training_workload as workload
from training_workload import keep_going, make_config, make_trial

from study.config.schema import Component
from study.config.task import Task
from study.datasets import Split
from study.training.fit.trainer import FitTrainer

BINARY = {"_target_": "keras.losses.BinaryCrossentropy", "from_logits": True}
AT_ZERO = {"_target_": "keras.metrics.BinaryAccuracy", "name": "accuracy", "threshold": 0.0}
TASK = Task(
    loss={"digit": workload.LOSS, "odd": BINARY},
    metrics={"digit": ("accuracy",), "odd": (AT_ZERO,)},
    weighted_metrics={"digit": ("accuracy",), "odd": ()},
    loss_weights={"odd": 0.5},
)


def several(split, *, form, weighted):
    y = {"digit": split.y, "odd": (split.y % 2).astype(np.float32)[:, None]}
    weight = {"digit": np.linspace(0, 2, len(split), dtype=np.float32), "odd": np.ones(len(split), np.float32)}
    if form == "tuple":
        y, weight = tuple(y.values()), tuple(weight.values())
    return Split(x=split.x, y=y, sample_weight=weight if weighted else None)


def train(form, *, weighted):
    digits = workload.digits()
    splits = {
        name: several(getattr(digits, name), form=form, weighted=weighted) for name in ("train", "validation", "test")
    }
    n_outputs = {"digit": 10, "odd": 1} if form == "dict" else (10, 1)
    dataset = dataclasses.replace(digits, **splits, n_outputs=n_outputs)
    section = {"_target_": "task_cases.several", "form": form}
    config = dataclasses.replace(make_config(), task=TASK, model=Component(name="several", section=section))
    trainer = FitTrainer(
        config,
        dataset,
        backend=config.backend,
        batch_size=32,
        eval_batch_size=50,  # batches of one size: Keras on TensorFlow does not weigh an output's loss by theirs
        precision="float32",
        jit_compile="auto",
    )
    return trainer.train([make_trial(learning_rate=0.1, test=True)], keep_going)[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_outputs_in_a_dict_and_in_a_tuple_give_the_same_numbers(weighted):
    by_name, by_position = (train(form, weighted=weighted) for form in ("dict", "tuple"))
    assert by_name.error is None
    assert sorted(by_name.history) == sorted(TASK.metric_names)
    assert by_position.history == by_name.history
    last = {name: values[-1] for name, values in by_name.history.items()}
    assert last["val_loss"] == pytest.approx(last["val_digit_loss"] + 0.5 * last["val_odd_loss"], rel=1e-5)
    differ = last["val_digit_weighted_accuracy"] != last["val_digit_accuracy"]
    assert differ == weighted
