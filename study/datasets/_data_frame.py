"""Turn a table of the user's own into a data set: choose its columns, hold rows out, encode and scale."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.config.task import WORDS_FOR_NUMBERS
from study.core.errors import ConfigError, DataError, Fault
from study.datasets import Dataset, Split
from study.datasets._argument_checks import choice_fault, integer_fault, refuse
from study.datasets._column_encoders import learn, numbers_of
from study.datasets._held_out import Indices, Rule, assemble, hold_out_missing, refuse_unseen_classes
from study.datasets._images import data_error
from study.datasets._table_files import JoinedTable

PREDICTIONS = ("classes", "numbers")
CATEGORIES = ("one_hot", "codes")
# Whole words to type, since each alone leads to the next refusal.
_TO_PREDICT_NUMBERS = (
    f"To predict a number, add dataset.predict=numbers dataset.scale_target=true {WORDS_FOR_NUMBERS}."
)
# Rows that a message names at most.
_NAMED_ROWS = 5


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """The use of the columns of a table, and its splits.

    Attributes:
        target: Column to predict.
        predict: `classes`: each value of the target is a class; `numbers`: the target is a number.
        leave_out: Columns that are no inputs.
        categorical: Columns of numbers that are categories.
        categories: `one_hot`: a column for each category; `codes`: one column of whole numbers.
        missing_indicator: Add a column of 0 and 1 for each column of numbers of which training rows miss some.
        scale_target: Scale numbers to predict as inputs are scaled.
        weight: Column with the weight of each row; None: each row counts as one.
        validation: Rule of the validation split.
        test: Rule of the test split.
        split_seed: Seed of random draws, at least 0.

    Raises:
        ConfigError: Some arguments are invalid; the error has a fault for each.
    """

    target: str | None
    predict: str
    leave_out: Sequence[str]
    categorical: Sequence[str]
    categories: str
    missing_indicator: bool
    scale_target: bool
    weight: str | None
    validation: Rule
    test: Rule
    split_seed: int

    def __post_init__(self) -> None:
        refuse(
            choice_fault("dataset.predict", self.predict, PREDICTIONS),
            choice_fault("dataset.categories", self.categories, CATEGORIES),
            integer_fault("split_seed", self.split_seed, minimum=0),
        )

    @property
    def rules(self) -> dict[str, Rule]:
        """The rule of each split that can be held out."""
        return {"validation": self.validation, "test": self.test}


def table_dataset(table: JoinedTable, plan: TablePlan) -> Dataset:
    """Turn a table into a data set; all statistics come from the training rows.

    Args:
        table: The rows of all files.
        plan: The use of its columns, and the splits.

    Returns:
        A data set with x of shape (n_rows, n_inputs), float32, and y of shape (n_rows,), int32, for classes, or
        (n_rows, 1), float32, for numbers.

    Raises:
        ConfigError: An argument is invalid.
        DataError: A column is not there, or its values are of no use.
    """
    frame, file, n_train = table.frame, table.files, table.n_train
    named = _named_columns(frame, plan)
    _check_columns(frame, named, file=file)
    for column, key in named.items():
        if key.endswith(".column"):
            _refuse_missing(frame[column].isna().to_numpy(), f"{file}, column {column!r} ({key})")
    classes, targets = _targets(frame[plan.target], plan, file=file)
    weights = None if plan.weight is None else _weights(frame[plan.weight], file=file)
    held_out, remarks = hold_out_missing(
        n_train,
        present=table.own,
        validation=_with_values(plan.validation, frame[:n_train]),
        test=_with_values(plan.test, frame[:n_train]),
        seed=plan.split_seed,
        labels=None if classes is None else targets[:n_train],
    )
    rows = {**table.own, **held_out}
    if classes is None:
        targets = _scaled_targets(targets, rows["train"], plan)
    else:
        refuse_unseen_classes(classes, targets, rows, source=file)
    x = _inputs(frame, rows["train"], plan, unused=set(named), file=file)
    splits = {
        split: Split(x=x[chosen], y=targets[chosen], sample_weight=None if weights is None else weights[chosen])
        for split, chosen in rows.items()
    }
    n_outputs = 1 if classes is None else len(classes)
    return assemble(splits, source=file, n_outputs=n_outputs, remarks=remarks)


def _named_columns(frame: Any, plan: TablePlan) -> dict[str, str]:
    """Return each column that is no input with the key that names it."""
    if plan.target is None:
        allowed = f"the column to predict, one of {', '.join(frame.columns)}"
        advice = "Set dataset.target=COLUMN."
        raise ConfigError([Fault(key="dataset.target", value=None, allowed=allowed, advice=advice)])
    found = dict.fromkeys(plan.leave_out, "dataset.leave_out")
    for split, rule in plan.rules.items():
        if isinstance(rule, Mapping) and "column" in rule:
            found[str(rule["column"])] = f"dataset.{split}.column"
    if plan.weight is not None:
        found[plan.weight] = "dataset.weight"
    return {**found, plan.target: "dataset.target"}


def _check_columns(frame: Any, named: Mapping[str, str], *, file: str) -> None:
    """Refuse names of columns that a table does not have."""
    columns = list(frame.columns)
    absent = [(name, key) for name, key in named.items() if name not in columns]
    if not absent:
        return
    lines = []
    for name, key in absent:
        near = difflib.get_close_matches(name, columns, n=1) or [
            column for column in columns if column.strip().lower() == name.strip().lower()
        ]
        advice = f"Did you mean {near[0]!r}?" if near else f"Correct {key}."
        lines.append(f"{key} names {name!r}, which is no column. {advice}")
    raise DataError(f"{file}: {' '.join(lines)} The columns are: {', '.join(columns)}.")


def _with_values(rule: Rule, frame: Any) -> Rule:
    """Return a rule with the values of the column that it names."""
    if not isinstance(rule, Mapping) or "column" not in rule:
        return rule
    return {**{key: value for key, value in rule.items() if key != "column"}, "of": frame[rule["column"]].to_numpy()}


def _targets(column: Any, plan: TablePlan, *, file: str) -> tuple[list[str] | None, NDArray[Any]]:
    """Return the classes, or None for numbers, and the targets: class indices or numbers."""
    from pandas.api.types import is_numeric_dtype

    place = f"{file}, column {column.name!r} (dataset.target)"
    _refuse_missing(column.isna().to_numpy(), place)
    is_numeric = is_numeric_dtype(column.dtype)
    if plan.predict == "numbers":
        if not is_numeric:
            advice = "Choose another column, or set dataset.predict=classes."
            raise data_error(place, found=f"values such as {column.iloc[0]!r}", expected="numbers", advice=advice)
        return None, numbers_of(column, place=place).astype(np.float32)[:, np.newaxis]
    if is_numeric and (fractions := column.to_numpy(np.float64) % 1 != 0).any():
        first = int(np.argmax(fractions))
        advice = _TO_PREDICT_NUMBERS
        found = f"{column.iloc[first]} in row {first + 1}"
        raise data_error(place, found=found, expected="classes: texts or whole numbers", advice=advice)
    values = column.to_numpy() if is_numeric else column.astype(str).to_numpy(object)
    classes, indices = np.unique(values, return_inverse=True)
    if is_numeric and 2 * len(classes) > len(values):
        found = f"{len(classes)} different numbers in {len(values)} rows"
        advice = _TO_PREDICT_NUMBERS
        raise data_error(place, found=found, expected="classes, each in several rows", advice=advice)
    return [str(each) for each in classes], indices.astype(np.int32)


def _refuse_missing(missing: NDArray[np.bool_], place: str) -> None:
    rows = np.flatnonzero(missing)
    if len(rows):
        first = ", ".join(str(row + 1) for row in rows[:_NAMED_ROWS]) + (", ..." if len(rows) > _NAMED_ROWS else "")
        found = f"no value in {len(rows)} of {len(missing)} rows: {first}"
        raise data_error(place, found=found, expected="a value in each row", advice="Remove these rows.")


def _weights(column: Any, *, file: str) -> NDArray[np.float32]:
    from pandas.api.types import is_numeric_dtype

    place = f"{file}, column {column.name!r} (dataset.weight)"
    _refuse_missing(column.isna().to_numpy(), place)
    advice = "Correct the file, or set dataset.weight=null."
    if not is_numeric_dtype(column.dtype):
        raise data_error(place, found=f"values such as {column.iloc[0]!r}", expected="numbers", advice=advice)
    weights = numbers_of(column, place=place)
    if weights.min() < 0:
        first = int(np.argmin(weights))
        raise data_error(place, found=f"{weights[first]} in row {first + 1}", expected="0 or more", advice=advice)
    return weights.astype(np.float32)


def _scaled_targets(targets: NDArray[np.float32], train: Indices, plan: TablePlan) -> NDArray[np.float32]:
    if not plan.scale_target:
        return targets
    seen = targets[train].astype(np.float64)
    scaled: NDArray[np.float32] = ((targets - seen.mean()) / (seen.std() if seen.max() > seen.min() else 1.0)).astype(
        np.float32
    )
    return scaled


def _inputs(frame: Any, train: Indices, plan: TablePlan, *, unused: set[str], file: str) -> NDArray[np.float32]:
    """Return the inputs of all rows, shape (n_rows, n_inputs)."""
    used = [column for column in frame.columns if column not in unused]
    absent = sorted(set(plan.categorical) - set(used))
    if absent or not used:
        if not used:
            raise data_error(file, found="no column of inputs", expected="at least one", advice="Leave fewer out.")
        raise DataError(
            f"{file}: dataset.categorical names {', '.join(absent)}, expected columns of inputs: {', '.join(used)}. "
            "Correct dataset.categorical."
        )
    encoded = []
    for name in used:
        encoder = learn(
            frame[name],
            train,
            one_hot=plan.categories == "one_hot",
            as_category=name in plan.categorical,
            indicator=plan.missing_indicator,
            file=file,
        )
        encoded.append(encoder.encode(frame[name]))
    return np.concatenate(encoded, axis=1)
