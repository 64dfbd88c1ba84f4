"""Turn the columns of a table into numbers, with statistics and categories of the training rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from study.datasets._held_out import Indices
from study.datasets._images import data_error

# More columns than this of one column are nearly always names, texts or dates, and no categories.
# A column of texts with more different ones than this number, and than this share of the rows, has no categories.
_FEW, _OWN = 20, 0.5
# Largest number whose square is finite.
_LARGEST = 1e150
MOST_ONE_HOT = 1000

Numbers = NDArray[np.float32]


class Encoder(Protocol):
    """Rule that turns one column into numbers."""

    def encode(self, column: Any) -> Numbers:
        """Return the numbers of a column, shape (n_rows, width).

        Args:
            column: The pandas Series, of any rows.
        """
        ...


def learn(column: Any, train: Indices, *, one_hot: bool, as_category: bool, indicator: bool, file: str) -> Encoder:
    """Learn how to turn a column into numbers.

    Args:
        column: The pandas Series, with all rows.
        train: Positions of the training rows, shape (n_train,). Statistics and categories come from them alone.
        one_hot: One column for each category, in place of one column of codes.
        as_category: Treat numbers as categories.
        indicator: Add a column of 0 and 1 that says where a number was missing.
        file: Name of the file in messages.

    Raises:
        DataError: The column has times, lists or infinite numbers, no number in the training rows, or too many
            categories for one-hot columns.
    """
    from pandas.api.types import is_numeric_dtype

    place = f"{file}, column {column.name!r}"
    _refuse_other_kinds(column, place)
    if is_numeric_dtype(column.dtype) and not as_category:
        return _learn_numbers(column, train, indicator=indicator, place=place)
    return _learn_categories(column, train, one_hot=one_hot, place=place)


def numbers_of(column: Any, *, place: str) -> NDArray[np.float64]:
    """Return a column of numbers as an array, shape (n_rows,), with NaN where one is missing.

    Args:
        column: The pandas Series.
        place: Name of the column in messages.

    Raises:
        DataError: A number is infinite.
    """
    values: NDArray[np.float64] = column.to_numpy(np.float64, na_value=np.nan)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        found = f"{values[infinite[0]]} in row {infinite[0] + 1}"
        advice = "Correct it in the file, or leave it empty: it then counts as missing."
        raise data_error(place, found=found, expected="finite numbers", advice=advice)
    return values


@dataclass(frozen=True, kw_only=True)
class _NumberEncoder:
    """Rule of a column of numbers.

    Attributes:
        median: Value in place of a missing one.
        mean: Mean of the training rows, after missing values were filled in.
        deviation: Their standard deviation; 1 if they are all the same.
        indicator: Add a column that is 1 where the value was missing.
        place: Name of the column in messages.
    """

    median: float
    mean: float
    deviation: float
    indicator: bool
    place: str

    def encode(self, column: Any) -> Numbers:
        values = numbers_of(column, place=self.place)
        missing = np.isnan(values)
        scaled = (np.where(missing, self.median, values) - self.mean) / self.deviation
        columns: Numbers = np.stack([scaled, missing] if self.indicator else [scaled], axis=1).astype(np.float32)
        return columns


def _learn_numbers(column: Any, train: Indices, *, indicator: bool, place: str) -> _NumberEncoder:
    seen = numbers_of(column, place=place)[train]
    missing = np.isnan(seen)
    if missing.all():
        advice = f"Add it to dataset.leave_out: dataset.leave_out=[{column.name}]."
        raise data_error(place, found="no number in the training rows", expected="at least one", advice=advice)
    median = float(np.median(seen[~missing]))
    filled = np.where(missing, median, seen)
    if (largest := float(np.abs(filled).max())) > _LARGEST:
        advice = f"Correct it in the file, or leave the column out: dataset.leave_out=[{column.name}]."
        raise data_error(place, found=f"numbers up to {largest:g}", expected=f"at most {_LARGEST:g}", advice=advice)
    # The deviation of equal numbers is not 0 where their mean is rounded.
    deviation = float(filled.std()) if filled.max() > filled.min() else 1.0
    return _NumberEncoder(
        median=median,
        mean=float(filled.mean()),
        deviation=deviation,
        indicator=indicator and bool(missing.any()),
        place=place,
    )


@dataclass(frozen=True, kw_only=True)
class _CategoryEncoder:
    """Rule of a column of categories.

    Attributes:
        codes: Code of each category of the training rows, from 1 on; 0 stands for any other.
        missing: Code of a missing value; 0 if no training row misses one.
        one_hot: One column for each code but 0: an unknown category has zeros in all of them.
    """

    codes: Mapping[str, int]
    missing: int
    one_hot: bool

    def encode(self, column: Any) -> Numbers:
        is_missing = column.isna().to_numpy()
        codes = column.astype(str).map(self.codes).fillna(0).to_numpy(np.int64)
        codes = np.where(is_missing, self.missing, codes)
        if not self.one_hot:
            as_numbers: Numbers = codes.astype(np.float32)[:, np.newaxis]
            return as_numbers
        n_codes = len(self.codes) + (self.missing > 0)
        hot: Numbers = (codes[:, np.newaxis] == np.arange(1, n_codes + 1)).astype(np.float32)
        return hot


def _learn_categories(column: Any, train: Indices, *, one_hot: bool, place: str) -> _CategoryEncoder:
    seen = column.iloc[train]
    is_missing = seen.isna()
    names = sorted(seen[~is_missing].astype(str).unique())
    n = int((~is_missing).sum())
    if one_hot and len(names) > max(_FEW, _OWN * n):
        found = f"{len(names)} different texts in {n} training rows, such as {names[0]!r}"
        advice = (
            "Write numbers with a point and without units into the file; leave dates and names out: "
            f"dataset.leave_out=[{column.name}]. Or set dataset.categories=codes."
        )
        raise data_error(place, found=found, expected="numbers, or few categories", advice=advice)
    if one_hot and len(names) > MOST_ONE_HOT:
        advice = f"Leave it out (dataset.leave_out=[{column.name}]), or set dataset.categories=codes."
        expected = f"at most {MOST_ONE_HOT} for one-hot columns"
        raise data_error(place, found=f"{len(names)} different values", expected=expected, advice=advice)
    missing = len(names) + 1 if is_missing.any() else 0
    codes = {name: code for code, name in enumerate(names, start=1)}
    return _CategoryEncoder(codes=codes, missing=missing, one_hot=one_hot)


def _refuse_other_kinds(column: Any, place: str) -> None:
    """Refuse times, complex numbers and lists, which are neither numbers nor categories."""
    from pandas.api.types import is_scalar

    kind = getattr(column.dtype, "kind", "O")
    if kind in "mMc":
        found = "complex numbers" if kind == "c" else "times"
    elif column.dtype != object or all(is_scalar(value) for value in column.dropna()):
        return
    else:
        found = "lists or other values of several parts"
    advice = f"Write it as numbers into the file, or leave it out: dataset.leave_out=[{column.name}]."
    raise data_error(place, found=found, expected="numbers, texts, or true and false", advice=advice)
