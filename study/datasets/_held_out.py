"""Data sets of the user's own files: hold out the splits that they lack, and put the splits together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import DataError
from study.datasets import Dataset, Split
from study.datasets.preparation.holdout import GIVEN, divide

# A share, a number of examples, `none`, or a mapping, as `study.datasets.preparation.holdout` has it.
Rule = float | int | str | Mapping[str, Any] | None
# In place of a test split that is left out on purpose.
NO_TEST: Any = "none"
# Size of the inputs from which they are read or computed in pieces, in bytes.
MOST_IN_MEMORY = 1 << 29
# Classes that a message names at most.
_NAMED_CLASSES = 5

Indices = NDArray[np.integer[Any]]


def hold_out_missing(
    n: int, *, present: Collection[str], validation: Rule, test: Rule, seed: int, labels: NDArray[Any] | None
) -> tuple[dict[str, Indices], tuple[str, ...]]:
    """Divide the training examples among the splits that have no data of their own.

    Args:
        n: Number of training examples.
        present: Names of the splits that have data of their own: `validation`, `test`, both or none of them.
        validation: Rule of the validation split.
        test: Rule of the test split.
        seed: Seed of a validation split that is drawn.
        labels: Class of each training example, shape (n,); None: the targets are no classes.

    Returns:
        Indices of the training examples of each split: of `train`, and of those that are not present; without `test`
        if there is to be no test split. And sentences on a test split that was held out.
    """
    parts = divide(
        n,
        validation=GIVEN if "validation" in present else validation,
        test=GIVEN if "test" in present else test,
        seed=seed,
        labels=labels,
    )
    found = {"train": parts.train, "validation": parts.validation, "test": None if test == NO_TEST else parts.test}
    return {name: indices for name, indices in found.items() if indices is not None}, parts.remarks


def refuse_unseen_classes(
    classes: Sequence[str], labels: NDArray[np.int32], rows: Mapping[str, Indices], *, source: str
) -> None:
    """Refuse a class that another split has and the training split lacks: no model can learn it.

    Args:
        classes: Names of the classes.
        labels: Class index of each example.
        rows: Indices of the examples of each split.
        source: The file or folder, in messages.

    Raises:
        DataError: There is such a class.
    """
    known = np.unique(labels[rows["train"]])
    for split, chosen in rows.items():
        unseen = [classes[index] for index in np.setdiff1d(labels[chosen], known)]
        if unseen:
            named = ", ".join(map(repr, unseen[:_NAMED_CLASSES])) + (", ..." if len(unseen) > _NAMED_CLASSES else "")
            raise DataError(
                f"{source}: the {split} split has the class {named}, of which there is no training example. Remove "
                f"rare classes, or set dataset.{split}='{{share: 0.1, by: stratified}}', which divides each class."
            )


def assemble(splits: Mapping[str, Split], *, source: str, n_outputs: int, remarks: tuple[str, ...] = ()) -> Dataset:
    """Return the data set of splits, perhaps without a test split; its name is that in the config.

    Args:
        splits: The splits: `train`, `validation` and perhaps `test`.
        source: Origin of the data, in words or as a path.
        n_outputs: Width of a model's output.
        remarks: Sentences for readers of the results. Default: none.
    """
    return Dataset(
        source=source,
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test", NO_TEST),
        n_outputs=n_outputs,
        remarks=remarks,
    )
