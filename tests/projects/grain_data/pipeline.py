"""A pipeline of Grain: shuffled by a seed, mapped, in batches."""

import grain
import numpy as np

from study.datasets import Dataset


def points(n, seed):
    """Return n points in ten dimensions, shape (n, 10), and their classes, shape (n,): three clusters."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    x = rng.normal(size=(n, 10)) + 2 * np.eye(3, 10)[y]
    return x.astype("float32"), y.astype("int32")


def pipeline(n, seed):
    """Return batches of 32 examples in an order that the seed of the epoch draws."""
    x, y = points(n, seed)
    source = grain.MapDataset.range(n).map(lambda index: (x[index] / 4, y[index]))

    def batches(order_seed):
        return source.seed(order_seed).shuffle().batch(32)

    return batches


def load():
    """Return three splits."""
    return Dataset(train=pipeline(600, 0), validation=pipeline(200, 1), test=pipeline(200, 2))
