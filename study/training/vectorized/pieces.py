"""A split that the devices cannot hold, as pieces that go through them one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from study.core.trees import Tree, mapped
from study.datasets import Split, example_bytes


@dataclass(frozen=True, kw_only=True)
class PiecedSplit:
    """The first examples of a split, which are read in pieces of whole batches.

    A piece has the parts of the split: inputs, targets and perhaps sample weights. Only the last piece of a pass may
    be smaller.

    Attributes:
        split: The split.
        n_examples: Number of examples that are used.
        most_bytes: Largest size of a piece, in bytes; a piece has one batch at least.
    """

    split: Split
    n_examples: int
    most_bytes: int

    def stored(self, batch_size: int) -> Iterator[tuple[Tree, ...]]:
        """Yield the pieces of the stored order, in memory.

        Args:
            batch_size: Number of examples of a batch.
        """
        for first, last in self._bounds(self._n_of_piece(batch_size)):
            yield self.split.take(slice(first, last)).parts

    def ordered(self, order: NDArray[np.int32], batch_size: int) -> Iterator[tuple[Tree, ...]]:
        """Yield the pieces of an order, in memory.

        Args:
            order: Order of the examples, shape (n_examples,).
            batch_size: Number of examples of a batch.
        """
        for first, last in self._bounds(self._n_of_piece(batch_size)):
            yield self.split.take(order[first:last]).parts

    def ordered_by_lane(
        self, orders: Sequence[NDArray[np.int32]], batch_size: int, *, lanes: NDArray[np.intp]
    ) -> Iterator[tuple[Tree, ...]]:
        """Yield the pieces of an order for each lane, in memory; their arrays begin with an axis of lanes.

        Args:
            orders: Order of the examples for each lane, each of shape (n_examples,).
            batch_size: Number of examples of a batch.
            lanes: Indices of the lanes that train; other lanes have zeros.
        """
        for first, last in self._bounds(self._n_of_piece(batch_size, n_lanes=len(orders))):
            chosen = np.concatenate([orders[lane][first:last] for lane in lanes])
            read = self.split.take(chosen).parts
            yield mapped(lambda array: _by_lane(array, lanes, n_lanes=len(orders)), read)

    def forms(self, batch_size: int, *, n_lanes: int | None = None) -> list[tuple[Tree, ...]]:
        """Return the first and the last piece as shapes and types on a device.

        Args:
            batch_size: Number of examples of a batch.
            n_lanes: Number of lanes with orders of their own. None (the default): one order.
        """
        lanes = () if n_lanes is None else (n_lanes,)
        bounds = list(self._bounds(self._n_of_piece(batch_size, n_lanes=math.prod(lanes))))
        example = self.split.first(1).parts

        def form(array: NDArray[Any], n: int) -> Any:
            return jax.ShapeDtypeStruct((*lanes, n, *array.shape[1:]), jax.dtypes.canonicalize_dtype(array.dtype))

        sizes = sorted({last - first for first, last in (bounds[0], bounds[-1])}, reverse=True)
        return [mapped(lambda array, n=n: form(array, n), example) for n in sizes]

    def n_batches(self, batch_size: int, *, n_lanes: int = 1) -> int:
        """Return the number of batches of a piece, of all but the last.

        Args:
            batch_size: Number of examples of a batch.
            n_lanes: Number of lanes with orders of their own. Default 1: one order.
        """
        return self._n_of_piece(batch_size, n_lanes=n_lanes) // batch_size

    def _n_of_piece(self, batch_size: int, *, n_lanes: int = 1) -> int:
        """Return the number of examples of a piece: as many whole batches as there is space for."""
        return batch_size * max(1, self.most_bytes // (example_bytes(self.split) * n_lanes * batch_size))

    def _bounds(self, n: int) -> Iterator[tuple[int, int]]:
        return ((first, min(first + n, self.n_examples)) for first in range(0, self.n_examples, n))


def _by_lane(array: NDArray[Any], lanes: NDArray[np.intp], *, n_lanes: int) -> NDArray[Any]:
    """Return an array of the examples of some lanes, one lane after the other, with an axis of all lanes."""
    of_lanes = array.reshape(len(lanes), -1, *array.shape[1:])
    if len(lanes) == n_lanes:
        return of_lanes
    found = np.zeros((n_lanes, *of_lanes.shape[1:]), array.dtype)
    found[lanes] = of_lanes
    return found
