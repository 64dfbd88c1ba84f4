"""Training batches in an order that is the same on every backend, and batches of a split for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from study.core.seeds import epoch_order
from study.datasets import Split
from study.training.keras_internals import data_adapter_class
from study.training.model_setup import steps_per_epoch


# Keras turns every public kind of source into its own `DataAdapter`. Such an adapter makes a new pipeline of `tf.data`
# for each pass over the data, which takes longer than the steps of a small network.
class BatchSource(data_adapter_class()):  # type: ignore[misc]
    """Source that gives batches to Keras as tensors of the backend, in their given order.

    Args:
        start_pass: Returns the batches of a pass, pairs of inputs and targets.
        n_batches: Number of batches of a pass.
        n_examples: Number of examples of a pass.
    """

    def __init__(
        self, start_pass: Callable[[], Iterator[tuple[Any, Any]]], *, n_batches: int, n_examples: int
    ) -> None:
        self._start_pass, self._n_batches, self.n_examples = start_pass, n_batches, n_examples

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
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
    current epoch's order is in memory.

    Args:
        split: The training split.
        batch_size: Number of examples of a batch.
        shuffle: Draw an order for each epoch; otherwise examples come in their stored order. Default True.
    """

    def __init__(self, split: Split, *, batch_size: int, shuffle: bool = True) -> None:
        self.n_examples = len(split)
        self.batch_size = batch_size
        self._shuffle = shuffle
        self._order_seed = 0
        self._order = np.arange(self.n_examples, dtype=np.int32)
        self._gather = _gathering(split)
        self.source = BatchSource(self._pass, n_batches=self.n_steps, n_examples=self.n_examples)

    @property
    def n_steps(self) -> int:
        """Number of steps of one pass over the split."""
        return steps_per_epoch(self.n_examples, batch_size=self.batch_size)

    @property
    def order(self) -> NDArray[np.int32]:
        """Order of the current epoch, shape (n_examples,)."""
        return self._order

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
        self._order = epoch_order(self._order_seed, epoch, self.n_examples, shuffle=self._shuffle)

    def _pass(self) -> Iterator[tuple[Any, Any]]:
        order = self._order
        return (self._gather(order[first : first + self.batch_size]) for first in _starts(order, self.batch_size))


def in_batches(split: Split, *, batch_size: int) -> BatchSource:
    """Return the batches of a split in its stored order, as tensors of the backend.

    Args:
        split: The split.
        batch_size: Number of examples of a batch; the last one may be smaller.
    """
    arrays = (split.x, split.y)
    batches = [
        tuple(keras.ops.convert_to_tensor(array[first : first + batch_size]) for array in arrays)
        for first in _starts(split.x, batch_size)
    ]
    return BatchSource(lambda: iter(batches), n_batches=len(batches), n_examples=len(split))


def _starts(array: NDArray[Any], batch_size: int) -> range:
    return range(0, len(array), batch_size)


def _gathering(split: Split) -> Callable[[NDArray[np.int32]], Any]:
    """Return a function that gathers examples by their indices, on the device that has them."""
    x, y = (keras.ops.convert_to_tensor(array) for array in (split.x, split.y))
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # `tf.gather` does the same with five times the overhead.
        return lambda chosen: tuple(tf.raw_ops.GatherV2(params=of, indices=chosen, axis=0) for of in (x, y))
    if backend == "jax":
        import jax
        import jax.numpy as jnp

        take = jax.jit(lambda x, y, chosen: (jnp.take(x, chosen, axis=0), jnp.take(y, chosen, axis=0)))
        return lambda chosen: take(x, y, chosen)
    return lambda chosen: tuple(keras.ops.take(of, chosen, axis=0) for of in (x, y))
