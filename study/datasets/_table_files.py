"""Read a table of the user's own, and the tables of its splits that have files of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from study.core.errors import ConfigError, Fault
from study.datasets._argument_checks import existing_path
from study.datasets._held_out import Indices, Rule
from study.datasets._images import data_error


@dataclass(frozen=True, kw_only=True)
class JoinedTable:
    """Rows of all files, one after the other.

    Attributes:
        frame: The pandas DataFrame.
        files: Paths of the files, in words.
        n_train: Number of rows of the first file.
        own: Positions of the rows of each split that has a file of its own. Default: none.
    """

    frame: Any
    files: str
    n_train: int
    own: Mapping[str, Indices] = field(default_factory=dict)


def read_table(
    path: str | None, rules: Mapping[str, Rule], *, read: Callable[[Path], Any], expected: str
) -> JoinedTable:
    """Read the file of a table, and those that the rules of splits name.

    Args:
        path: The value of `dataset.path`.
        rules: The rule of each split. `{path: FILE}` is a file of its own, from the folder of the first one on.
        read: Returns the pandas DataFrame of a file.
        expected: The thing that should be there, in words, such as `a CSV file`.

    Raises:
        ConfigError: No path is given, or a rule has a path and something else.
        DataError: A file is not there, cannot be read, or lacks rows or columns.
    """
    file = existing_path(path, expected=expected)
    files = [file]
    frames = {"train": _with_texts_as_names(read(file), file)}
    for split, rule in rules.items():
        if isinstance(rule, Mapping) and "path" in rule:
            if len(rule) > 1:
                advice = "Leave out the rest: the split has all rows of the file."
                raise ConfigError(
                    [Fault(key=f"dataset.{split}", value=dict(rule), allowed="a path alone", advice=advice)]
                )
            place = os.path.join(file.parent, str(rule["path"]))
            files.append(existing_path(place, expected=expected, key=f"dataset.{split}.path"))
            frames[split] = _with_columns(_with_texts_as_names(read(files[-1]), files[-1]), frames["train"], files)
    if len(frames) == 1:
        return JoinedTable(frame=frames["train"], files=str(file), n_train=len(frames["train"]))
    import pandas as pd  # takes half a second, and most data sets do not need it

    ends = np.cumsum([len(frame) for frame in frames.values()])
    own = {
        split: np.arange(start, end) for split, start, end in zip(list(frames)[1:], ends[:-1], ends[1:], strict=True)
    }
    whole = pd.concat(list(frames.values()), ignore_index=True)
    return JoinedTable(frame=whole, files=" followed by ".join(map(str, files)), n_train=int(ends[0]), own=own)


def _with_texts_as_names(frame: Any, file: Path) -> Any:
    """Return a table whose columns have texts as names; refuse one without rows."""
    if not len(frame):
        raise data_error(file, found="no rows", expected="at least one row below the names", advice="Add rows.")
    return frame.set_axis([str(column) for column in frame.columns], axis=1)


def _with_columns(frame: Any, train: Any, files: list[Path]) -> Any:
    """Return a table with the columns of the training table alone."""
    missing = [column for column in train.columns if column not in frame.columns]
    if missing:
        expected = f"all columns of {files[0]}"
        advice = "Add the columns, or remove them from the other file."
        raise data_error(files[-1], found=f"no column {', '.join(missing)}", expected=expected, advice=advice)
    return frame[list(train.columns)]
