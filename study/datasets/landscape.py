"""A data set for landscapes as models, which need no data: one example of zeros, the same in all three splits.

An epoch is then one step, and validation gives the optimizer's position after it.

Source: none; the landscape is the model (models/landscape.py).
"""

from __future__ import annotations

import numpy as np

from study.datasets import Dataset, Split, Whereabouts

# The height, x1 and x2: a model of fewer coordinates leaves the last place empty.
_N_OUTPUTS = 3


def load() -> Dataset:
    """Make the example.

    Returns:
        A data set with x of shape (1, 1) and y of shape (1, 3), float32, all zero.
    """
    nothing = Split(x=np.zeros((1, 1), np.float32), y=np.zeros((1, _N_OUTPUTS), np.float32))
    return Dataset(
        name="landscape",
        source="made here: one empty example",
        train=nothing,
        validation=nothing,
        test=nothing,
        n_outputs=_N_OUTPUTS,
    )


def whereabouts() -> Whereabouts:
    """Return the place that the data set would be read from."""
    return Whereabouts(place="made here")
