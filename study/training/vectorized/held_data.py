"""Data that a device can hold: streams are read once, and arrays on disk are read whole if they fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax

from study.core.errors import StudyError
from study.datasets import Dataset, Split, example_bytes
from study.datasets.preparation.streams import Stream
from study.training.vectorized.capacity import room

_GIB = 1 << 30
_MOST_ON_CPU = 1.0 * _GIB
# Largest size of a piece of data that is not held, in bytes. Two or three pieces are in memory at the same time.
# Larger ones save nothing: a device computes with 64 MiB for much longer than a call takes.
_PIECE_BYTES = 1 << 26
_SPLITS = ("train", "validation", "test")


def held(dataset: Dataset) -> Dataset:
    """Return a data set whose splits are in memory as far as they fit, the smallest first; others stay on disk.

    Args:
        dataset: The data set.

    Raises:
        StudyError: A stream is too large for the memory that a program may take.
    """
    left, read = _most(), dict[str, Any]()
    for name in sorted(_SPLITS, key=lambda name: _size(getattr(dataset, name))):
        split, size = getattr(dataset, name), _size(getattr(dataset, name))
        if size <= left:
            left -= size
            read |= {} if split.is_in_memory else {name: _read(split)}
        elif isinstance(split, Stream):
            raise StudyError(
                f"trainer=vectorized dataset={dataset.name}: expected at most {left / _GIB:.2g} GiB of a stream, "
                f"which is read once and kept, and {name} takes {size / _GIB:.2g} GiB. Use trainer=fit, which reads "
                "one batch at a time."
            )
    return replace(dataset, **read) if read else dataset


def fits(dataset: Dataset) -> bool:
    """Return whether a data set fits into the memory that a program may take, beside what is in memory already.

    Args:
        dataset: The data set.
    """
    return sum(_size(getattr(dataset, name)) for name in _SPLITS) <= _most()


def piece_bytes() -> int:
    """Return the largest size of a piece of data that is not held, in bytes."""
    return min(_PIECE_BYTES, int(room() / 16))


def _most() -> float:
    """Return the size that may be read into memory, in bytes; a CPU's programs use the same memory."""
    return min(room(), _MOST_ON_CPU) if jax.default_backend() == "cpu" else room()


def _size(split: Split | Stream) -> int:
    """Return the size of a split's arrays if they are not in memory yet, in bytes; otherwise 0."""
    return 0 if split.is_in_memory else len(split) * example_bytes(split)


def _read(split: Split | Stream) -> Split:
    if isinstance(split, Stream):
        return split.as_split()
    return split.take(slice(None))
