"""Data at its edges: one check for all trainers, which names split, first index and what is wrong."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.core.errors import DataError
from study.datasets import Dataset, Split
from study.datasets.preparation.streams import open_stream
from study.pipeline import workload
from study.pipeline.data_check import check_data, described

SPLITS = ("train", "validation", "test")


def split(n=6, *, classes=3):
    x = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    return Split(x=x, y=np.arange(n, dtype=np.int32) % classes)


def dataset(**changes):
    whole = Dataset(name="mine", source="made", train=split(12), validation=split(), test=split(), n_outputs=3)
    return dataclasses.replace(whole, **changes)


def changed(of, *, x=None, y=None):
    return Split(x=of.x if x is None else x, y=of.y if y is None else y)


def at(array, index, value):
    found = array.copy()
    found[index] = value
    return found


@pytest.fixture(scope="module")
def config(compose_quick, tmp_path_factory):
    return compose_quick("optimizer=sgd", folder=tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def binary(compose_quick, tmp_path_factory):
    return compose_quick("optimizer=sgd", "dataset=photo_patches", folder=tmp_path_factory.mktemp("binary"))


def faults(config, loaded):
    with pytest.raises(DataError) as raised:
        check_data(config, loaded)
    head, *lines = str(raised.value).splitlines()
    n = len(lines)
    target = config.dataset.section["_target_"]
    assert head == f"dataset={config.dataset.name}: {n} fault{'s' * (n > 1)} in what {target} returns:"
    return [line.strip() for line in lines]


def test_good_data_is_returned_as_it_is(config):
    whole = dataset()
    assert check_data(config, whole) is whole


def test_an_empty_split_is_named(config):
    (told,) = faults(config, dataset(validation=split(0)))
    assert told.startswith("validation.x=no examples: expected at least one example. Let load() put examples into")


def test_a_test_split_alone_may_be_empty(config):
    assert config.budget.n_confirmations
    empty = dataset(test=split(0))
    assert check_data(config, empty) is empty
    (told,) = faults(config, dataset(validation=split(0)))
    assert told.startswith("validation.x=no examples: expected at least one example")


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named_with_its_first_index(config, name, value):
    whole = dataset()
    x = at(at(getattr(whole, name).x, (4, 1), value), (2, 0), value)
    (told,) = faults(config, dataset(**{name: changed(getattr(whole, name), x=x)}))
    assert told.startswith(
        f"{name}.x[2, 0]={value}: expected finite numbers in float32 (2 of {x.size} values are not)"
    )


def test_a_target_that_is_not_finite_is_named_once(config):
    y = at(split().y.astype(np.float32), 3, np.nan)
    told = faults(config, dataset(validation=changed(split(), y=y)))
    assert [line.split("=")[0] for line in told] == ["validation.y[3]", "validation.y"]  # the other: its type
    assert "shape (), float32: expected each example as in train.y: shape (), int32" in told[1]


def test_a_number_beyond_float32_is_named_unless_trained_in_float64(config, compose):
    wide = [changed(each, x=at(each.x.astype(np.float64), (0, 0), 1e300)) for each in (split(12), split(), split())]
    whole = dataset(**dict(zip(SPLITS, wide, strict=True)))
    assert [line.split(":")[0] for line in faults(config, whole)] == [f"{name}.x[0, 0]=1e+300" for name in SPLITS]
    assert check_data(compose("optimizer=sgd", "trainer.precision=float64"), whole) is whole


def test_all_faults_of_all_splits_are_told_at_once(config):
    train = changed(split(12), x=split(12).x.astype(object))
    validation = changed(split(), y=split().y[:4])
    told = faults(config, dataset(train=train, validation=validation, test=split(0), n_outputs=0))
    assert [line.split("=")[0] for line in told] == ["n_outputs", "train.x", "validation.y"]
    assert "4 targets: expected as many targets as inputs, and validation.x has 6" in told[2]


def test_splits_of_other_shapes_are_told(config):
    (told,) = faults(config, dataset(test=changed(split(), x=np.zeros((6, 3), np.float32))))
    assert told.startswith("test.x=shape (3,), float32: expected each example as in train.x: shape (2,), float32")


@pytest.mark.parametrize(
    ("label", "shown"), [(3, "3"), (-1, "-1"), (1.5, "1.5")], ids=["too large", "negative", "between"]
)
def test_labels_that_are_no_class_are_named(config, label, shown):
    y = at(split(12).y.astype(np.float64 if isinstance(label, float) else np.int32), 7, label)
    others = {name: changed(split(), y=split().y.astype(y.dtype)) for name in ("validation", "test")}
    (told,) = faults(config, dataset(train=changed(split(12), y=y), **others))
    assert told.startswith(f"train.y[7]={shown}: expected class indices from 0 to 2, since n_outputs is 3.")


def test_targets_of_a_binary_loss_are_probabilities(binary):
    minus = {name: changed(s, y=np.where(s.y > 0, 1.0, -1.0)) for name, s in zip(SPLITS, [split()] * 3, strict=True)}
    told = faults(binary, dataset(**minus))
    assert told[0].startswith("train.y[0]=-1.0: expected from 0 to 1, for BinaryCrossentropy (2 of 6 values are not)")


@pytest.mark.parametrize(
    ("loaded", "shown", "advice"),
    [
        (((1, 2), (3, 4)), "a tuple of 2", "Return Dataset(train=(x_train, y_train), test=(x_test, y_test))"),
        (pd.DataFrame({"a": [1.0]}), "a DataFrame of shape (1, 1)", "Divide its columns into inputs and targets"),
        (
            tf.data.Dataset.range(3),
            "a _RangeDataset",
            "Return Dataset(train=..., validation=..., test=...) of study.datasets, with a stream",
        ),
        (["a", "b"], "a list of 2", "Return Dataset("),
        ({"train": 1}, "a dict of 1", "Return Dataset("),
        (None, "None", "Return Dataset("),
    ],
    ids=["tuple", "frame", "tf.data", "list", "dict", "nothing"],
)
def test_what_is_no_data_set_is_told_with_the_right_form(config, loaded, shown, advice):
    (told,) = faults(config, loaded)
    assert told.startswith(f"load()={shown}: expected a Dataset. {advice}")


@pytest.mark.parametrize(
    ("x", "told"),
    [
        ([[1.0, 2.0]] * 6, "train.x=a list of 6: expected a NumPy array. Write x=np.asarray(...)."),
        (pd.DataFrame(np.ones((6, 2))), "train.x=a DataFrame of shape (6, 2): expected a NumPy array. Write x=....to"),
        (tf.ones((6, 2)), "train.x=an EagerTensor of shape (6, 2), <dtype: 'float32'>: expected a NumPy array."),
        (np.array([["a", "b"]] * 6), "train.x=an array of shape (6, 2), <U1: expected an array of numbers."),
        (np.ones((6, 2), object), "train.x=an array of shape (6, 2), object: expected an array of numbers."),
        (np.ones((6, 2), complex), "train.x=an array of shape (6, 2), complex128: expected an array of numbers."),
        (
            np.zeros((6, 2), ">f4"),
            "train.x=an array of shape (6, 2), >f4: expected numbers of at most 64 bits in the byte",
        ),
        (
            np.zeros((6, 2), "g"),
            "train.x=an array of shape (6, 2), float128: expected numbers of at most 64 bits in the",
        ),
        (
            np.full((6, 2), 2**40),
            "train.x[0, 0]=1099511627776: expected whole numbers in int32, as which JAX computes",
        ),
        (np.zeros((6, 2), "M8[s]"), "train.x=an array of shape (6, 2), datetime64[s]: expected an array of numbers."),
        (np.ma.masked_equal(np.ones((6, 2)), 1), "train.x=a MaskedArray of shape (6, 2), float64: expected a NumPy"),
        (np.float32(1), "train.x=a float32 of shape (), float32: expected a NumPy array."),
        (np.array(1.0), "train.x=1.0: expected an array with one row for each example."),
    ],
    ids=[
        "list",
        "frame",
        "tensor",
        "text",
        "objects",
        "complex",
        "bytes",
        "long",
        "large",
        "dates",
        "masked",
        "scalar",
        "rank 0",
    ],
)
def test_arrays_of_another_kind_are_told(config, x, told):
    assert faults(config, dataset(train=changed(split(), x=x)))[0].startswith(told)


def test_a_pair_is_no_split(config):
    (told,) = faults(config, dataset(validation=(split().x, split().y)))
    assert told == (
        "validation=a tuple of 2: expected a Split. Write validation=Split(x=..., y=...), with arrays or "
        "what NumPy can view as arrays."
    )


def test_a_function_that_fails_is_told_with_its_place(config, monkeypatch):
    def load(*_, **__):
        return {}["missing"]

    monkeypatch.setattr(workload, "instantiate", load)
    place = rf"load in test_data_check.py, line {load.__code__.co_firstlineno + 1}"
    with pytest.raises(DataError, match=rf"digits.load raises KeyError: 'missing' \({place}\)\. Correct the function"):
        workload.load_dataset(config)


def test_text_of_a_value():
    assert [described(v) for v in (2, np.zeros(3), {1, 2})] == ["2", "an array of shape (3), float64", "a set of 2"]


NUMBERS = st.sampled_from([0, 1, 2, -1, 3, 0.5, np.nan, np.inf, -np.inf, 1e300, 2**63])
TYPES = st.sampled_from(["f4", "f8", "f2", "i4", "i8", "u1", "?", "O", "U3", "S2", "c8", "M8[s]", "V4"])
SHAPES = st.sampled_from([(), (0,), (0, 2), (1,), (6,), (6, 2), (6, 3), (5, 2), (6, 1), (6, 2, 2)])


@st.composite
def arrays(draw):
    shape, kind = draw(SHAPES), draw(TYPES)
    with np.errstate(all="ignore"):
        array = np.zeros(shape, kind)
        if array.size and array.dtype.kind in "fiuc":
            value = draw(NUMBERS)
            array.flat[draw(st.integers(0, array.size - 1))] = (
                value if array.dtype.kind in "fc" else int(abs(value) == 1)
            )
    return draw(st.sampled_from([array, array, array, array.tolist(), None, "x", pd.Series(range(3))]))


@st.composite
def pieces(draw):
    some = Split(x=draw(arrays()), y=draw(arrays()))
    return draw(st.sampled_from([some, some, split(), split(0), None, (some.x, some.y), {"x": some.x}]))


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=st.tuples(pieces(), pieces(), pieces()), n_outputs=st.sampled_from([3, 1, 0, -1, None, 2.0, True, "3"]))
def test_any_data_can_be_trained_on_or_is_told(config, parts, n_outputs):
    loaded = dataset(**dict(zip(SPLITS, parts, strict=True)), n_outputs=n_outputs)
    found = told = None
    try:
        found = check_data(config, loaded)
    except DataError as error:
        told = str(error)
    assert found or "expected" in told
    for part in (found.train, found.validation, found.test) if found else ():
        assert len(part.x) == len(part.y) > 0
        assert np.isfinite(part.x.astype(np.float32)).all()
        assert set(np.unique(part.y)) <= set(range(found.n_outputs))
        assert part.x.shape[1:] == found.input_shape


class Lazy:
    """An array that is read in pieces."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __len__(self):
        return len(self.array)

    def __getitem__(self, chosen):
        assert isinstance(chosen, slice | np.ndarray)
        return self.array[chosen]


def weighted(weight, of=None):
    return dataclasses.replace(of or split(12), sample_weight=weight)


def tree(n=6, *, changes=None, form=dict):
    """Return a split of two inputs and two outputs."""
    x = {"image": np.zeros((n, 2, 2), np.float32), "age": np.arange(n, dtype=np.float32)}
    y = {"digit": np.arange(n, dtype=np.int32) % 3, "parity": (np.arange(n) % 2).astype(np.float32)}
    named = {"x": x, "y": y}
    for place, array in (changes or {}).items():
        part, name = place.split(".")
        if array is None:
            del named[part][name]
        else:
            named[part][name] = array
    return Split(**{part: arrays if form is dict else tuple(arrays.values()) for part, arrays in named.items()})


def trees(*, n_outputs=None, **splits):
    whole = {"train": tree(12), "validation": tree(), "test": tree()} | splits
    return Dataset(name="mine", source="made", n_outputs=n_outputs or {"digit": 3, "parity": 1}, **whole)


@pytest.fixture(scope="module")
def several(compose_quick, tmp_path_factory):
    """A task of two outputs."""
    words = (
        "~dataset.task.loss",
        "+dataset.task.loss={digit:{_target_:keras.losses.SparseCategoricalCrossentropy,from_logits:true},"
        "parity:{_target_:keras.losses.BinaryCrossentropy,from_logits:true}}",
        "~dataset.task.metrics",
        "objective.metric=val_digit_loss",
    )
    return compose_quick("optimizer=sgd", "dataset=digits", *words, folder=tmp_path_factory.mktemp("several"))


@pytest.mark.parametrize("form", [dict, tuple])
def test_good_trees_are_returned_as_they_are(several, form):
    splits = {name: tree(n, form=form) for name, n in zip(SPLITS, (12, 6, 6), strict=True)}
    whole = trees(**splits, n_outputs={"digit": 3, "parity": 1} if form is dict else (3, 1))
    assert check_data(several, whole) is whole


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"x.age": None},
            "validation.x.age=nothing: expected an array, as in train: the arrays there are x.age, x.image",
        ),
        ({"y.other": np.zeros(6)}, "validation.y.other=an array: expected nothing, as in train"),
        ({"x.image": np.zeros((5, 2, 2), np.float32)}, "validation.x.image=5 inputs: expected as many inputs as"),
        ({"y.parity": np.zeros(5, np.float32)}, "validation.y.parity=5 targets: expected as many targets as inputs"),
        ({"x.age": np.zeros((6, 2), np.float32)}, "validation.x.age=shape (2,), float32: expected each example as in"),
        (
            {"y.parity": np.zeros(6, np.int32)},
            "validation.y.parity=shape (), int32: expected each example as in train.y",
        ),
        (
            {"x.image": Lazy(np.full((6, 2, 2), np.nan, np.float32))},
            "validation.x.image[0, 0, 0]=nan: expected finite",
        ),
        (
            {"y.digit": np.array([0, 1, 2, 3, 0, 1], np.int32)},
            "validation.y.digit[3]=3: expected class indices from 0",
        ),
        (
            {"y.parity": np.full(6, 1.5, np.float32)},
            "validation.y.parity[0]=1.5: expected from 0 to 1, for BinaryCross",
        ),
    ],
)
def test_a_fault_in_a_tree_is_named_with_its_place(several, changes, told):
    (fault,) = faults(several, trees(validation=tree(changes=changes)))
    assert fault.startswith(told)


def test_a_dict_is_no_tuple(several):
    train, validation = ({"0": tree(n).x["age"]} for n in (12, 6))
    whole = trees(
        train=dataclasses.replace(tree(12), x=train),
        validation=dataclasses.replace(tree(), x=tuple(validation.values())),
        test=dataclasses.replace(tree(), x=validation),
    )
    (fault,) = faults(several, whole)
    assert fault.startswith("validation.x=a tuple of 1: expected a dict of 1, as in train.")


@pytest.mark.parametrize("n_outputs", [3, {"digit": 3}, {"digit": 3, "odd": 1}, (3, 1)])
def test_widths_are_those_of_the_targets(several, n_outputs):
    (fault,) = faults(several, trees(n_outputs=n_outputs))
    assert "expected a width for each array of targets: train.y.digit, train.y.parity" in fault


@pytest.mark.parametrize(
    ("weight", "told"),
    [
        (np.array([1.0] * 11 + [-1]), "train.sample_weight[11]=-1.0: expected weights of at least 0"),
        (np.zeros(12), "train.sample_weight=zeros alone: expected a weight above 0"),
        (np.ones((12, 1)), "train.sample_weight=shape (1,), float64: expected one number for each example, shape ()"),
        (np.ones(5), "train.sample_weight=5 sample weights: expected as many sample weights as inputs"),
        (np.full(12, np.inf), "train.sample_weight[0]=inf: expected finite numbers"),
        (["many"] * 12, "train.sample_weight=a list of 12: expected a NumPy array"),
        ({"y": np.ones(12)}, "train.sample_weight=a dict of 1: sample_weight.y: expected one array, or one for each"),
        ({}, "train.sample_weight=a dict of 0: no arrays: expected one array, or one for each"),
    ],
)
def test_sample_weights_at_fault_are_named(config, weight, told):
    (fault,) = faults(config, dataset(train=weighted(weight)))
    assert fault.startswith(told)


def test_sample_weights_of_all_outputs_or_of_each(several):
    one = np.arange(12) / 12
    for weight in (one, {"digit": one, "parity": Lazy(one)}):
        whole = trees(train=weighted(weight, tree(12)))
        assert check_data(several, whole) is whole
    (fault,) = faults(several, trees(train=weighted({"digit": one}, tree(12))))
    assert "expected one array, or one for each array of targets: y.digit, y.parity" in fault


def stream(split, name):
    def batches():
        yield split.x, split.y

    return open_stream(batches, name=name, deterministic=True)


def test_a_class_that_training_lacks_is_refused_in_validation(config):
    lacking = changed(split(12), y=split(12).y % 2)
    (told,) = faults(config, dataset(train=lacking))
    assert told.startswith(
        "validation.y[2]=2: expected a class that the training split has (2 of 6 examples have none: class 2). "
    )
    known = dataset(train=lacking, validation=changed(split(), y=split().y % 2))
    assert check_data(config, known) is known  # a test split may have others: a caution says so
    of_streams = dataset(train=stream(lacking, "train"), validation=stream(split(), "validation"))
    (told,) = faults(config, of_streams)
    assert told.startswith("validation.y=2: expected a class that the training split has (2 of 6 examples have none")


def test_a_class_that_training_lacks_is_refused_in_one_of_several_outputs(several):
    lacking = tree(12, changes={"y.digit": np.arange(12, dtype=np.int32) % 2})
    (told,) = faults(several, trees(train=lacking))
    assert told.startswith("validation.y.digit[2]=2: expected a class that the training split has")


def test_texts_may_go_on_with_words_that_training_lacks(config):
    windows = np.zeros((6, 4), np.int32)
    train, other = (Split(x=windows, y=np.full(6, label, np.int32)) for label in (0, 1))
    whole = dataset(train=train, validation=other, test=other)
    assert check_data(config, whole) is whole


def test_sequences_may_have_tokens_that_training_lacks(config):
    x = np.zeros((4, 3, 2), np.float32)
    train, other = (Split(x=x, y=np.full((4, 3), label, np.int32)) for label in (0, 1))
    whole = dataset(train=train, validation=other, test=other)
    assert check_data(config, whole) is whole


def test_classes_of_a_stream_without_a_place_in_the_output_are_told(config):
    batches = [(split().x, np.arange(6) % 4)]
    streams = {
        name: open_stream(lambda: batches, name=name, deterministic=True) for name in ("train", "validation", "test")
    }
    told = faults(config, dataset(**streams, n_outputs=3))
    assert told[0].startswith("train.y=3: expected class indices from 0 to 2, since n_outputs is 3.")
