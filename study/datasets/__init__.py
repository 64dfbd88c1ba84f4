"""Data sets, one for each file: `load(...) -> Dataset`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Split:
    """Examples and their targets.

    Attributes:
        x: Inputs, shape (n_examples, *input_shape), float32 (or integers for an embedding).
        y: Targets, shape (n_examples,) for class indices, or (n_examples, n_outputs) for numbers.
    """

    x: NDArray[Any]
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """The place that a data set would be read from, for `study doctor`; a module has `whereabouts() -> Whereabouts`.

    Attributes:
        place: The first place that has the data set, in words or as a path; None: it is not on this machine.
        ways: Ways to get the data set onto this machine, in words. Default: none.
    """

    place: str | None
    ways: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The three splits of a data set.

    Attributes:
        name: Name of the data set.
        source: Origin of the data, in words or as a path.
        train: The split for training.
        validation: The split for the selection of trials.
        test: The split for confirmations alone.
        n_outputs: Width of a model's output: the number of classes, or of numbers to predict.
    """

    name: str
    source: str
    train: Split
    validation: Split
    test: Split
    n_outputs: int

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.x.shape[1:])

    @cached_property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of all arrays, with their shapes and types."""
        sha = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            for array in (split.x, split.y):
                sha.update(f"{array.shape}{array.dtype.str}".encode())
                sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()[:16]


def misplaced_labels(dataset: Dataset, *, n_outputs: int) -> str | None:
    """Describe the class indices that have no place in an output of a given width; None if each has one.

    Args:
        dataset: A data set whose targets are class indices.
        n_outputs: Width of the output.
    """
    splits = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    for name, split in splits.items():
        low, high = (int(split.y.min()), int(split.y.max())) if len(split) else (0, 0)
        if low < 0 or high >= n_outputs:
            return f"the {name} split has labels from {low} to {high}"
    return None
