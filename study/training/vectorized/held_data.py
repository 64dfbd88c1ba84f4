"""Data that a device can hold: streams are read once, and arrays on disk are read whole."""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import numpy as np

from study.core.errors import StudyError
from study.core.trees import leaves, mapped
from study.datasets import Dataset, Split
from study.datasets.preparation.streams import Stream
from study.training.vectorized.capacity import room

_GIB = 1 << 30
_MOST_ON_CPU = 1.0 * _GIB


def held(dataset: Dataset) -> Dataset:
    """Return a data set whose splits are all in memory.

    Args:
        dataset: The data set.

    Raises:
        StudyError: It is too large for the memory that a program may take.
    """
    splits = (dataset.train, dataset.validation, dataset.test)
    if all(split.is_in_memory for split in splits):
        return dataset
    if not fits(dataset):
        size, most = _size(dataset) / _GIB, _most() / _GIB
        raise StudyError(
            f"trainer=vectorized dataset={dataset.name}: expected streams and arrays on disk of at most {most:.2g} "
            f"GiB, which it reads into memory, and these take {size:.2g} GiB. Use trainer=fit, which reads one batch "
            "at a time."
        )
    train, validation, test = map(_read, splits)
    return replace(dataset, train=train, validation=validation, test=test)


def fits(dataset: Dataset) -> bool:
    """Return whether the part of a data set that is on disk fits into memory, for all trials together.

    Args:
        dataset: The data set.
    """
    return _size(dataset) <= _most()


def _most() -> float:
    """Return the size that may be read into memory, in bytes; a CPU's programs use the same memory."""
    return min(room(), _MOST_ON_CPU) if jax.default_backend() == "cpu" else room()


def _size(dataset: Dataset) -> int:
    """Return the size of the arrays that are not in memory yet, in bytes."""
    splits = (dataset.train, dataset.validation, dataset.test)
    return sum(_n_bytes(split) for split in splits if not split.is_in_memory)


def _n_bytes(split: Split | Stream) -> int:
    example = split.first(1)
    return len(split) * int(sum(array.dtype.itemsize * math.prod(array.shape[1:]) for array in leaves(example.parts)))


def _read(split: Split | Stream) -> Split:
    if isinstance(split, Stream):
        return split.as_split()
    parts = mapped(lambda array: np.asarray(array[:]), split.parts)
    return Split(**dict(zip(("x", "y", "sample_weight"), parts, strict=False)))
