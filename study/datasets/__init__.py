"""Data sets, one for each file: `load(...) -> Dataset`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from study.core.trees import Tree, leaves, mapped, named_leaves

# Names of the parts of a split, in the order in which Keras takes them.
PARTS = ("x", "y", "sample_weight")
# Size of the pieces in which arrays are read, in bytes.
_PIECE_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True)
class Split:
    """Examples and their targets.

    An array may be a NumPy array, one on disk that NumPy maps into memory, or a `LazyArray`. Dicts and tuples of
    arrays are several inputs or outputs. `load()` may return other kinds of arrays, such as data frames, lists and
    tensors: they become arrays of NumPy before a study begins.

    Attributes:
        x: Inputs, shape (n_examples, *input_shape), float32 (or integers for an embedding); a tree of them for a model
            of several inputs.
        y: Targets, shape (n_examples,) for class indices, or (n_examples, n_outputs) for numbers; a tree of them for a
            model of several outputs.
        sample_weight: Weight of each example in the loss, shape (n_examples,); a tree like that of `y` for one weight
            an output. None (the default): each example counts as one.
    """

    x: Tree
    y: Tree
    sample_weight: Tree = None

    @classmethod
    def of(cls, parts: tuple[Tree, ...]) -> Split:
        """Return the split of some parts: inputs, targets and perhaps sample weights.

        Args:
            parts: The parts, as `parts` returns them.
        """
        return cls(**dict(zip(PARTS, parts, strict=False)))

    def __len__(self) -> int:
        return len(leaves(self.x)[0])

    @property
    def parts(self) -> tuple[Tree, ...]:
        """Inputs, targets and, if there are any, weights, as Keras's `fit` takes a batch."""
        return (self.x, self.y) if self.sample_weight is None else (self.x, self.y, self.sample_weight)

    @property
    def is_in_memory(self) -> bool:
        """True if all arrays are in memory, and none on disk."""
        return all(type(array) is np.ndarray for array in leaves(self.parts))

    def take(self, chosen: slice | NDArray[np.integer[Any]]) -> Split:
        """Return some examples, in memory.

        Args:
            chosen: Their indices, shape (n,), or a slice.
        """
        return Split.of(mapped(lambda array: np.asarray(array[chosen]), self.parts))

    def first(self, n: int) -> Split:
        """Return the first examples, in memory.

        Args:
            n: Their number; all examples if there are fewer.
        """
        return self.take(slice(n))

    def contents(self) -> Iterator[Any]:
        """Yield all that the digest of a data set covers, as bytes: shapes, types and values."""
        for place, array in named_leaves(self.parts, ""):
            if place not in (".0", ".1"):  # one array of inputs and one of targets have no name
                yield place.encode()
            yield f"{tuple(array.shape)}{array.dtype.str}".encode()
            if digest := getattr(array, "digest", ""):
                yield str(digest).encode()
                continue
            for piece in pieces(array):
                yield np.ascontiguousarray(piece).data


class LazyArray(Protocol):
    """An array whose values are read or computed when they are asked for, such as pictures in files.

    It hands out the same values each time. It is read in pieces, so it need not fit into memory. An attribute
    `digest`, a text, identifies its values without reading them; without it they are read.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, with the number of examples first."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: slice | NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Return some examples, shape (n_chosen, *shape[1:]).

        Args:
            chosen: A slice, or indices of shape (n_chosen,) in any order, perhaps with repetitions.
        """
        ...


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
class LargeStream:
    """A stream that is too large to be read before a study: the user gives its length, and a name for its contents.

    Attributes:
        source: The stream: an object or a function, as `study.datasets.preparation.streams` takes it.
        version: Name of its contents, such as `photos of 2026-11`. A study with another version is another study.
        n_batches: Number of batches of a pass, at least 1. An endless stream is cut off there.
        n_examples: Number of examples of a pass. None (the default): as many in each batch as in the first one.

    Example:
        >>> train = LargeStream(source=lambda seed: iter([]), version="crawl of May", n_batches=1000)
    """

    source: Any
    version: str
    n_batches: int
    n_examples: int | None = None


# Rules in place of a split; a study begins with splits alone.
_TENTH, _FIFTH = cast(Split, 0.1), cast(Split, None)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The three splits of a data set.

    `load()` may leave out all but `train`, and may give more kinds of values than a study has in the end. A split may
    be a tuple `(x, y)` or `(x, y, sample_weight)`, or a stream of batches. `validation` and `test` may be rules that
    hold a part of the training examples out: 0.1 is a random share, 500 the first examples, and for a mapping such as
    `{"share": 0.1, "by": "stratified"}` see `study.datasets.preparation.holdout`.

    Attributes:
        train: The split for training.
        validation: The split for the selection of trials. Default: a random tenth of the training examples.
        test: The split for confirmations alone. Default: a fifth of the training examples; `"none"`: there is no test
            split, and confirmations are measured on validation.
        name: Name of the data set. Default: the name in the config.
        source: Origin of the data, in words or as a path. Default: the function that loads it.
        n_outputs: Width of a model's output: the number of classes, or of numbers to predict; a tree of them, like
            that of the targets, for a model of several outputs. Default: found from the training targets.
        remarks: Facts that readers of the results should know, each a sentence. Default: none.

    Example:
        >>> x = np.zeros((100, 8), np.float32)
        >>> y = np.arange(100) % 2
        >>> dataset = Dataset(train=Split(x=x, y=y), validation=0.1, test=0.2)
    """

    train: Split
    validation: Split = _TENTH
    test: Split = _FIFTH
    name: str = ""
    source: str = ""
    n_outputs: Tree = None
    remarks: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by their names."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def input_shape(self) -> Tree:
        """Shape of one example; a tree of shapes for several inputs."""
        return mapped(lambda array: tuple(array.shape[1:]), self.train.first(1).x)

    @cached_property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of all arrays, with their shapes and types."""
        sha = hashlib.sha256()
        for split in self.splits.values():
            for part in split.contents():
                sha.update(part)
        return sha.hexdigest()[:16]


def pieces(array: Any) -> Iterator[NDArray[Any]]:
    """Yield an array in pieces of consecutive examples, so that one on disk takes little memory.

    Args:
        array: The array, with at least one axis.
    """
    per_example = max(1, array.dtype.itemsize * math.prod(array.shape[1:]))
    n = max(1, _PIECE_BYTES // per_example)
    for start in range(0, len(array), n):
        yield np.asarray(array[start : start + n])


def example_bytes(split: Any) -> int:
    """Return the size of one example, in bytes.

    Args:
        split: The split, or a stream.
    """
    arrays = leaves(split.first(1).parts)
    return max(1, int(sum(array.dtype.itemsize * math.prod(array.shape[1:]) for array in arrays)))


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
