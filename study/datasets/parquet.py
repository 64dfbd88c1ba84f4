"""A table of your own in a Parquet file: one column to predict, the others as inputs.

It is treated as by `dataset=csv`; types of columns come from the file.

Source: the file that `dataset.path` names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study.datasets import Dataset, Whereabouts
from study.datasets._data_frame import TablePlan, table_dataset
from study.datasets._images import data_error
from study.datasets._table_files import read_table

_EXPECTED = "a Parquet file"


def load(
    *,
    path: str | None = None,
    target: str | None = None,
    predict: str = "classes",
    leave_out: Sequence[str] = (),
    categorical: Sequence[str] = (),
    categories: str = "one_hot",
    missing_indicator: bool = True,
    scale_target: bool = False,
    weight: str | None = None,
    validation: float | int | str | Mapping[str, Any] = 0.1,
    test: float | int | str | Mapping[str, Any] | None = 0.2,
    split_seed: int,
) -> Dataset:
    """Load a Parquet file.

    Args:
        path: The file.
        target: Column to predict.
        predict: `classes` or `numbers`. Default `classes`.
        leave_out: Columns that are no inputs. Default: none.
        categorical: Columns of numbers that are categories. Default: none.
        categories: `one_hot` or `codes`. Default `one_hot`.
        missing_indicator: Add a column that is 1 where a number is missing. Default True.
        scale_target: Scale numbers to predict. Default False.
        weight: Column with the weight of each row. Default None: each row counts as one.
        validation: Rule of the validation split. Default 0.1.
        test: Rule of the test split. Default 0.2.
        split_seed: Seed of a validation split that is drawn, at least 0.

    `study.datasets.csv.load` describes these arguments in full.

    Returns:
        A data set as of `study.datasets.csv.load`.

    Raises:
        ConfigError: An argument is invalid.
        DataError: The file is not there or no Parquet file, or a column is not there or of no use.
    """
    plan = TablePlan(
        target=target,
        predict=predict,
        leave_out=leave_out,
        categorical=categorical,
        categories=categories,
        missing_indicator=missing_indicator,
        scale_target=scale_target,
        weight=weight,
        validation=validation,
        test=test,
        split_seed=split_seed,
    )
    table = read_table(path, plan.rules, read=_read, expected=_EXPECTED)
    return table_dataset(table, plan)


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="a Parquet file of your own: dataset.path=FILE")


def _read(file: Path) -> Any:
    """Return the pandas DataFrame of a file."""
    import pandas as pd  # takes half a second, and most data sets do not need it

    try:
        return pd.read_parquet(file, engine="pyarrow")
    except (OSError, ValueError) as error:  # ArrowInvalid is a kind of ValueError
        reason = str(error).strip().partition("\n")[0]
        found = f"something that cannot be read ({reason})"
        raise data_error(file, found=found, expected=_EXPECTED, advice="Write the file again.") from error
