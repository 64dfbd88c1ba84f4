"""An NPZ file of one's own: splits that it has or lacks, kinds of targets, scaling, and bad files."""

import numpy as np
import pytest

from study.core.errors import ConfigError, DataError
from study.datasets import npz

LAST = {"validation": {"n": 2, "by": "last"}, "test": {"n": 3, "by": "last"}, "split_seed": 0}


def pair(n=10, split="_train", **changes):
    x = np.arange(n * 6, dtype=np.float64).reshape(n, 3, 2)
    arrays = {"x": x, "y": np.arange(n) % 2} | changes
    return {f"{part}{split}": array for part, array in arrays.items()}


def load(folder, arrays, **arguments):
    np.savez(folder / "mine.npz", **arrays)
    return npz.load(path=str(folder / "mine.npz"), **LAST | arguments)


def sizes(dataset):
    return [len(split) for split in (dataset.train, dataset.validation, dataset.test)]


def test_splits_that_the_file_lacks_are_held_out(tmp_path):
    own_validation, own_test = pair(4, "_validation"), pair(5, "_test")
    assert sizes(load(tmp_path, pair(split=""))) == [5, 2, 3]
    assert sizes(load(tmp_path, pair())) == [5, 2, 3]
    assert sizes(load(tmp_path, pair() | own_test)) == [8, 2, 5]
    assert sizes(load(tmp_path, pair() | own_validation)) == [7, 4, 3]
    assert sizes(load(tmp_path, pair() | own_validation | own_test)) == [10, 4, 5]
    assert load(tmp_path, pair(), test="none").test == "none"
    assert load(tmp_path, pair() | own_validation, test="none").test == "none"
    whole = load(tmp_path, pair() | own_validation)
    assert whole.test.x[:, 0, 0].tolist() == [42, 48, 54]
    assert (whole.train.x.dtype, whole.train.y.dtype, whole.n_outputs) == (np.float32, np.int32, 2)


def test_whole_numbers_stay_whole_and_weights_belong_to_their_examples(tmp_path):
    weights = np.arange(10) / 4
    dataset = load(tmp_path, pair(x=np.arange(10, dtype=np.int64)[:, np.newaxis], sample_weight=weights))
    assert dataset.train.x.dtype == np.int32
    assert dataset.test.x.ravel().tolist() == [7, 8, 9]
    assert dataset.test.sample_weight.tolist() == weights[7:].tolist()
    assert dataset.test.sample_weight.dtype == np.float32


@pytest.mark.parametrize(
    ("y", "n_outputs", "first"),
    [
        (np.array(["dog", "cat"] * 5), 2, 1),
        (np.array([[3], [1]] * 5, np.uint8), 4, 3),
        (np.array([True, False] * 5), 2, 1),
        (np.arange(10) / 2, 1, [0]),
        (np.eye(10), 10, [1] + [0] * 9),
        (np.eye(10, dtype=int), 10, [1] + [0] * 9),
    ],
    ids=["texts", "a column", "booleans", "numbers", "rows of numbers", "one-hot"],
)
def test_kinds_of_targets(tmp_path, y, n_outputs, first):
    dataset = load(tmp_path, pair(y=y))
    assert dataset.n_outputs == n_outputs
    assert dataset.train.y[0].tolist() == first
    assert dataset.train.y.dtype == (np.float32 if isinstance(first, list) else np.int32)


def test_scaling_is_by_the_training_split_alone(tmp_path):
    values = np.random.default_rng(0).normal(5, 3, (10, 3, 2))
    values[-3:] = 100
    dataset = load(tmp_path, pair(x=values), scaling="standard")
    assert dataset.train.x.mean((0, 1)) == pytest.approx(0, abs=1e-6)
    assert dataset.train.x.std((0, 1)) == pytest.approx(1, rel=1e-6)
    assert dataset.test.x.min() > 20
    pixels = load(tmp_path, pair(x=np.full((10, 2), 51, np.uint8)), scaling="unit")
    assert pixels.train.x.dtype == np.float32
    assert pixels.train.x[0] == pytest.approx(0.2)
    constant = load(tmp_path, pair(x=np.full((10, 2), 51, np.uint8)), scaling="standard")
    assert not constant.train.x.any()
    with pytest.raises(
        DataError, match=r"x of the train split: found float64 from .*expected whole numbers from 0 to"
    ):
        load(tmp_path, pair(), scaling="unit")


FAULTS = {
    "no targets": ({"x_train": np.ones(3)}, "found the arrays x_train and no y_train, expected an NPZ file with x_tr"),
    "other names": ({"a": np.ones(3)}, "found the arrays a, expected"),
    "no test targets": (pair() | {"x_test": np.ones((3, 3, 2))}, "and no y_test"),
    "objects": (pair(y=np.array([{}] * 10)), "cannot be read .*allow_pickle=False"),
    "fewer targets": (pair(y=np.arange(9)), "y of the train split: found 9 rows, expected 10, one for each row of x"),
    "fewer weights": (pair(sample_weight=np.ones(9)), "sample_weight of the train split: found 9 rows"),
    "no examples": (pair(0), r"x of the train split: found shape \(0, 3, 2\), expected at least one example"),
    "texts as inputs": (pair(x=np.array(["a"] * 10)), "x of the train split: found values of type <U1, expected numb"),
    "an unknown class": (
        pair(y=np.array(["a", "b"] * 5)) | pair(2, "_test", y=np.array(["a", "c"])),
        "y of the test split: found the class 'c', expected one that y of the training split has: a, b",
    ),
    "other targets": (
        pair() | pair(2, "_test", y=np.array(["a", "c"])),
        r"y of the test split: found <U1 of shape \(\), expected int64 of shape",
    ),
    "prices": (pair(y=np.arange(10) * 1000), r"found whole numbers up to 9000, .*astype\('float32'\)"),
    "pages of texts": (pair(y=np.array([["a", "b"]] * 10)), "expected one text for each example"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_arrays(tmp_path, fault):
    arrays, told = FAULTS[fault]
    with pytest.raises(DataError, match=told):
        load(tmp_path, arrays)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04garbage"])
def test_what_is_no_npz(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read .*expected an NPZ file with x_train and y_train, or x and y"):
        npz.load(path=str(tmp_path / "mine.npz"), split_seed=0)


def test_arguments(tmp_path):
    with pytest.raises(ConfigError, match=r"dataset\.path=null: expected the path of an NPZ file"):
        npz.load(split_seed=0)
    with pytest.raises(
        ConfigError, match=r"(?s)dataset\.scaling=max: expected one of none, unit, standard.*split_seed"
    ):
        load(tmp_path, pair(), scaling="max", split_seed=-1)
    assert "NPZ" in npz.whereabouts().place
