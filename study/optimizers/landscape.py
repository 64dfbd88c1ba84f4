"""The landscape of a study, read from the model's section without Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.config.instantiate import Section, locate


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """A function of one or more coordinates, with its start and its domain.

    Attributes:
        height: The function. It takes its coordinates one by one: numbers, or arrays of equal shape.
        start: The position before the first step, shape (n_dimensions,).
        domain: Lowest and highest value of each coordinate, shape (n_dimensions, 2).
    """

    height: Callable[..., Any]
    start: NDArray[np.float64]
    domain: NDArray[np.float64]

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates."""
        return len(self.start)

    def heights(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the heights at positions, shape (...).

        Args:
            positions: The positions, shape (..., n_dimensions).
        """
        with np.errstate(all="ignore"):  # a diverging path overflows
            return np.asarray(self.height(*np.moveaxis(positions, -1, 0)), dtype=np.float64)


def read_landscape(model: Section) -> Landscape | None:
    """Return the landscape of a model's section; None for any other model.

    The section comes from a config that was checked (`study.config.allowlist`), since the function that it names is
    imported.

    Args:
        model: The model's section: `_target_` and its arguments.
    """
    named = model.get("function")
    if not isinstance(named, Mapping) or not {"start", "domain"} <= set(model):
        return None
    return Landscape(
        height=locate(named["_target_"]),
        start=np.asarray(model["start"], dtype=np.float64),
        domain=np.asarray(model["domain"], dtype=np.float64),
    )
