"""Student's t distribution, from `scipy.special`: the same numbers as `scipy.stats.t`, without its imports.

`scipy.stats` takes as long to import as MLflow, and `study run` needs nothing else from it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


def probability_below(t: ArrayLike, freedom: ArrayLike) -> NDArray[np.float64]:
    """Return the probability of a smaller value than t, elementwise.

    Args:
        t: The values.
        freedom: Degrees of freedom, above 0; NaN for others.
    """
    return special.stdtr(freedom, t)  # type: ignore[no-any-return]


def probability_above(t: ArrayLike, freedom: ArrayLike) -> NDArray[np.float64]:
    """Return the probability of a larger value than t, elementwise.

    Args:
        t: The values.
        freedom: Degrees of freedom, above 0; NaN for others.
    """
    return special.stdtr(freedom, np.negative(t))  # type: ignore[no-any-return]


def value_above(probability: ArrayLike, freedom: ArrayLike) -> NDArray[np.float64]:
    """Return the value that a larger one has a given probability for, elementwise.

    Args:
        probability: The probabilities, above 0.
        freedom: Degrees of freedom, above 0; NaN for others.
    """
    return -special.stdtrit(freedom, probability)  # type: ignore[no-any-return]
