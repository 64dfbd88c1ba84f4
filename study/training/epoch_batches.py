"""Training batches in an order that is the same on every backend, and batches of a split for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from study.core.seeds import epoch_order
from study.core.trees import Tree, flattened, leaves, mapped
from study.datasets import Split
from study.datasets.preparation.streams import Stream
from study.training.keras_internals import data_adapter_class
from study.training.model_setup import steps_per_epoch


# Keras turns every public kind of source into its own `DataAdapter`. Such an adapter makes a new pipeline of `tf.data`
# for each pass over the data, which takes longer than the steps of a small network.
class BatchSource(data_adapter_class()):  # type: ignore[misc]
    """Source that gives batches to Keras as tensors of the backend, in their given order.

    Args:
        start_pass: Returns the batches of a pass: inputs, targets and, if there are any, sample weights.
        n_batches: Number of batches of a pass.
        n_examples: Number of examples of a pass.
    """

    def __init__(
        self, start_pass: Callable[[], Iterator[tuple[Tree, ...]]], *, n_batches: int, n_examples: int
    ) -> None:
        self._start_pass, self._n_batches, self.n_examples = start_pass, n_batches, n_examples

    def __iter__(self) -> Iterator[tuple[Tree, ...]]:
        return self._start_pass()

    @property
    def num_batches(self) -> int:
        """Number of batches of a pass."""
        return self._n_batches

    def get_jax_iterator(self) -> Any:
        """Return an iterator over one pass."""
        return iter(self)

    def get_tf_dataset(self) -> Any:
        """Return an object that starts a pass each time it is iterated over."""
        return self

    def get_torch_dataloader(self) -> Any:
        """Return an object that starts a pass each time it is iterated over."""
        return self


class EpochBatches:
    """The training split as tensors of the backend, batch by batch and epoch by epoch.

    The order of an epoch is `study.core.seeds.epoch_order`. The last batch may be smaller, as in Keras. Only the
    current epoch's order is in memory; of arrays on disk, only a batch. A stream has batches of its own.

    Args:
        split: The training split.
        batch_size: Number of examples of a batch; a stream has its own.
        shuffle: Draw an order for each epoch; otherwise examples come in their stored order. Default True.
    """

    def __init__(self, split: Split | Stream, *, batch_size: int, shuffle: bool = True) -> None:
        self.n_examples = len(split)
        self._batch_size, self._split, self._shuffle = batch_size, split, shuffle
        self._order_seed = self._epoch = 0
        self._sizes: list[int] = []
        self._order = np.arange(0 if isinstance(split, Stream) else self.n_examples, dtype=np.int32)
        self._gather = None if isinstance(split, Stream) else _gathering(split)
        self.source = BatchSource(self._pass, n_batches=self.n_steps, n_examples=self.n_examples)

    @property
    def n_steps(self) -> int:
        """Number of steps of one pass over the split."""
        if isinstance(self._split, Stream):
            return self._split.n_batches
        return steps_per_epoch(self.n_examples, batch_size=self._batch_size)

    @property
    def seen(self) -> NDArray[np.int64]:
        """Number of examples seen in the epoch after each of its steps, shape (n_steps,); of a stream, up to now."""
        if isinstance(self._split, Stream):
            return np.cumsum(self._sizes, dtype=np.int64)
        return np.minimum(np.arange(1, self.n_steps + 1, dtype=np.int64) * self._batch_size, self.n_examples)

    @property
    def order(self) -> NDArray[np.int32]:
        """Order of the current epoch, shape (n_examples,); empty for a stream."""
        return self._order

    def n_seen(self, n_steps: int) -> int:
        """Return the number of examples seen in a number of steps, repetitions counted.

        Args:
            n_steps: Number of steps taken.
        """
        passes, steps = divmod(n_steps, self.n_steps)
        seen = self.seen
        return passes * self.n_examples + (int(seen[min(steps, len(seen)) - 1]) if steps and len(seen) else 0)

    def start_trial(self, order_seed: int) -> None:
        """Use a seed for the order from now on.

        Args:
            order_seed: Seed of the batch order.
        """
        self._order_seed = order_seed
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Shuffle for an epoch, before an iterator over `source` is made.

        Args:
            epoch: Index of the epoch, from 0.
        """
        self._epoch = epoch
        self._sizes.clear()
        if self._gather is not None:
            self._order = epoch_order(self._order_seed, epoch, self.n_examples, shuffle=self._shuffle)

    def _pass(self) -> Iterator[tuple[Tree, ...]]:
        if isinstance(self._split, Stream):
            return self._streamed(self._split)
        order, gather = self._order, cast(Callable[[NDArray[np.int32]], Any], self._gather)
        return (gather(order[first : first + self._batch_size]) for first in _starts(order, self._batch_size))

    def _streamed(self, stream: Stream) -> Iterator[tuple[Tree, ...]]:
        for parts in stream.batches(self._order_seed, self._epoch):
            self._sizes.append(len(leaves(parts)[0]))
            yield _to_tensors(parts)


def in_batches(split: Split | Stream, *, batch_size: int, n: int | None = None) -> BatchSource:
    """Return the batches of a split in its stored order, as tensors of the backend.

    Args:
        split: The split.
        batch_size: Number of examples of a batch; the last one may be smaller. A stream has its own.
        n: Take the first examples only, at most this number. None (the default): all.
    """
    if isinstance(split, Stream):
        if n is None:
            start = partial(split.batches, 0, 0)
            return BatchSource(lambda: map(_to_tensors, start()), n_batches=split.n_batches, n_examples=len(split))
        split = split.first(n)
    n = len(split) if n is None else min(n, len(split))
    chosen = [slice(first, min(first + batch_size, n)) for first in range(0, n, batch_size)]

    def start_pass() -> Iterator[tuple[Tree, ...]]:
        return (_to_tensors(split.take(each).parts) for each in chosen)

    kept = list(start_pass()) if split.is_in_memory else None
    return BatchSource(start_pass if kept is None else lambda: iter(kept), n_batches=len(chosen), n_examples=n)


def _starts(array: NDArray[Any], batch_size: int) -> range:
    return range(0, len(array), batch_size)


def _to_tensors(parts: tuple[Tree, ...]) -> tuple[Tree, ...]:
    return tuple(mapped(keras.ops.convert_to_tensor, part) for part in parts)


def _gathering(split: Split) -> Callable[[NDArray[np.int32]], Any]:
    """Return a function that gathers examples by their indices, on the device that has them."""
    if not split.is_in_memory:
        return lambda chosen: _to_tensors(split.take(chosen).parts)
    arrays, rebuild = flattened(split.parts)
    tensors = tuple(map(keras.ops.convert_to_tensor, arrays))
    if all(isinstance(part, np.ndarray) for part in split.parts):
        rebuild = tuple
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # `tf.gather` does the same with five times the overhead.
        gather = tf.raw_ops.GatherV2
        return lambda chosen: rebuild([gather(params=of, indices=chosen, axis=0) for of in tensors])
    if backend == "jax":
        import jax
        import jax.numpy as jnp

        take = jax.jit(lambda tensors, chosen: tuple(jnp.take(of, chosen, axis=0) for of in tensors))
        return lambda chosen: rebuild(take(tensors, chosen))
    return lambda chosen: rebuild([keras.ops.take(of, chosen, axis=0) for of in tensors])
