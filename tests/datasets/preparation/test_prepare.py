"""The many forms that `load()` may return become arrays and three splits."""

import numpy as np
import pytest

from study.core.errors import ConfigError
from study.datasets import Dataset, Split
from study.datasets.preparation.prepare import Preparation, prepare

N = 20
X, Y = np.arange(N * 3, dtype=np.float32).reshape(N, 3), np.arange(N) % 2
BASE = Preparation(name="mine", source="mine.load", has_classes=bool, split_seed=0, deterministic=True, shuffle=True)


def of_numbers(place):
    return not place


def prepared(train=(X, Y), how=BASE, **splits):
    faults = []
    found = prepare(Dataset(train=train, **splits), how, faults)
    assert faults == []
    return found


def faults_of(train=(X, Y), **splits):
    faults = []
    prepare(Dataset(train=train, **splits), BASE, faults)
    return [fault.key for fault in faults], faults


def test_a_training_split_alone_becomes_three_splits():
    found = prepared()
    assert [len(split) for split in (found.train, found.validation, found.test)] == [14, 2, 4]
    assert (found.name, found.source, found.n_outputs) == ("mine", "mine.load", 2)
    assert np.bincount(found.test.y).tolist() == [2, 2]
    assert len(found.remarks) == 1
    assert "4 of 20 examples" in found.remarks[0]
    named = prepare(Dataset(train=(X, Y), name="own", source="a lab", n_outputs=5, remarks=("Old.",)), BASE, [])
    assert (named.name, named.source, named.n_outputs) == ("own", "a lab", 5)
    assert named.remarks == ("Old.", *found.remarks)


def test_splits_of_its_own_stay_as_they_are():
    splits = [Split(x=X[:n], y=Y[:n]) for n in (20, 4, 6)]
    found = prepared(splits[0], validation=splits[1], test=splits[2])
    assert [len(split) for split in (found.train, found.validation, found.test)] == [20, 4, 6]
    assert found.train.x is splits[0].x
    assert found.remarks == ()


def test_no_test_split_is_an_empty_one_of_the_same_form():
    found = prepared(test="none", validation=5)
    assert [len(split) for split in (found.train, found.validation, found.test)] == [15, 5, 0]
    assert (found.test.x.shape, found.test.x.dtype, found.test.y.dtype) == ((0, 3), X.dtype, Y.dtype)
    assert found.remarks == ()
    own = prepared(validation=(X[:5], Y[:5]), test="none")
    assert [len(split) for split in (own.train, own.validation, own.test)] == [20, 5, 0]


def test_the_split_seed_draws_validation_alone():
    found = [prepared(how=Preparation(**{**vars(BASE), "split_seed": seed}), test=0.2) for seed in (0, 1)]
    assert np.array_equal(found[0].test.x, found[1].test.x)
    assert not np.array_equal(found[0].validation.x, found[1].validation.x)


def tensor_of(library, array):
    return getattr(pytest.importorskip(library), {"tensorflow": "constant", "torch": "tensor"}[library])(array)


def frames():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(X, columns=list("abc")), pandas.Series(Y)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (X.tolist(), Y.tolist()),
        lambda: (list(X), list(Y)),
        frames,
        lambda: (pytest.importorskip("jax.numpy").asarray(X), pytest.importorskip("jax.numpy").asarray(Y)),
        lambda: (tensor_of("tensorflow", X), tensor_of("tensorflow", Y)),
        lambda: (tensor_of("torch", X).requires_grad_(), tensor_of("torch", Y)),
    ],
    ids=["lists", "lists of arrays", "pandas", "jax", "tensorflow", "torch"],
)
def test_what_numpy_can_view_becomes_an_array(make):
    x, y = make()
    for train in ((x, y), Split(x=x, y=y)):
        found = prepared(train, validation=4, test=4)
        assert [type(part) for part in found.train.parts] == [np.ndarray] * 2
        assert np.array_equal(found.train.x, X[8:])
        assert np.array_equal(found.train.y, Y[8:])


def test_a_data_set_of_an_hdf5_file_becomes_an_array(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"], file["y"] = X, Y
    with h5py.File(tmp_path / "x.h5") as file:
        found = prepared((file["x"], file["y"][:]), validation=4, test=4)
        assert np.array_equal(found.train.x, X[8:])


def test_dicts_and_tuples_are_several_arrays_and_lists_are_one():
    x = {"a": X.tolist(), "b": (X, [[1]] * N)}
    found = prepared(
        (x, {"left": Y, "right": X}, [1.0] * N), how=Preparation(**{**vars(BASE), "has_classes": of_left})
    )
    assert found.train.x["b"][1].shape == (14, 1)
    assert found.train.sample_weight.shape == (14,)
    assert found.n_outputs == {"left": 2, "right": 3}
    assert found.input_shape == {"a": (3,), "b": ((3,), (1,))}


def of_left(place):
    return place == "y.left"


def test_texts_are_classes_in_their_order():
    texts = np.array(["dog", "cat"] * 10)
    for y in (texts, texts.tolist(), texts.astype(object)):
        found = prepared((X, y), validation=(X[:2], ["cat", "dog"]), test=4)
        assert found.train.y[:2].tolist() == [1, 0]
        assert (found.validation.y.tolist(), found.n_outputs) == ([0, 1], 2)


@pytest.mark.parametrize(("missing", "shown"), [(None, "None"), (np.nan, "nan"), (2, "2")])
def test_a_class_that_is_missing_among_texts_is_a_fault(missing, shown):
    texts = np.array([*"ab" * (len(X) // 2 - 1), "a", missing], object)
    _, (fault,) = faults_of(train=(X[: len(texts)], texts))
    assert str(fault).startswith(f"train.y[{len(texts) - 1}]={shown}: expected a text, as the others are (1 of")


def test_an_iterator_is_no_stream():
    _, (fault,) = faults_of(train=iter([(X, Y)]))
    assert "this one can be read once. Return a function that makes it: train=lambda: ..." in str(fault)


def test_weights_have_one_type():
    dataset = prepared(train=(X, Y, np.linspace(0.1, 3, len(X))))
    assert dataset.train.sample_weight.dtype == dataset.validation.sample_weight.dtype == np.float32


def test_a_text_that_training_lacks_is_a_fault():
    keys, (fault,) = faults_of((X, ["dog", "cat"] * 10), validation=(X[:3], ["cat", "emu", "gnu"]))
    assert keys == ["validation.y[1]"]
    assert fault.value == "emu"
    assert "2 of 3 are not" in fault.allowed


@pytest.mark.parametrize(
    ("y", "has_classes", "n_outputs"),
    [
        (np.arange(N) % 5, True, 5),
        (np.arange(N) / N, False, 1),
        (np.ones((N, 1)), False, 1),
        (np.ones((N, 4)), False, 4),
        (np.eye(N), False, N),
    ],
    ids=["classes", "numbers", "a column", "rows", "one-hot"],
)
def test_the_width_of_the_output_comes_from_the_targets(y, has_classes, n_outputs):
    how = Preparation(**{**vars(BASE), "has_classes": bool if has_classes else of_numbers})
    assert prepared((X, y), how=how, validation=2, test=2).n_outputs == n_outputs


def test_a_split_may_be_stratified_by_one_hot_rows_and_by_no_numbers():
    y, rule = np.eye(2)[Y], {"share": 0.2, "by": "stratified"}
    how = Preparation(**{**vars(BASE), "has_classes": of_numbers})
    found = prepared((X, y), how=how, validation=rule, test=rule)
    assert found.validation.y.sum(axis=0).tolist() == [2, 2]
    with pytest.raises(ConfigError) as caught:
        prepare(Dataset(train=(X, np.arange(N) / N), validation=rule, test=rule), how, [])
    assert [fault.key for fault in caught.value.faults] == ["dataset.test.by", "dataset.validation.by"]


def test_groups_and_times_come_with_the_rule():
    groups, times = np.repeat(np.arange(10), 2), np.arange(N)[::-1]
    validation, test = {"share": 0.2, "by": "group", "of": groups}, {"n": 4, "by": "time", "of": times}
    found = prepared(validation=validation, test=test)
    assert found.test.x[:, 0].tolist() == [0, 3, 6, 9]
    assert not set(found.validation.x[:, 0] // 6) & set(found.train.x[:, 0] // 6)


def test_arrays_of_other_lengths_are_faults_with_their_places():
    keys, faults = faults_of(({"a": X, "b": X[:5]}, Y[:7]))
    assert keys == ["train.x.b", "train.y"]
    assert faults[0].value == "5 examples"


@pytest.mark.parametrize("ragged", [[[1, 2], [3]], [object(), [1]]], ids=["rows", "objects"])
def test_a_ragged_list_is_a_fault(ragged):
    keys, faults = faults_of((ragged, [0, 1]), validation=(ragged, [0, 1]))
    assert keys == ["train.x", "validation.x"]
    assert "np.asarray" in faults[0].advice


@pytest.mark.parametrize("train", [None, 5, "x", {"x": X}, (X,), (X, Y, Y, Y)], ids=str)
def test_other_values_are_left_for_the_check_of_the_data(train):
    assert prepare(Dataset(train=train), BASE, []).train is train


def test_arrays_that_numpy_maps_stay_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", X)
    found = prepared((np.load(tmp_path / "x.npy", mmap_mode="r"), Y), validation=4, test={"n": 4, "by": "last"})
    assert [isinstance(split.x, np.memmap) for split in (found.train, found.validation, found.test)] == [True] * 3
    in_memory = prepared((X, Y), validation=4, test={"n": 4, "by": "last"})
    assert found.digest == in_memory.digest
