"""Read one pass over a stream: the form of its batches, their number, and a digest of all examples."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.errors import DataError, refuse_out_of_memory, told_with_place
from study.core.trees import Tree, leaves, mapped, named_leaves, same_structure
from study.datasets import PARTS, Split
from study.datasets.preparation.stream_sources import StreamSource, endless

# The first examples, which are kept in memory: at most so many, and at most so many bytes of them.
_FIRST, _FIRST_BYTES = 10_000, 1 << 28
# A stream that has not ended after this time, or after so many batches, counts as endless.
_LONGEST_S, _MOST_BATCHES = 60.0, 1_000_000
# Number of classes that are counted for class weights.
_MOST_CLASSES = 100_000
_FORM = (
    "Let it give (x, y) or (x, y, sample_weight), each an array with the examples first, or a dict or tuple of such."
)


def to_numpy(leaf: Any) -> NDArray[Any]:
    """Return a tensor of any library as an array.

    Args:
        leaf: The tensor.
    """
    if hasattr(leaf, "detach"):
        leaf = leaf.detach().cpu()
    return np.asarray(leaf)


def example_digests(arrays: Sequence[NDArray[Any]]) -> list[bytes]:
    """Return a digest of each example, of 16 bytes.

    Args:
        arrays: The arrays of the examples, each with the examples first.
    """
    found = []
    for index in range(len(arrays[0])):
        sha = hashlib.blake2b(digest_size=16)
        for array in arrays:
            sha.update(array[index].tobytes())
        found.append(sha.digest())
    return found


class Reading:
    """Facts of one pass over a stream.

    Attributes:
        batch_sizes: Number of examples of each batch.
        total: Sum of the digests of all examples, which their order does not change.
        counts: Number of examples of each class index by the place of the targets.
    """

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []
        self.total = 0
        self.counts: dict[str, Counter[int]] = {}
        self._ordered = hashlib.sha256()
        self._first: list[Tree] = []
        self._bytes = self._n_first = 0

    @property
    def ordered(self) -> str:
        """Digest of the digests of all examples in their order."""
        return self._ordered.hexdigest()

    def add(self, parts: tuple[Tree, ...]) -> None:
        """Add a batch of arrays."""
        arrays = [np.ascontiguousarray(array) for array in leaves(parts)]
        n = len(arrays[0])
        self.batch_sizes.append(n)
        for digest in example_digests(arrays):
            self.total = (self.total + int.from_bytes(digest, "big")) % (1 << 256)
            self._ordered.update(digest)
        if self._n_first < _FIRST and self._bytes < _FIRST_BYTES:
            self._first.append(mapped(np.array, parts))
            self._n_first += n
            self._bytes += sum(array.nbytes for array in arrays)
        for place, y in named_leaves(parts[1], "y"):
            if y.dtype.kind in "iu" and y.ndim == 1 and len(self.counts.get(place, ())) < _MOST_CLASSES:
                self.counts.setdefault(place, Counter()).update(y.tolist())

    def example(self) -> Split:
        """Return the first examples."""
        return Split.of(mapped(lambda *arrays: np.concatenate(arrays)[:_FIRST], *self._first))


def read_pass(source: StreamSource) -> Reading:
    """Read one pass, and check that all batches have one form.

    Args:
        source: The stream.

    Raises:
        DataError: The stream is endless or empty, fails, or gives something else than batches of one form.
    """
    reading, given, began, name = Reading(), source.begin(0, 0), time.monotonic(), source.name
    first: tuple[Tree, ...] | None = None
    while (parts := next_batch(given, name, len(reading.batch_sizes))) is not None:
        arrays = mapped(to_numpy, parts)
        index = len(reading.batch_sizes)
        check_batch(arrays, first, name, index)
        first = first or mapped(lambda array: array[:0], arrays)
        reading.add(arrays)
        is_long = index >= _MOST_BATCHES or time.monotonic() - began > _LONGEST_S
        if is_long and not source.has_known_end:
            raise DataError(endless(name, f"did not end after {index + 1} batches"))
    if not reading.batch_sizes:
        raise DataError(f"{name}: the stream gives no batch. Let it give its batches anew in each pass.")
    return reading


def _without_lists(element: Any) -> Any:
    """Return a batch with tuples in place of lists of arrays, which are several inputs of a `DataLoader`."""
    if isinstance(element, list | tuple) and all(_has_arrays(each) for each in element):
        return tuple(map(_without_lists, element))
    return {key: _without_lists(each) for key, each in element.items()} if isinstance(element, dict) else element


def _has_arrays(value: Any) -> bool:
    return hasattr(value, "shape") or isinstance(value, dict | list | tuple)


def check_batch(parts: tuple[Tree, ...], first: tuple[Tree, ...] | None, name: str, index: int) -> None:
    """Check a batch's arrays against each other and against the form of the first batch.

    Args:
        parts: The arrays.
        first: Arrays of the form of the first batch; None: this is the first one.
        name: Name of the split.
        index: Index of the batch, from 0.

    Raises:
        DataError: Something is wrong; the message names the place.
    """
    here = f"{name}, batch {index}"
    named = [each for part, tree in zip(PARTS, parts, strict=False) for each in named_leaves(tree, part)]
    for place, array in named:
        if array.dtype.kind not in "biuf" or not array.ndim:
            found = f"{array.dtype} of shape {array.shape}"
            advice = _FORM if array.ndim else "An unbatched stream needs .batch(...)."
            raise DataError(f"{here}: {place} is {found}: expected numbers, with the examples first. {advice}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(f"{here}: {place} has numbers that are not finite. Leave such examples out of the stream.")
    if len({len(array) for _, array in named}) > 1:
        sizes = ", ".join(f"{place} {len(array)}" for place, array in named)
        advice = "An unbatched stream needs .batch(...)." if index == 0 else _FORM
        raise DataError(f"{here}: different numbers of examples: {sizes}. {advice}")
    if first is None:
        return
    if not same_structure(parts, first):
        raise DataError(f"{here}: other arrays than in batch 0. Let each batch have the same form.")
    for (place, array), like in zip(named, leaves(first), strict=True):
        if array.shape[1:] != like.shape[1:] or array.dtype != like.dtype:
            told = f"shape {array.shape[1:]}, {array.dtype}; in batch 0, {like.shape[1:]}, {like.dtype}"
            raise DataError(f"{here}: {place} has another form: {told}. Let each batch have the same form.")


def next_batch(given: Iterator[Any], name: str, index: int) -> tuple[Tree, ...] | None:
    """Return the next batch as a tuple of two or three parts; None at the end.

    Args:
        given: The stream.
        name: Name of the split.
        index: Index of the batch, from 0.

    Raises:
        DataError: The stream fails, or gives something else than a batch.
    """
    try:
        element = next(given)
    except StopIteration:
        return None
    except DataError:
        raise
    except Exception as error:  # a pipeline of the user's can fail in any way
        refuse_out_of_memory(error, f"reading {name}")
        raise DataError(f"{name}, batch {index}: the stream {told_with_place(error)}. Correct it.") from error
    parts = _without_lists(element)
    if not isinstance(parts, tuple) or len(parts) not in (2, 3):
        kind = f"one {type(element).__name__}"
        found = f"a tuple of {len(parts)}" if isinstance(parts, tuple) else kind
        raise DataError(f"{name}, batch {index}: the stream gives {found}. {_FORM}")
    if len(parts) < len(PARTS):
        return parts
    # In one type, like the class weights that may be multiplied with them.
    return (*parts[:2], mapped(lambda weights: to_numpy(weights).astype(np.float32, copy=False), parts[2]))
