"""Streams: data that comes in batches, from `tf.data`, a `PyDataset`, a `DataLoader`, Grain or a function.

A split of a data set may be one of these objects, or a function that returns an iterable of batches anew at each call.
A function with an argument gets a seed for each epoch, and gives the same batches for the same seed. A batch is
`(x, y)` or `(x, y, sample_weight)`, each an array with the examples first, or a dict or tuple of such arrays.

A stream is read once before a study, for its length, the form of its batches and the digest of its examples, and a
second time to see whether it gives the same examples again. One that is too large for this is wrapped in
`study.datasets.LargeStream`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from study.core.errors import DataError
from study.core.trees import Tree, leaves, mapped, named_leaves
from study.datasets import LargeStream, Split
from study.datasets.preparation.stream_reading import (
    Reading,
    check_batch,
    example_digests,
    next_batch,
    read_pass,
    to_numpy,
)
from study.datasets.preparation.stream_sources import StreamSource, endless, kind_of

_AS_MANY = "Let it give as many in each pass."


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A split that comes in batches.

    Attributes:
        name: Name of the split: `train`, `validation` or `test`.
        source: The stream as the user gave it.
        example: The first examples, in memory.
        batch_sizes: Number of examples of each batch of a pass.
        digest: Digest of the contents: of all examples in any order, or the version that the user gave.
        has_own_order: True if an order that is not ours decides which examples come together.
        remarks: Sentences on the stream for readers of the results.
        counts: Number of examples of each class index, by the place of the targets such as `y`; only for class
            indices, one for each example. Default: not counted.
        weigh: Returns the factors on the sample weights for the targets of a batch. None (the default): no factors.
    """

    name: str
    source: StreamSource
    example: Split
    batch_sizes: tuple[int, ...]
    digest: bytes
    has_own_order: bool
    remarks: tuple[str, ...] = ()
    counts: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    weigh: Callable[[Tree], Tree] | None = None

    def __len__(self) -> int:
        return sum(self.batch_sizes)

    @property
    def n_batches(self) -> int:
        """Number of batches of a pass."""
        return len(self.batch_sizes)

    @property
    def is_in_memory(self) -> bool:
        """False: batches are made when they are asked for."""
        return False

    def first(self, n: int) -> Split:
        """Return the first examples, in memory; fewer if they are large.

        Args:
            n: Their number.
        """
        return self.example.take(slice(n))

    def contents(self) -> Iterator[Any]:
        """Yield all that the digest of a data set covers, as bytes."""
        for place, array in named_leaves(self.example.parts, ""):
            yield f"{place}{array.shape[1:]}{array.dtype.str}".encode()
        yield f"{len(self)} in {self.n_batches}".encode()
        yield self.digest

    def batches(self, order_seed: int, epoch: int) -> Iterator[tuple[Tree, ...]]:
        """Yield the batches of a pass: inputs, targets and, if there are any, sample weights.

        Tensors stay what they are; `to_numpy` turns them into arrays.

        Args:
            order_seed: Seed of the order of batches, for a stream whose order is ours.
            epoch: Index of the epoch, from 0.

        Raises:
            DataError: The stream fails, or ends too early.
        """
        given, seen = self.source.begin(order_seed, epoch), 0
        for index in range(self.n_batches):
            parts = next_batch(given, self.name, index)
            if parts is None:
                raise DataError(f"{self.name}: the stream ended after {index} of {self.n_batches} batches. {_AS_MANY}")
            seen += len(leaves(parts)[0])
            if index == self.n_batches - 1:
                self._end(given, seen)  # a caller may ask for no more after the last batch
            yield parts if self.weigh is None else _weighted(parts, self.weigh)

    def _end(self, given: Iterator[Any], n_examples: int) -> None:
        """End a pass: nothing may be left of a stream that was read whole.

        Raises:
            DataError: The pass has another length than the first one.
        """
        if self.source.n_batches is not None:
            if hasattr(given, "close"):
                given.close()
        elif next_batch(given, self.name, self.n_batches) is not None or n_examples != len(self):
            raise DataError(
                f"{self.name}: the stream gives other numbers of examples than in its first pass, {len(self)} in "
                f"{self.n_batches} batches. {_AS_MANY}"
            )

    def weighted(self, weigh: Callable[[Tree], Tree]) -> Stream:
        """Return the stream with factors on its sample weights.

        Args:
            weigh: Takes the targets of a batch; returns a factor for each example, shape (n,), or a tree of them.
        """
        parts = mapped(np.asarray, _weighted(self.example.parts, weigh))
        return replace(self, weigh=weigh, example=Split.of(parts))

    def as_split(self) -> Split:
        """Read one pass, and return its examples in memory.

        They have the order of the pass for the seed 0. If the stream has an order of its own, they are sorted by
        their digests, so that each reading gives the same order.
        """
        read = [mapped(to_numpy, parts) for parts in self.batches(0, 0)]
        parts = mapped(lambda *arrays: np.concatenate(arrays), *read)
        split = Split.of(parts)
        if not self.has_own_order:
            return split
        digests = example_digests(leaves(parts))
        return split.take(np.array(sorted(range(len(split)), key=digests.__getitem__)))

    def highest(self, place: str) -> int | None:
        """Return the largest class index of the targets at a place such as `y`; None if it is not known.

        Args:
            place: The place.
        """
        return max(self.counts[place], default=None) if place in self.counts else None


def is_stream(value: Any) -> bool:
    """Return whether a value is a stream of batches, or a function that returns one.

    Args:
        value: The value.
    """
    return isinstance(value, LargeStream) or kind_of(value) is not None


def open_stream(given: Any, *, name: str, deterministic: bool, shuffle: bool = True) -> Stream:
    """Read a stream, check its batches, and return it as a split.

    Args:
        given: The stream.
        name: Name of the split.
        deterministic: Refuse a stream that gives other examples in its second pass.
        shuffle: Draw an order of the batches where it is ours. Default True.

    Raises:
        DataError: The stream is endless, gives something else than batches, or other examples in each pass.
    """
    if isinstance(given, LargeStream):
        return _by_version(given, name=name, shuffle=shuffle)
    source = StreamSource(given=given, name=name, shuffle=shuffle and name == "train")
    if source.is_endless:
        raise DataError(endless(name, "has no end"))
    has_own_order = source.has_own_order
    reading = read_pass(source)
    if deterministic:
        again = read_pass(source)
        if again.total != reading.total or sorted(again.batch_sizes) != sorted(reading.batch_sizes):
            raise DataError(
                f"{name}: the second pass over this stream gives other examples than the first one "
                f"({_difference(reading, again)}). Make random changes by dataset.augment, or by a function of a "
                "seed, such as train=lambda seed: ..., or set deterministic=false."
            )
        has_own_order = has_own_order and again.ordered != reading.ordered
    return Stream(
        name=name,
        source=source,
        example=reading.example(),
        batch_sizes=tuple(reading.batch_sizes),
        digest=reading.total.to_bytes(32, "big"),
        has_own_order=has_own_order,
        counts=reading.counts,
    )


def _by_version(given: LargeStream, *, name: str, shuffle: bool) -> Stream:
    """Return a stream that is not read: its first batch alone gives the form."""
    for key, value, is_right, allowed in (
        ("version", given.version, bool(str(given.version)), "a text"),
        ("n_batches", given.n_batches, _is_count(given.n_batches), "a whole number of at least 1"),
    ):
        if not is_right:
            raise DataError(f"{name}: LargeStream({key}={value!r}): expected {allowed}. Correct it.")
    source = StreamSource(
        given=given.source, name=name, shuffle=shuffle and name == "train", n_batches=given.n_batches
    )
    first = next_batch(replace(source, shuffle=False).begin(0, 0), name, 0)  # the last batch may be smaller
    if first is None:
        raise DataError(f"{name}: the stream gives no batch. Let it give its batches anew in each pass.")
    arrays = mapped(to_numpy, first)
    check_batch(arrays, None, name, 0)
    example = Split.of(arrays)
    sizes = [len(example)] * given.n_batches
    if given.n_examples is not None:
        sizes[-1] = given.n_examples - sum(sizes[:-1])
        if not 1 <= sizes[-1] <= len(example):
            raise DataError(
                f"{name}: n_examples={given.n_examples} does not fit to n_batches={given.n_batches}, since the first "
                f"batch has {len(example)} examples. Correct one of them."
            )
    return Stream(
        name=name,
        source=source,
        example=example,
        batch_sizes=tuple(sizes),
        digest=f"version {given.version}".encode(),
        has_own_order=source.has_own_order,
        remarks=(f"{name} was identified by its version, {given.version}, and not by its contents.",),
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _weighted(parts: tuple[Tree, ...], weigh: Callable[[Tree], Tree]) -> tuple[Tree, ...]:
    x, y, *weights = parts
    factors = weigh(mapped(to_numpy, y))
    return x, y, times(weights[0], factors) if weights else factors


def times(weights: Tree, factors: Tree) -> Tree:
    """Return sample weights times factors, each of shape (n,); one weight for all outputs is taken for each.

    Args:
        weights: The weights; one array, or a tree like that of the factors.
        factors: The factors; for several outputs, a tree of them.
    """
    if hasattr(weights, "shape"):
        return mapped(lambda factor: (weights * factor).astype(np.float32), factors)
    return mapped(lambda own, factor: (own * factor).astype(np.float32), weights, factors)


def _difference(one: Reading, other: Reading) -> str:
    if one.batch_sizes != other.batch_sizes:
        return f"{sum(one.batch_sizes)} and {sum(other.batch_sizes)} examples"
    return "as many, with other values"
