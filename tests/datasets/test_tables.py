"""Tables of one's own: columns, categories, missing values, scaling by the training rows, and bad files."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from study.core.errors import ConfigError, DataError
from study.datasets import csv, parquet

LAST = {"validation": {"n": 2, "by": "last"}, "test": {"n": 2, "by": "last"}, "split_seed": 0}


def table(**changes):
    """Ten rows: with LAST, six for training (rows 1 to 6), two for validation and two for the test split."""
    columns = {
        "size": [1.0, 2.0, 3.0, 4.0, np.nan, 6.0, 100.0, np.nan, 7.0, 8.0],
        "city": ["Rome", "Oslo", None, "Rome", "Oslo", "Rome", "Bern", "Oslo", None, "Rome"],
        "sold": ["no", "yes", "no", "yes", "no", "yes", "no", "yes", "no", "yes"],
    }
    return pd.DataFrame(columns | changes)


def write(folder, frame):
    file = folder / "mine.csv"
    frame.to_csv(file, index=False)
    return str(file)


def load(folder, frame=None, **arguments):
    path = write(folder, table() if frame is None else frame)
    return csv.load(**{"path": path, "target": "sold", **LAST, **arguments})


def test_numbers_are_scaled_by_the_training_rows_alone(tmp_path):
    dataset = load(tmp_path, leave_out=["city"])
    numbers, indicator = dataset.train.x.T
    assert dataset.train.x.dtype == np.float32
    assert numbers.mean() == pytest.approx(0, abs=1e-6)
    assert numbers.std() == pytest.approx(1, rel=1e-6)
    seen = np.array([1, 2, 3, 4, 3, 6])  # the missing one is the median of 1, 2, 3, 4 and 6
    assert numbers == pytest.approx((seen - seen.mean()) / seen.std(), rel=1e-5)
    assert indicator.tolist() == [0, 0, 0, 0, 1, 0]
    assert dataset.validation.x[0, 0] == pytest.approx((100 - seen.mean()) / seen.std(), rel=1e-5)
    assert dataset.validation.x[1, 1] == 1
    assert load(tmp_path, leave_out=["city"], missing_indicator=False).input_shape == (1,)


def test_categories_are_those_of_the_training_rows(tmp_path):
    dataset = load(tmp_path, leave_out=["size"])
    assert dataset.input_shape == (3,)  # Oslo, Rome, and a missing city
    assert dataset.train.x[:3].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert dataset.validation.x.tolist() == [[0, 0, 0], [1, 0, 0]]  # no training row has Bern
    assert dataset.test.x.tolist() == [[0, 0, 1], [0, 1, 0]]
    codes = load(tmp_path, leave_out=["size"], categories="codes")
    assert codes.train.x[:3].tolist() == [[2], [1], [3]]
    assert codes.validation.x.tolist() == [[0], [1]]


def test_a_missing_category_that_no_training_row_has_is_unknown(tmp_path):
    city = ["Rome", "Oslo"] * 4 + [None, "Rome"]
    assert load(tmp_path, table(city=city), leave_out=["size"]).test.x.tolist() == [[0, 0], [0, 1]]


def test_numbers_can_be_categories(tmp_path):
    frame = table(zone=[10, 9, 10, 9, 10, 9, 8, 9, 10, 9])
    dataset = load(tmp_path, frame, leave_out=["size", "city"], categorical=["zone"])
    assert dataset.train.x[:2].tolist() == [[1, 0], [0, 1]]  # in the order of texts: 10 before 9
    assert dataset.validation.x[0].tolist() == [0, 0]


def test_true_and_false_are_numbers(tmp_path):
    dataset = load(tmp_path, table(new=[True, False] * 5), leave_out=["size", "city"])
    assert dataset.train.x.ravel().tolist() == [1, -1] * 3


def test_a_constant_column_is_zero(tmp_path):
    assert not load(tmp_path, table(same=[3] * 10), leave_out=["size", "city"]).train.x.any()


def test_a_column_that_is_constant_in_training_alone_keeps_its_size(tmp_path):
    frame = pd.DataFrame({"m": [0.1] * 30 + [0.2] * 10, "sold": ["no", "yes"] * 20})
    dataset = load(tmp_path, frame, test={"n": 10, "by": "last"})
    np.testing.assert_allclose(dataset.test.x[:, 0], 0.1, rtol=1e-6)
    with pytest.raises(DataError, match=r"found numbers up to .*e\+299, expected at most"):
        load(tmp_path, frame.assign(m=np.linspace(1, 1e300, 40)))


def test_numbers_with_units_are_no_categories(tmp_path):
    frame = pd.DataFrame({"weight": [f"{i},5 kg" for i in range(60)], "sold": ["no", "yes"] * 30})
    with pytest.raises(DataError, match="Write numbers with a point and without units"):
        load(tmp_path, frame)


def test_classes_are_numbered_in_their_order(tmp_path):
    dataset = load(tmp_path)
    assert dataset.n_outputs == 2
    assert dataset.train.y.dtype == np.int32
    assert dataset.train.y.tolist() == [0, 1, 0, 1, 0, 1]
    numbers = load(tmp_path, table(sold=[10, 9] * 5))
    assert numbers.train.y.tolist() == [1, 0, 1, 0, 1, 0]


def test_a_number_is_predicted_in_its_unit_or_scaled(tmp_path):
    frame = table(price=np.arange(10) * 10)
    dataset = load(tmp_path, frame, target="price", predict="numbers", leave_out=["sold"])
    assert (dataset.n_outputs, dataset.train.y.dtype) == (1, np.float32)
    assert dataset.train.y.tolist() == [[0], [10], [20], [30], [40], [50]]
    scaled = load(tmp_path, frame, target="price", predict="numbers", leave_out=["sold"], scale_target=True)
    assert scaled.train.y.mean() == pytest.approx(0, abs=1e-6)
    assert scaled.test.y[-1, 0] == pytest.approx((90 - 25) / np.arange(0, 60, 10).std(), rel=1e-5)


def test_the_columns_of_weight_and_split_are_no_inputs(tmp_path):
    frame = table(importance=np.arange(10) / 2, patient=[1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    arguments = {"leave_out": ["city"], "weight": "importance", "missing_indicator": False}
    groups = {"validation": {"share": 0.2, "by": "group", "column": "patient"}}
    dataset = load(tmp_path, frame, **arguments, **groups)
    assert dataset.input_shape == (1,)
    assert dataset.train.sample_weight.dtype == np.float32
    # The weights of a patient's two rows are 0 and 0.5, 1 and 1.5, and so on.
    train, validation = (set(split.sample_weight // 1) for split in (dataset.train, dataset.validation))
    assert (len(train), len(validation)) == (3, 1)
    assert not train & validation


def test_a_test_split_that_was_held_out_is_told(tmp_path):
    assert load(tmp_path).remarks == ("The test split was held out of the data: 2 of 10 examples, the last ones.",)
    assert load(tmp_path, test="none").remarks == ()
    assert load(tmp_path).name == ""  # the config has the name


def test_the_order_of_time_decides(tmp_path):
    frame = table(day=list(range(10))[::-1])
    rule = {"n": 2, "by": "time", "column": "day"}
    dataset = load(tmp_path, frame, leave_out=["city"], missing_indicator=False, validation=rule, test=rule)
    seen = np.array([7.5, 6, 100, 7.5, 7, 8])  # the latest days are above
    assert dataset.train.x[:, 0] == pytest.approx((seen - seen.mean()) / seen.std(), rel=1e-5)
    assert dataset.test.x[:, 0] == pytest.approx((np.array([1, 2]) - seen.mean()) / seen.std(), rel=1e-5)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_can_have_a_file_of_its_own(tmp_path, split):
    own = table(size=[9.0] * 10, city=["Wien", None] * 5)[["sold", "city", "size"]].assign(more=1)
    own.to_csv(tmp_path / "own.csv", index=False)
    dataset = load(tmp_path, **{split: {"path": "own.csv"}})
    parts = {"validation": dataset.validation, "test": dataset.test}
    assert len(parts.pop(split)) == 10
    assert (len(dataset.train), len(parts.popitem()[1])) == (8, 2)
    assert getattr(dataset, split).x[:2, 2:].tolist() == [[0, 0, 0, 0], [0, 0, 0, 1]]  # no training row has Wien
    assert getattr(dataset, split).y.tolist() == [0, 1] * 5
    assert dataset.source.endswith(f"mine.csv followed by {tmp_path / 'own.csv'}")
    both = load(tmp_path, validation={"path": "own.csv"}, test={"path": str(tmp_path / "own.csv")})
    assert [len(each) for each in (both.train, both.validation, both.test)] == [10, 10, 10]


def test_bad_files_of_splits(tmp_path):
    table()[["size", "sold"]].to_csv(tmp_path / "own.csv", index=False)
    with pytest.raises(DataError, match=r"own\.csv: found no column city, expected all columns of .*mine\.csv"):
        load(tmp_path, test={"path": "own.csv"})
    with pytest.raises(
        DataError, match=r"dataset\.test\.path=.*none\.csv: found nothing there.*folder of dataset\.path"
    ):
        load(tmp_path, test={"path": "none.csv"})
    with pytest.raises(ConfigError, match=r"dataset\.test=.*: expected a path alone"):
        load(tmp_path, test={"path": "own.csv", "share": 0.1})


def test_parquet_is_the_same_table(tmp_path):
    frame = table(kind=pd.Categorical(["a", "b"] * 5), whole=np.arange(10))
    frame.to_parquet(tmp_path / "mine.parquet")
    read = parquet.load(path=str(tmp_path / "mine.parquet"), target="sold", **LAST)
    assert read.digest == load(tmp_path, frame).digest


def test_another_separator(tmp_path):
    table().to_csv(tmp_path / "mine.txt", sep=";", index=False)
    read = csv.load(path=str(tmp_path / "mine.txt"), separator=";", target="sold", **LAST)
    assert read.digest == load(tmp_path).digest


def test_tabs_and_a_mark_of_the_encoding(tmp_path):
    table().to_csv(tmp_path / "mine.txt", sep="\t", index=False, encoding="utf-8-sig")
    read = csv.load(path=str(tmp_path / "mine.txt"), separator="tab", target="sold", **LAST)
    assert read.digest == load(tmp_path).digest
    with pytest.raises(ConfigError, match=r"dataset\.separator=::: expected one character, or tab"):
        load(tmp_path, separator="::")


def test_two_columns_of_one_name(tmp_path):
    arrays = [pa.array([1, 2]), pa.array([3, 4]), pa.array(["a", "b"])]
    pq.write_table(pa.table(arrays, names=["size", "size", "sold"]), tmp_path / "mine.parquet")
    with pytest.raises(DataError, match=r"cannot be read \(Multiple matches for .*\(size\)"):
        parquet.load(path=str(tmp_path / "mine.parquet"), target="sold", split_seed=0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"target": "solt"}, r"dataset\.target names 'solt', which is no column\. Did you mean 'sold'\? The columns"),
        ({"target": "SOLD"}, "Did you mean 'sold'"),
        ({"leave_out": ["xyz"]}, r"dataset\.leave_out names 'xyz'.*Correct dataset\.leave_out.*size, city, sold\."),
        ({"weight": "kg"}, r"dataset\.weight names 'kg'"),
        ({"test": {"n": 2, "by": "time", "column": "size"}}, r"column 'size' \(dataset\.test\.column\): found no val"),
        ({"validation": {"share": 0.2, "by": "group", "column": "who"}}, r"dataset\.validation\.column names 'who'"),
        ({"categorical": ["sold"]}, r"dataset\.categorical names sold, expected columns of inputs: size, city\."),
        ({"leave_out": ["size", "city"]}, "no column of inputs"),
        ({"weight": "city"}, r"column 'city' \(dataset\.weight\): found no value in 2 of 10 rows: 3, 9"),
        ({"predict": "numbers"}, r"column 'sold' \(dataset\.target\): found values such as 'no', expected numbers"),
        ({"target": "size"}, r"column 'size' \(dataset\.target\): found no value in 2 of 10 rows: 5, 8"),
    ],
)
def test_columns_that_are_of_no_use(tmp_path, arguments, told):
    with pytest.raises(DataError, match=told):
        load(tmp_path, **arguments)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"size": [1.0, np.inf] * 5}, "column 'size': found inf in row 2, expected finite numbers"),
        ({"size": [np.nan] * 6 + [1.0] * 4}, r"no number in the training rows.*dataset\.leave_out=\[size\]"),
        ({"sold": range(10)}, r"found 10 different numbers in 10 rows, expected classes.*predict=numbers .*MeanSq"),
        ({"sold": [0.5] * 10}, r"found 0\.5 in row 1, expected classes.*dataset\.predict=numbers"),
        (
            {"sold": ["no"] * 9 + ["maybe"]},
            "the test split has the class 'maybe', of which there is no training example.*stratified",
        ),
    ],
)
def test_values_that_are_of_no_use(tmp_path, changes, told):
    with pytest.raises(DataError, match=told):
        load(tmp_path, table(**changes))


def test_negative_weights_times_and_lists_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"found -1\.0 in row 2, expected 0 or more"):
        load(tmp_path, table(w=[1, -1] * 5), weight="w")
    for values, told in (
        (pd.date_range("2020", periods=10), "found times"),
        ([[1]] * 10, "found lists or other values"),
    ):
        table(own=values).to_parquet(tmp_path / "mine.parquet")
        with pytest.raises(DataError, match=rf"column 'own': {told}.*dataset\.leave_out=\[own\]"):
            parquet.load(path=str(tmp_path / "mine.parquet"), target="sold", **LAST)


def test_a_column_of_names_is_refused_as_one_hot(tmp_path):
    n = 1200
    frame = pd.DataFrame({"id": [f"n{i}" for i in range(n)], "sold": ["no", "yes"] * (n // 2)})
    with pytest.raises(
        DataError, match=r"found 1196 different texts in 1196 training rows, such as .*leave_out=\[id\]"
    ):
        load(tmp_path, frame)
    assert load(tmp_path, frame, categories="codes").train.x.max() == 1196


def test_arguments_are_checked_together(tmp_path):
    with pytest.raises(ConfigError, match=r"(?s)3 faults.*dataset\.predict=x.*dataset\.categories=y.*split_seed=-1"):
        load(tmp_path, predict="x", categories="y", split_seed=-1)
    with pytest.raises(
        ConfigError,
        match=r"dataset\.target=null: expected the column to predict, one of size, city, sold.*Set dataset\.targ",
    ):
        load(tmp_path, target=None)


@pytest.mark.parametrize("module", [csv, parquet])
def test_the_path_is_needed_and_checked(tmp_path, module):
    with pytest.raises(ConfigError, match=r"dataset\.path=null: expected the path of a .* file.*Set dataset\.path=F"):
        module.load(split_seed=0)
    with pytest.raises(DataError, match="found nothing there, expected a"):
        module.load(path=str(tmp_path / "none"), split_seed=0)
    with pytest.raises(DataError, match="found a folder, expected a"):
        module.load(path=str(tmp_path), split_seed=0)
    assert "dataset.path=FILE" in module.whereabouts().place


@pytest.mark.parametrize("content", [b"", b'a,b\n1,"2\n', b"a,b\n1,2\n1,2,3\n", b"a,b\n\xff,1\n"])
def test_what_is_no_csv(tmp_path, content):
    file = tmp_path / "mine.csv"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"something that cannot be read .*expected a CSV file.*in UTF-8"):
        csv.load(path=str(file), target="b", split_seed=0)


def test_no_rows_and_no_parquet(tmp_path):
    (tmp_path / "mine.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="found no rows"):
        csv.load(path=str(tmp_path / "mine.csv"), target="b", split_seed=0)
    with pytest.raises(DataError, match=r"cannot be read .*expected a Parquet file"):
        parquet.load(path=str(tmp_path / "mine.csv"), target="b", split_seed=0)
