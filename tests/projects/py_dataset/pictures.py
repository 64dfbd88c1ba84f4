"""A `keras.utils.PyDataset` whose batches are computed when they are asked for."""

import keras
import numpy as np

from study.datasets import Dataset


class Clusters(keras.utils.PyDataset):
    """Batches of 25 points in ten dimensions, three clusters; batch i is drawn with the seed (seed, i)."""

    def __init__(self, n_batches, seed):
        super().__init__()
        self.n_batches, self.seed = n_batches, seed

    def __len__(self):
        return self.n_batches

    def __getitem__(self, index):
        rng = np.random.default_rng([self.seed, index])
        y = rng.integers(3, size=25)
        return (rng.normal(size=(25, 10)) + 2 * np.eye(3, 10)[y]).astype("float32"), y


def load():
    """Return three splits."""
    return Dataset(train=Clusters(24, 0), validation=Clusters(8, 1), test=Clusters(8, 2))
