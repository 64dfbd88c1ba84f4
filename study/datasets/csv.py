"""A table of your own in a CSV file: one column to predict, the others as inputs.

Numbers are scaled to mean 0 and standard deviation 1, categories become one-hot columns or codes. All that is learned
for it (medians, means, deviations, categories) comes from the training rows alone.

Source: the file that `dataset.path` names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from study.core.errors import Fault
from study.datasets import Dataset, Whereabouts
from study.datasets._argument_checks import refuse
from study.datasets._data_frame import TablePlan, table_dataset
from study.datasets._images import data_error
from study.datasets._table_files import read_table

_EXPECTED = "a CSV file with the names of the columns in its first line"


def load(
    *,
    path: str | None = None,
    separator: str = ",",
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
    """Load a CSV file in UTF-8; empty values, and texts such as NA and null, are missing ones.

    Args:
        path: The file. Its first line has the names of the columns.
        separator: The character between two values of a line, or `tab`. Default `,`.
        target: Column to predict.
        predict: `classes`: each value of the target is a class; `numbers`: the target is a number. Default `classes`.
        leave_out: Columns that are no inputs. So are, without being named here, the target, the weight, and the
            columns of `validation` and `test`. Default: none.
        categorical: Columns of numbers that are categories, such as postal codes. Default: none; columns of texts are
            categories always.
        categories: `one_hot`: a column of 0 and 1 for each category of the training rows, with zeros in all of them
            for a category that these lack; `codes`: one column of whole numbers, from 1 on in the order of the
            alphabet, and 0 for a category that the training rows lack. A missing value is a category of its own if
            training rows have it. Default `one_hot`.
        missing_indicator: Add a column that is 1 where a number is missing, for each column of numbers of which
            training rows miss some. In the column itself the median of the training rows stands for it. Default True.
        scale_target: Scale numbers to predict to mean 0 and standard deviation 1, by the training rows. Default False.
        weight: Column with the weight of each row. Default None: each row counts as one.
        validation: Share of the rows, number of first rows, or a mapping such as `{share: 0.1, by: group,
            column: patient}` or `{path: FILE}`: a file of its own, whose path starts at the folder of the first one.
            Default 0.1.
        test: The same for the test split, which is taken first; `none`: no test split. Default 0.2.
        split_seed: Seed of a validation split that is drawn, at least 0.

    Returns:
        A data set with x of shape (n, n_inputs), float32, and y of shape (n,), int32, for classes in the order of the
        alphabet (or of numbers), or (n, 1), float32, for numbers.

    Raises:
        ConfigError: An argument is invalid.
        DataError: The file is not there or no CSV file, or a column is not there or of no use.
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
    refuse(_separator_fault(separator))
    table = read_table(path, plan.rules, read=partial(_read, separator=separator), expected=_EXPECTED)
    return table_dataset(table, plan)


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="a CSV file of your own: dataset.path=FILE")


def _read(file: Path, *, separator: str) -> Any:
    """Return the pandas DataFrame of a file."""
    import pandas as pd  # takes half a second, and most data sets do not need it

    try:
        return pd.read_csv(file, sep="\t" if separator == "tab" else separator, low_memory=False)
    # ParserError and EmptyDataError are kinds of ValueError, as are errors of the encoding.
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        found = f"something that cannot be read ({reason})"
        advice = "Correct the file, or set dataset.separator."
        raise data_error(file, found=found, expected=f"{_EXPECTED}, in UTF-8", advice=advice) from error


def _separator_fault(separator: str) -> Fault | None:
    if len(separator) == 1 or separator == "tab":
        return None
    advice = "Set dataset.separator=tab, or a character such as \"dataset.separator=';'\"."
    return Fault(key="dataset.separator", value=separator, allowed="one character, or tab", advice=advice)
