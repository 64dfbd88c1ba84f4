"""Training batches in an order of our own, the same on every backend."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from study.datasets import Split
from study.seeds import epoch_order


class Batches:
    """Holds the training split on the backend's side and hands it out batch by batch, epoch by epoch.

    The order of an epoch is `study.seeds.epoch_order`; the last batch may be smaller, as is Keras's habit. Only the
    current epoch's order is in memory.

    Args:
        split: The training split.
        batch_size: Examples a batch.
    """

    def __init__(self, split: Split, *, batch_size: int) -> None:
        self.n_examples = len(split)
        self.batch_size = batch_size
        self._order_seed = 0
        self._order = np.arange(self.n_examples, dtype=np.int32)
        build = _tensorflow_source if keras.backend.backend() == "tensorflow" else _gathering_source
        self.source: Any = build(split, self)

    @property
    def n_steps(self) -> int:
        """Steps of one pass over the split."""
        return -(-self.n_examples // self.batch_size)

    @property
    def order(self) -> NDArray[np.int32]:
        """Order of the current epoch, shape (n_examples,)."""
        return self._order

    def start_trial(self, order_seed: int) -> None:
        """Take the order from this seed from now on."""
        self._order_seed = order_seed
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Shuffle for an epoch, before an iterator over `source` is made."""
        self._order = epoch_order(self._order_seed, epoch, self.n_examples)


def _tensorflow_source(split: Split, batches: Batches) -> Any:
    """Return a `tf.data.Dataset` that asks for the order whenever an iterator over it is made."""
    import tensorflow as tf

    # tf.data runs on the CPU: arrays on a GPU would travel back for every batch.
    with tf.device("CPU:0"):
        x, y = tf.constant(split.x), tf.constant(split.y)
    signature = tf.TensorSpec((batches.n_examples,), tf.int32)
    orders = tf.data.Dataset.from_generator(lambda: iter([batches.order]), output_signature=signature)
    indices = orders.flat_map(lambda order: tf.data.Dataset.from_tensor_slices(order).batch(batches.batch_size))
    gathered = indices.map(lambda chosen: (tf.gather(x, chosen), tf.gather(y, chosen)))
    return gathered.apply(tf.data.experimental.assert_cardinality(batches.n_steps)).prefetch(tf.data.AUTOTUNE)


def _gathering_source(split: Split, batches: Batches) -> Any:
    """Return a `keras.utils.PyDataset` that gathers on the device that holds the arrays."""
    x, y = keras.ops.convert_to_tensor(split.x), keras.ops.convert_to_tensor(split.y)

    def gather(chosen: Any) -> tuple[Any, Any]:
        return keras.ops.take(x, chosen, axis=0), keras.ops.take(y, chosen, axis=0)

    class Gathered(keras.utils.PyDataset):  # type: ignore[misc]
        """Batches of the current epoch by their index."""

        def __len__(self) -> int:
            return batches.n_steps

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            first = index * batches.batch_size
            return gather(batches.order[first : first + batches.batch_size])

    return Gathered()
