"""A pipeline of tf.data with a map and a shuffle, as in a training script of Keras."""

import numpy as np
import tensorflow as tf

from study.datasets import Dataset


def points(n, seed):
    """Return n points in ten dimensions, shape (n, 10), and their classes, shape (n,): three clusters."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    x = rng.normal(size=(n, 10)) + 2 * np.eye(3, 10)[y]
    return x.astype("float32"), y.astype("int32")


def pipeline(n, seed, *, shuffle=False):
    """Return batches of 32 examples, shuffled anew in each pass."""
    data = tf.data.Dataset.from_tensor_slices(points(n, seed))
    if shuffle:
        data = data.shuffle(n)
    return data.map(lambda x, y: (x / 4.0, y)).batch(32).prefetch(2)


def load(*, n=600):
    """Return three pipelines, the first with n examples."""
    return Dataset(train=pipeline(n, 0, shuffle=True), validation=pipeline(200, 1), test=pipeline(200, 2))
