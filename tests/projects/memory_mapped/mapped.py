"""An array on disk that is larger than memory should be; NumPy maps it."""

import numpy as np

from study.datasets import Dataset, Split


def write(path, *, n, width=1000):
    """Write n examples of random numbers, in float32; their class is a matter of the first three of them."""
    array = np.lib.format.open_memmap(path, "w+", np.float32, (n, width))
    rng = np.random.default_rng(0)
    for first in range(0, n, 10_000):
        part = array[first : first + 10_000]
        rng.standard_normal(out=(values := np.empty(part.shape, np.float32)), dtype=np.float32)
        part[:] = values


def load(*, path):
    """Map the array; the class of an example is the largest of its first three numbers."""
    x = np.load(path, mmap_mode="r")
    y = np.argmax(x[:, :3], axis=1)
    return Dataset(train=Split(x=x, y=y), validation={"share": 0.05, "by": "last"}, test={"share": 0.05, "by": "last"})
