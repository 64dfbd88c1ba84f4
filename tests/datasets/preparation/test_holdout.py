"""Examples that are held out for validation and test: each rule, each bad value, and arrays on disk."""

import subprocess
import sys

import numpy as np
import pytest

from study.core.errors import ConfigError
from study.datasets import Split
from study.datasets.preparation.holdout import GIVEN, Selection, divide, hold_out, is_rule, select

N = 100


def division(n=N, *, validation=0.1, test="none", seed=0, **known):
    return divide(n, validation=validation, test=test, seed=seed, **known)


def faults_of(**arguments):
    with pytest.raises(ConfigError) as caught:
        division(**arguments)
    return caught.value.faults


def test_every_example_is_in_one_split_and_keeps_its_order():
    parts = division(validation=0.25, test=0.1)
    indices = [parts.train, parts.validation, parts.test]
    assert [len(found) for found in indices] == [65, 25, 10]
    assert sorted(np.concatenate(indices)) == list(range(N))
    assert all(found.dtype == np.int64 and (np.diff(found) > 0).all() for found in indices)


def test_a_share_is_drawn_by_the_seed_of_the_split_and_the_test_split_by_its_own():
    parts = [division(test=0.2, seed=seed) for seed in (0, 0, 1)]
    assert parts[0].validation.tolist() == parts[1].validation.tolist() != parts[2].validation.tolist()
    assert parts[0].test.tolist() == parts[2].test.tolist()
    assert parts[0].validation.tolist() != list(range(10))


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        (30, range(30)),
        (np.int64(30), range(30)),
        ({"n": 30, "by": "first"}, range(30)),
        ({"share": 0.3, "by": "first"}, range(30)),
        ({"n": 5, "by": "last"}, range(95, 100)),
        ({"share": 0.05, "by": "last"}, range(95, 100)),
    ],
)
def test_the_first_and_the_last_examples(rule, chosen):
    assert division(validation=rule).validation.tolist() == list(chosen)
    assert division(validation=GIVEN, test=rule).test.tolist() == list(chosen)


def test_validation_is_held_out_of_what_test_leaves():
    parts = division(validation={"n": 10, "by": "last"}, test={"n": 20, "by": "last"})
    assert (parts.validation[0], parts.test[0], len(parts.train)) == (70, 80, 70)


def test_a_mapping_without_a_way_is_drawn():
    drawn, first = division(validation={"n": 10}), division(validation=10)
    assert drawn.validation.tolist() == division(validation=0.1).validation.tolist() != first.validation.tolist()


def test_a_data_set_that_says_nothing_has_a_fifth_for_test_of_each_class_and_says_so():
    labels = np.repeat([0, 1], (80, 20))
    with_classes, without = division(test=None, labels=labels), division(test=None)
    assert np.bincount(labels[with_classes.test]).tolist() == [16, 4]
    assert len(without.test) == 20
    (remark,) = with_classes.remarks
    assert "20 of 100 examples" in remark
    assert "each class" in remark
    assert "at random" in without.remarks[0]


def test_there_may_be_no_test_split_or_one_with_data_of_its_own():
    parts = division(test="none")
    assert (len(parts.test), parts.test.dtype, parts.remarks) == (0, np.int64, ())
    parts = division(validation=GIVEN, test=GIVEN)
    assert (parts.validation, parts.test, len(parts.train), parts.remarks) == (None, None, N, ())


def test_each_class_has_its_share():
    labels = np.tile([0, 0, 0, 1], 25)
    parts = division(validation={"share": 0.2, "by": "stratified"}, test={"n": 20, "by": "stratified"}, labels=labels)
    assert [np.bincount(labels[found]).tolist() for found in (parts.validation, parts.test)] == [[15, 5]] * 2


def test_no_group_is_in_two_splits():
    groups = np.repeat([f"patient {index}" for index in range(20)], 5)
    rule = {"share": 0.2, "by": "group"}
    parts = [
        division(validation=rule, test=rule, groups=groups),
        division(validation={**rule, "of": groups.tolist()}, test={**rule, "of": groups}),
    ]
    for part in parts:
        of_split = [set(groups[found]) for found in (part.train, part.validation, part.test)]
        assert sum(map(len, of_split)) == 20
        assert all(of_split)
    assert len(set(groups[parts[0].test])) == 4
    assert parts[0].test.tolist() == parts[1].test.tolist()


def test_the_latest_examples_are_for_test_and_the_latest_of_the_rest_for_validation():
    times = np.random.default_rng(0).permutation(N).astype("datetime64[D]")
    rule = {"n": 10, "by": "time"}
    parts = division(validation=rule, test=rule, times=times)
    spans = [(times[found].min(), times[found].max()) for found in (parts.train, parts.validation, parts.test)]
    assert spans[0][1] < spans[1][0] <= spans[1][1] < spans[2][0]
    assert [len(parts.validation), len(parts.test)] == [10, 10]


def test_times_may_be_dates_as_texts_if_their_form_has_the_order_of_time():
    dates = np.array(["2020-02-01", "2019-12-31", "2020-01-05", "2020-01-04"])
    assert division(4, test={"n": 1, "by": "time", "of": dates}, validation=1).test.tolist() == [0]
    german = np.array(["01.02.2020", "31.12.2019", "05.01.2020", "04.01.2020"])
    (fault,) = faults_of(n=4, test={"n": 1, "by": "time", "of": german}, validation=1)
    assert str(fault).startswith("dataset.test.of=01.02.2020: expected numbers, or dates in the form 2026-11-29")


def test_examples_of_one_time_stay_together():
    times = np.repeat(np.arange(20), 5)
    parts = division(validation={"n": 7, "by": "time", "of": times})
    assert parts.validation.tolist() == list(range(90, 100))
    (fault,) = faults_of(validation={"n": 7, "by": "time", "of": np.zeros(N)})
    assert (fault.key, fault.allowed) == ("dataset.validation.by", "examples of several times")


@pytest.mark.parametrize(
    "rule",
    [
        0,
        -1,
        100,
        500,
        0.0,
        1.0,
        2.0,
        -0.1,
        float("nan"),
        True,
        "first",
        "none",
        None,
        {},
        {"share": 0.1, "n": 5},
        {"share": 20},
        {"share": None},
        {"share": "0.1"},
        {"n": 0.5},
        {"n": 20.0},
        {"n": True},
    ],
    ids=str,
)
def test_a_wrong_size_is_refused(rule):
    (fault,) = faults_of(validation=rule)
    assert fault.key == "dataset.validation"
    assert fault.allowed
    assert fault.advice


def test_a_share_of_few_examples_is_at_least_one_and_leaves_one():
    assert len(division(4, validation=0.1).validation) == 1
    (fault,) = faults_of(n=1, validation=0.5)
    assert "1 example" in fault.allowed
    (fault,) = faults_of(n=3, validation=0.9)
    assert fault.key == "dataset.validation"


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ({"share": 0.1, "by": "chance"}, "dataset.validation.by"),
        ({"share": 0.1, "by": ["random"]}, "dataset.validation.by"),
        ({"share": 0.1, "by": "stratified"}, "dataset.validation.by"),
        ({"share": 0.1, "by": "group"}, "dataset.validation.of"),
        ({"share": 0.1, "by": "time"}, "dataset.validation.of"),
        ({"share": 0.1, "by": "time", "of": np.arange(3)}, "dataset.validation.of"),
        ({"share": 0.1, "by": "time", "of": 5}, "dataset.validation.of"),
        ({"share": 0.1, "shuffle": False}, "dataset.validation.shuffle"),
    ],
    ids=str,
)
def test_a_wrong_way_is_refused(rule, key):
    assert [fault.key for fault in faults_of(validation=rule)] == [key]


def test_all_faults_are_told_at_once():
    found = faults_of(validation={"share": 3, "by": "chance", "shuffle": True}, test=0)
    assert [fault.key for fault in found] == [
        "dataset.test",
        "dataset.validation.shuffle",
        "dataset.validation.by",
        "dataset.validation",
    ]


def test_splits_that_leave_nothing_for_training_are_refused():
    (fault,) = faults_of(validation=50, test=50)
    assert (fault.key, fault.allowed) == ("dataset.validation", "at most 49 examples beside the other splits")


def test_classes_and_groups_that_cannot_be_divided_are_refused():
    lonely = np.array([0] * 99 + [1])
    (fault,) = faults_of(validation={"share": 0.1, "by": "stratified"}, labels=lonely)
    assert (fault.key, fault.value) == ("dataset.validation.by", "stratified")
    (fault,) = faults_of(validation={"share": 0.1, "by": "group", "of": np.zeros(N)})
    assert (fault.key, fault.value) == ("dataset.validation.by", "group")


def test_a_default_test_split_of_a_class_with_one_example_is_drawn_from_all():
    parts = division(test=None, labels=np.array([0] * 99 + [1]))
    assert len(parts.test) == 20
    assert "at random" in parts.remarks[0]


def test_values_that_are_splits_are_no_rules():
    assert all(map(is_rule, (0.1, 5, None, "none", {"n": 5}, np.float32(0.1), True)))
    assert not any(map(is_rule, (Split(x=0, y=0), (1, 2), [1], np.zeros(3))))


def test_examples_are_held_out_of_each_array_of_a_split():
    x = {"a": np.arange(10), "b": np.arange(20).reshape(10, 2)}
    split = Split(x=x, y=(np.arange(10),), sample_weight=np.arange(10) / 10)
    held = hold_out(split, validation={"n": 2, "by": "last"}, test=3, seed=0)
    assert held.train.x["a"].tolist() == [3, 4, 5, 6, 7]
    assert held.validation.x["b"].tolist() == [[16, 17], [18, 19]]
    assert held.test.y[0].tolist() == [0, 1, 2]
    assert held.test.sample_weight.tolist() == [0.0, 0.1, 0.2]
    assert all(part.is_in_memory for part in (held.train, held.validation, held.test))


def test_a_split_is_left_as_it_is_if_nothing_is_held_out():
    split = Split(x=np.arange(10), y=np.arange(10))
    held = hold_out(split, validation=GIVEN, test="none", seed=0)
    assert held.train is split
    assert (held.validation, len(held.test), held.test.x.dtype) == (None, 0, split.x.dtype)
    held = hold_out(split, validation=GIVEN, test=GIVEN, seed=0)
    assert (held.train is split, held.test, held.remarks) == (True, None, ())


def test_arrays_on_disk_are_not_copied(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40).reshape(20, 2))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    split = Split(x=x, y=np.arange(20))
    held = hold_out(split, validation=0.2, test=5, seed=0)
    assert isinstance(held.test.x, np.memmap)
    assert np.shares_memory(held.test.x, x)
    drawn = held.train
    assert isinstance(drawn.x, Selection)
    assert (len(drawn.x), drawn.x.shape, drawn.x.dtype) == (11, (11, 2), x.dtype)
    assert not drawn.is_in_memory
    in_memory = hold_out(Split(x=np.array(x), y=split.y), validation=0.2, test=5, seed=0).train
    assert np.array_equal(drawn.x[:], in_memory.x)
    assert np.array_equal(drawn.x[np.array([3, 0, 3])], in_memory.x[[3, 0, 3]])
    assert list(Split(x=drawn.x[:], y=drawn.y).contents()) == list(in_memory.contents())
    assert b"".join(drawn.contents()) == b"".join(in_memory.contents())


def test_a_selection_of_a_selection_reads_the_right_examples():
    class Squares:
        shape, dtype = (50,), np.dtype(np.int64)

        def __len__(self):
            return 50

        def __getitem__(self, chosen):
            return np.arange(50)[chosen] ** 2

    once = select(Split(x=Squares(), y=np.arange(50)), np.arange(10, 50, 2))
    twice = select(once, np.array([1, 3]))
    assert twice.x[:].tolist() == [144, 256]
    assert len(select(once, np.arange(0)).x) == 0


def test_scikit_learn_is_imported_only_where_it_draws():
    code = (
        "import sys; from study.datasets.preparation.holdout import divide; "
        "divide(10, validation=0.2, seed=0); sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
