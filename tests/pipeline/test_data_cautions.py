"""Data that can be trained on, but whose scores would say something else than they seem to say."""

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest

from study.datasets import Dataset, Split
from study.pipeline.data_cautions import data_cautions


def dataset(train, validation, test, *, x=None, y=None):
    """Cut three splits from examples with these indices."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3)).astype("float32") if x is None else x
    y = rng.integers(3, size=100) if y is None else y
    parts = [Split(x=x[i], y=y[i]) for i in (train, validation, test)]
    return Dataset(name="own", source="test", train=parts[0], validation=parts[1], test=parts[2], n_outputs=3)


def cautions(compose, data, *words):
    return list(data_cautions(compose(*words), data))


APART = (slice(0, 50), slice(50, 75), slice(75, 100))


def test_splits_without_a_fault_have_no_caution(compose):
    assert cautions(compose, dataset(*APART)) == []


@pytest.mark.parametrize(
    ("splits", "told"),
    [
        ((slice(0, 50), slice(0, 50), slice(75, 100)), ["50 of the 50 examples of validation are in train too"]),
        ((slice(0, 50), slice(50, 75), slice(50, 75)), ["25 of the 25 examples of test are in validation too"]),
        ((slice(0, 60), slice(50, 75), slice(75, 100)), ["10 of the 25 examples of validation are in train too"]),
        (
            (slice(0, 100), slice(50, 75), slice(75, 100)),
            ["25 of the 25 examples of validation are in train too", "25 of the 25 examples of test are in train too"],
        ),
    ],
)
def test_examples_in_two_splits(compose, splits, told):
    found = cautions(compose, dataset(*splits))
    assert len(found) == len(told)
    for caution, part in zip(found, told, strict=True):
        assert part in caution
        assert caution.startswith("dataset=digits: ")


def test_another_target_or_a_few_repetitions_are_no_shared_examples(compose):
    table = np.random.default_rng(1).integers(20, size=(100, 1)).astype("float32")
    assert cautions(compose, dataset(*APART, x=table, y=np.zeros(100, int) + (table[:, 0] > 5))) == []
    x = np.tile(np.arange(50, dtype="float32"), 2)[:, None]
    assert cautions(compose, dataset(*APART, x=x, y=(np.arange(100) // 50 + np.arange(100)) % 2)) == []
    x = np.arange(100, dtype="float32")[:, None]
    x[50] = x[0]
    assert cautions(compose, dataset(*APART, x=x, y=np.arange(100) % 3 * (x[:, 0] >= 0))) == []


def test_sorted_classes(compose):
    y = np.sort(np.arange(100) % 3)
    validation, test = cautions(compose, dataset(*APART, y=y))
    assert "the examples of class 2 of validation (8 of its 25 examples) are not in train" in validation
    assert "the examples of class 2 of test (25 of its 25 examples) are not in train" in test


def test_sorted_classes_of_one_of_several_outputs(compose):
    words = (
        "~dataset.task.loss",
        "+dataset.task.loss={digit:{_target_:keras.losses.SparseCategoricalCrossentropy,from_logits:true},"
        "size:{_target_:keras.losses.MeanSquaredError}}",
        "~dataset.task.metrics",
        "objective.metric=val_digit_loss",
    )
    plain = dataset(*APART, y=np.sort(np.arange(100) % 3))
    splits = {
        name: replace(split, y={"digit": split.y, "size": split.x[:, 0]})
        for name, split in (("train", plain.train), ("validation", plain.validation), ("test", plain.test))
    }
    _, test = cautions(compose, replace(plain, **splits), *words)
    assert "the examples of class 2 of test in y.digit (25 of its 25 examples) are not in train" in test


def test_one_class_alone(compose):
    (told,) = cautions(compose, dataset(*APART, y=np.ones(100, int)))
    assert "all training examples are of the class 1" in told


def test_a_rare_class_may_be_missing(compose):
    y = np.arange(100) % 2
    y[60] = 2
    assert cautions(compose, dataset(*APART, y=y)) == []


def test_numbers_are_no_classes(compose):
    words = ("dataset=toy_regression", "model=mlp")
    data = dataset(*APART, y=np.linspace(0, 1, 100, dtype="float32"))
    assert cautions(compose, data, *words) == []


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_an_objective_of_the_training_split(compose, metric):
    (told,) = cautions(compose, dataset(*APART), f"objective.metric={metric}")
    assert f"objective.metric={metric} is measured on the training split" in told
    assert f"objective.metric=val_{metric}" in told


def test_an_empty_test_split_and_a_landscape_have_no_caution(compose):
    data = dataset(*APART)
    empty = Split(x=data.test.x[:0], y=data.test.y[:0])
    assert cautions(compose, replace(data, test=empty)) == []
    one = Split(x=np.zeros((1, 1), "float32"), y=np.zeros((1, 1), "float32"))
    words = ("dataset=toy_regression", "model=mlp")
    assert cautions(compose, replace(data, train=one, validation=one, test=one), *words) == []


def test_a_caution_is_told_at_the_start(compose, monkeypatch):
    from study.pipeline import kept_parts
    from study.pipeline.start import start_study

    monkeypatch.setattr(kept_parts, "load_dataset", lambda _: dataset(slice(0, 50), slice(0, 50), slice(75, 100)))
    view = Mock()
    with start_study(compose(), view):
        told = [call.args[0] for call in view.message.call_args_list]
    assert any("50 of the 50 examples of validation are in train too" in text for text in told)
