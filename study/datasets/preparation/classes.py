"""The class of each example, from class indices or from rows with a single 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def classes_of(y: NDArray[Any], *, as_indices: bool) -> NDArray[np.int64] | None:
    """Return the class index of each example from class indices or rows with a single 1; None if they are neither.

    Args:
        y: Targets, shape (n,), (n, 1) or (n, n_classes).
        as_indices: Take class indices alone, and no rows with a single 1.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 1:
        with np.errstate(invalid="ignore"):  # a number that is no class may not fit
            indices = y.astype(np.int64)
        return indices if (indices == y).all() and (indices >= 0).all() else None
    is_one_hot = not as_indices and y.ndim == 2 and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
    return y.argmax(axis=1) if is_one_hot else None
