"""Class weights: the sample weights they become, for class indices, rows and streams, and what is refused."""

import dataclasses

import numpy as np
import pytest

from study.config.task import Task
from study.core.errors import DataError
from study.datasets import Dataset, Split
from study.datasets.preparation.streams import open_stream
from study.pipeline.class_weights import class_weight_faults, with_class_weights

SPARSE = {"_target_": "keras.losses.SparseCategoricalCrossentropy", "from_logits": True}
BINARY = {"_target_": "keras.losses.BinaryCrossentropy", "from_logits": True}
CATEGORICAL = {"_target_": "keras.losses.CategoricalCrossentropy", "from_logits": True}
SQUARED = {"_target_": "keras.losses.MeanSquaredError"}
LABELS = np.array([0, 0, 0, 1, 2, 2], np.int32)
BALANCED = np.array([2 / 3, 2 / 3, 2 / 3, 2, 1, 1], np.float32)  # 6 / (3 classes * count)


class Lazy:
    """Labels that are read when they are asked for."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __len__(self):
        return len(self.array)

    def __getitem__(self, chosen):
        assert isinstance(chosen, slice | np.ndarray)
        return self.array[chosen]


def dataset(y, *, n_outputs=3, sample_weight=None):
    split = Split(x=np.zeros((6, 2), np.float32), y=y, sample_weight=sample_weight)
    return Dataset(name="mine", train=split, validation=split, test=split, n_outputs=n_outputs)


def task(weights, loss=SPARSE):
    return Task(loss=loss, metrics={} if "_target_" not in loss else (), class_weight=weights)


def weights(weights, y, *, loss=SPARSE, n_outputs=3, sample_weight=None):
    whole = dataset(y, n_outputs=n_outputs, sample_weight=sample_weight)
    assert class_weight_faults(task(weights, loss), whole) == []
    found = with_class_weights(task(weights, loss), whole)
    assert found.validation is whole.validation
    assert found.test is whole.test
    return found.train.sample_weight


@pytest.mark.parametrize(
    ("y", "loss", "n_outputs"),
    [
        (LABELS, SPARSE, 3),
        (LABELS[:, None], SPARSE, 3),
        (LABELS.astype(np.float64), SPARSE, 3),
        (np.eye(3, dtype=np.float32)[LABELS], CATEGORICAL, 3),
        (Lazy(LABELS), SPARSE, 3),
        (LABELS, SPARSE, 7),  # classes without an example do not count
    ],
)
def test_balanced_gives_each_class_the_same_sum(y, loss, n_outputs):
    found = weights("balanced", y, loss=loss, n_outputs=n_outputs)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, BALANCED, rtol=1e-6)
    assert [found[label == LABELS].sum() for label in range(3)] == pytest.approx([2, 2, 2])


def test_a_class_that_a_mapping_leaves_out_has_the_weight_1():
    np.testing.assert_array_equal(weights({"1": 20}, LABELS), [1, 1, 1, 20, 1, 1])
    np.testing.assert_array_equal(weights({0: 0.5}, LABELS), [0.5, 0.5, 0.5, 1, 1, 1])


@pytest.mark.parametrize("y", [LABELS % 2, (LABELS % 2).astype(np.float32)[:, None], LABELS % 2 == 1])
def test_one_output_has_two_classes(y):
    found = weights({0: 1.0, 1: 20.0}, y, loss=BINARY, n_outputs=1)
    np.testing.assert_array_equal(found, np.where(LABELS % 2, 20, 1))


def test_sample_weights_are_multiplied():
    own = np.arange(6, dtype=np.float64)
    found = weights("balanced", LABELS, sample_weight=own)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, own * BALANCED, rtol=1e-6)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("own", ["none", "one", "each"])
def test_one_output_of_several_is_weighted(named, own):
    y = {"digit": LABELS, "size": np.linspace(0, 1, 6, dtype=np.float32)}
    one = np.arange(6, dtype=np.float32)
    given = {"none": None, "one": one, "each": {"digit": one, "size": 2 * one}}[own]
    expected = {
        "none": (BALANCED, np.ones(6)),
        "one": (BALANCED * one, one),
        "each": (BALANCED * one, 2 * one),
    }[own]
    if not named:
        y, given = tuple(y.values()), tuple(given.values()) if own == "each" else given
    n_outputs = {"digit": 3, "size": 1} if named else (3, 1)
    loss = {"digit": SPARSE, "size": SQUARED}
    found = weights({"digit": "balanced"}, y, loss=loss, n_outputs=n_outputs, sample_weight=given)
    for array, right in zip(found.values() if named else found, expected, strict=True):
        np.testing.assert_allclose(array, right, rtol=1e-6)


@pytest.mark.parametrize("of_rows", [False, True])
def test_the_batches_of_a_stream_are_weighted(of_rows):
    y = np.eye(3, dtype=np.float32)[LABELS] if of_rows else LABELS

    def batches():
        for start in (0, 4):
            yield np.zeros((len(y[start : start + 4]), 2), np.float32), y[start : start + 4]

    given, loss = ({1: 20}, CATEGORICAL) if of_rows else ("balanced", SPARSE)
    expected = [1, 1, 1, 20, 1, 1] if of_rows else BALANCED
    stream = open_stream(batches, name="train", deterministic=True)
    whole = dataclasses.replace(dataset(y), train=stream)
    assert class_weight_faults(task(given, loss), whole) == []
    found = with_class_weights(task(given, loss), whole).train
    read = np.concatenate([weight for _, _, weight in found.batches(0, 0)])
    np.testing.assert_allclose(read, expected, rtol=1e-6)
    assert found.first(3).sample_weight.shape == (3,)
    if of_rows:
        (fault,) = class_weight_faults(task("balanced", loss), whole)
        assert "expected weights by class index, since the classes of this stream were not counted" in str(fault)


def test_a_later_batch_without_classes_stops_the_training():
    def batches():
        for last in (1, 0.5):
            yield np.zeros((200, 2), np.float32), np.full(200, last, np.float32)

    read = open_stream(batches, name="train", deterministic=True)
    # A large stream is known by its first batch alone.
    first = dataclasses.replace(read, example=read.first(200))
    whole = dataclasses.replace(dataset(LABELS), train=first, n_outputs=1)
    assert class_weight_faults(task({1: 3}, BINARY), whole) == []
    with pytest.raises(DataError, match=r"train\.y: the targets of a batch are no class indices"):
        list(with_class_weights(task({1: 3}, BINARY), whole).train.batches(0, 0))


@pytest.mark.parametrize(
    ("given", "y", "loss", "n_outputs", "told"),
    [
        ({3: 1}, LABELS, SPARSE, 3, "dataset.task.class_weight.3=1: expected classes from 0 to 2."),
        ({2: 1}, LABELS % 2, BINARY, 1, "dataset.task.class_weight.2=1: expected classes from 0 to 1."),
        ("balanced", LABELS / 4, SQUARED, 1, "expected none, since the targets are no class indices and no rows"),
        ("balanced", LABELS - 1, SQUARED, 1, "expected none, since the targets are no class indices"),
        ("balanced", np.ones((6, 3), np.float32), CATEGORICAL, 3, "expected none, since the targets are no class"),
        ("balanced", np.eye(6, dtype=np.int32), SPARSE, 6, "expected none, since the targets are no class indices"),
        ({0: 0, 1: 0, 2: 0}, LABELS, SPARSE, 3, "expected a weight above 0 for a class of the training split"),
        (
            {"digit": {9: 1}},
            {"digit": LABELS, "size": LABELS / 4},
            {"digit": SPARSE, "size": SQUARED},
            {"digit": 3, "size": 1},
            "dataset.task.class_weight.digit.9=1: expected classes from 0 to 2.",
        ),
        (
            {"size": "balanced"},
            (LABELS, LABELS / 4),
            {"digit": SPARSE, "size": SQUARED},
            (3, 1),
            "dataset.task.class_weight.size=balanced: expected none, since the targets are no class indices",
        ),
    ],
)
def test_wrong_class_weights_are_named(given, y, loss, n_outputs, told):
    (fault,) = class_weight_faults(task(given, loss), dataset(y, n_outputs=n_outputs))
    assert told in str(fault)


def test_without_class_weights_nothing_changes():
    whole = dataset(LABELS)
    assert with_class_weights(task(None), whole) is whole
    assert class_weight_faults(task(None), whole) == []
