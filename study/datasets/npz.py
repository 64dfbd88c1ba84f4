"""Arrays of your own in an NPZ file, as `numpy.savez` writes it.

The file has `x_train` and `y_train`, and perhaps the same of `validation` and `test`, or it has `x` and `y`. Splits
that it lacks are held out of the training examples. Each may have weights: `sample_weight_train` and so on.

Source: the file that `dataset.path` names.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.datasets import PARTS, Dataset, Split, Whereabouts
from study.datasets._argument_checks import choice_fault, existing_path, integer_fault, refuse
from study.datasets._held_out import assemble, hold_out_missing
from study.datasets._images import data_error

SCALINGS = ("none", "unit", "standard")
_PIXEL_MAX = 255
_EXPECTED = "an NPZ file with x_train and y_train, or x and y"
_ADVICE = "Write it by numpy.savez(FILE, x_train=..., y_train=..., x_test=..., y_test=...)."


def load(
    *,
    path: str | None = None,
    scaling: str = "none",
    validation: float | int | str | Mapping[str, Any] = 0.1,
    test: float | int | str | Mapping[str, Any] | None = 0.2,
    split_seed: int,
) -> Dataset:
    """Load an NPZ file; nothing in it is unpickled.

    Args:
        path: The file.
        scaling: `none`: the values as they are; `unit`: pixels from 0 to 255 become 0 to 1; `standard`: mean 0 and
            standard deviation 1 over the training split, for each entry of the last axis: a column of a table, or a
            channel of an image. Default `none`.
        validation: Rule of the validation split, if the file has no `x_validation`: a share of the training examples,
            a number of first examples, or a mapping. Default 0.1.
        test: Rule of the test split, if the file has no `x_test`; `none`: no test split. Default 0.2.
        split_seed: Seed of a validation split that is drawn, at least 0.

    Returns:
        A data set with x of shape (n, ...), float32 (or int32 for unscaled whole numbers), and y of shape (n,), int32,
        for classes given as whole numbers or texts, else of shape (n, n_outputs), float32.

    Raises:
        ConfigError: An argument is invalid.
        DataError: The file is not there or no NPZ file, or an array is missing or of no use.
    """
    refuse(choice_fault("dataset.scaling", scaling, SCALINGS), integer_fault("split_seed", split_seed, minimum=0))
    file = existing_path(path, expected=_EXPECTED)
    splits = {name: _split(arrays, name, file=file) for name, arrays in _read(file).items()}
    splits, n_outputs = _with_targets(splits, file=file)
    train = splits["train"]
    labels = train.y if train.y.ndim == 1 else None
    rows, remarks = hold_out_missing(
        len(train), present=splits, validation=validation, test=test, seed=split_seed, labels=labels
    )
    splits |= {name: train.take(chosen) for name, chosen in rows.items()}
    return assemble(_scaled(splits, scaling, file=file), source=str(file), n_outputs=n_outputs, remarks=remarks)


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="an NPZ file of your own: dataset.path=FILE")


def _read(file: Path) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the arrays of each split: x, y and perhaps sample_weight."""
    try:
        # A single array or a pickle is no archive, and numpy.load would treat each in another way.
        with zipfile.ZipFile(file), np.load(file, allow_pickle=False) as archive:
            names = archive.files
            splits = {split: suffix for split, suffix in _suffixes(names).items() if f"x{suffix}" in names}
            missing = [f"y{suffix}" for suffix in splits.values() if f"y{suffix}" not in names]
            if "train" not in splits or missing:
                found = f"the arrays {', '.join(names) or '(none)'}" + (f" and no {missing[0]}" if missing else "")
                raise data_error(file, found=found, expected=_EXPECTED, advice=_ADVICE)
            return {
                split: {part: archive[f"{part}{suffix}"] for part in PARTS if f"{part}{suffix}" in names}
                for split, suffix in splits.items()
            }
    # RuntimeError: zipfile raises it for encryption, and a subclass for an unknown compression method.
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        found = f"something that cannot be read ({error})"
        raise data_error(file, found=found, expected=_EXPECTED, advice=_ADVICE) from error


def _suffixes(names: list[str]) -> dict[str, str]:
    """Return the end of the names of each split's arrays; those of the training split may have none."""
    bare = {"train": ""} if "x" in names and "x_train" not in names else {"train": "_train"}
    return {**bare, "validation": "_validation", "test": "_test"}


def _split(arrays: dict[str, NDArray[Any]], name: str, *, file: Path) -> Split:
    """Return a split of arrays with as many examples each."""
    for part, array in arrays.items():
        place = f"{file}, {part} of the {name} split"
        if not array.ndim or not len(array):
            advice = "Give it one row for each example."
            raise data_error(place, found=f"shape {array.shape}", expected="at least one example", advice=advice)
        if len(array) != len(arrays["x"]):
            expected = f"{len(arrays['x'])}, one for each row of x"
            raise data_error(place, found=f"{len(array)} rows", expected=expected, advice="Write matching arrays.")
        if array.dtype.kind not in ("biufUS" if part == "y" else "biuf"):
            advice = "Convert the values before numpy.savez."
            expected = "numbers, or texts as classes" if part == "y" else "numbers"
            raise data_error(place, found=f"values of type {array.dtype}", expected=expected, advice=advice)
    weight = arrays.get("sample_weight")
    return Split(x=arrays["x"], y=arrays["y"], sample_weight=None if weight is None else weight.astype(np.float32))


def _with_targets(splits: dict[str, Split], *, file: Path) -> tuple[dict[str, Split], int]:
    """Return the splits with class indices or float32 numbers as targets, and the width of a model's output."""
    targets = {
        name: split.y.reshape(len(split)) if _is_column_of_classes(split.y) else split.y
        for name, split in splits.items()
    }
    train = targets["train"]
    for name, y in targets.items():
        if y.shape[1:] != train.shape[1:] or (y.dtype.kind in "US") != (train.dtype.kind in "US"):
            found, expected = f"{y.dtype} of shape {y.shape[1:]}", f"{train.dtype} of shape {train.shape[1:]}"
            advice = "Write the targets of all splits in the same form."
            raise data_error(f"{file}, y of the {name} split", found=found, expected=expected, advice=advice)
    if train.dtype.kind in "US":
        if train.ndim > 1:
            found, expected = f"texts of shape {train.shape}", "one text for each example"
            raise data_error(f"{file}, y", found=found, expected=expected, advice="Write one class for each example.")
        classes = np.unique(train)
        for name, y in targets.items():
            if len(unseen := np.setdiff1d(y, classes)):
                found = f"the class {str(unseen[0])!r}"
                expected = f"one that y of the training split has: {', '.join(map(str, classes[:10]))}"
                place = f"{file}, y of the {name} split"
                raise data_error(place, found=found, expected=expected, advice="Move an example of it to training.")
        indices = {name: np.searchsorted(classes, y).astype(np.int32) for name, y in targets.items()}
        return {name: replace(split, y=indices[name]) for name, split in splits.items()}, len(classes)
    if train.ndim == 1 and train.dtype.kind in "biu":
        n_classes = 1 + max(int(y.max()) for y in targets.values())
        if n_classes > sum(map(len, targets.values())):
            found = f"whole numbers up to {n_classes - 1}, of more classes than there are examples"
            advice = "Write numbers to predict with astype('float32')."
            raise data_error(f"{file}, y", found=found, expected="class indices from 0", advice=advice)
        return {name: replace(split, y=targets[name].astype(np.int32)) for name, split in splits.items()}, n_classes
    numbers = {name: y[:, np.newaxis] if y.ndim == 1 else y for name, y in targets.items()}
    whole = {name: replace(split, y=numbers[name].astype(np.float32)) for name, split in splits.items()}
    return whole, int(numbers["train"].shape[-1])


def _is_column_of_classes(y: NDArray[Any]) -> bool:
    return y.dtype.kind in "biuUS" and y.shape[1:] == (1,)


def _scaled(splits: Mapping[str, Split], scaling: str, *, file: Path) -> dict[str, Split]:
    """Return the splits with scaled inputs, float32; unscaled whole numbers become int32."""
    x = splits["train"].x
    if scaling == "unit":
        for name, split in splits.items():
            if split.x.dtype.kind not in "iu" or split.x.min() < 0 or split.x.max() > _PIXEL_MAX:
                found = f"{split.x.dtype} from {split.x.min()} to {split.x.max()}"
                expected = f"whole numbers from 0 to {_PIXEL_MAX}, for dataset.scaling=unit"
                place = f"{file}, x of the {name} split"
                raise data_error(place, found=found, expected=expected, advice="Set dataset.scaling=standard or none.")
        return {
            name: replace(split, x=np.divide(split.x, np.float32(_PIXEL_MAX), dtype=np.float32))
            for name, split in splits.items()
        }
    if scaling == "none":
        return {
            name: replace(split, x=split.x.astype(np.float32 if split.x.dtype.kind == "f" else np.int32, copy=False))
            for name, split in splits.items()
        }
    axes = tuple(range(max(1, x.ndim - 1)))
    mean, deviation = x.mean(axes, dtype=np.float64), x.std(axes, dtype=np.float64)
    # An entry that never changes has nothing to scale.
    deviation = np.where(x.max(axes) > x.min(axes), deviation, 1.0)
    return {
        name: replace(split, x=((split.x - mean) / deviation).astype(np.float32)) for name, split in splits.items()
    }
