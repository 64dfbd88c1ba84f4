"""Data sets of the user's own files: put the splits together that `holdout` chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.datasets import Dataset, Split

# A share, a number of examples, `none`, or a mapping, as `study.datasets.holdout` takes it.
Rule = float | int | str | Mapping[str, Any] | None
# In place of a test split that is left out on purpose.
NO_TEST: Any = "none"


def assemble(
    parts: Any, split_of: Callable[[NDArray[np.integer[Any]]], Split], *, name: str, source: str, n_outputs: int
) -> Dataset:
    """Return the data set of examples that were divided.

    Args:
        parts: Indices of the examples of each split.
        split_of: Returns the split with the examples of some indices.
        name: Name of the data set.
        source: Origin of the data, in words or as a path.
        n_outputs: Width of a model's output.
    """
    return Dataset(
        name=name,
        source=source,
        train=split_of(parts.train),
        validation=split_of(parts.validation),
        test=NO_TEST if parts.test is None else split_of(parts.test),
        n_outputs=n_outputs,
    )
