"""Scores as the statistics take them: floating point, without NaN, the larger the better."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Direction = Literal["maximize", "minimize"]


def oriented(scores: ArrayLike, *, direction: Direction, n_dimensions: int = 1) -> NDArray[np.float64]:
    """Return the scores with their sign turned so that larger is better.

    Args:
        scores: Scores, with `n_dimensions` axes, none of them empty. The worst value attainable may be infinite;
            the best may not.
        direction: Whether the scores as given are to be `maximize`d or `minimize`d.
        n_dimensions: How many axes the scores must have.

    Returns:
        A new array of the shape of `scores`.

    Raises:
        ValueError: If the direction is unknown, the shape is wrong, or a score is NaN or infinitely good.
    """
    values = as_scores(scores, n_dimensions=n_dimensions)
    turned = values * sign(direction)
    if np.any(turned == np.inf):
        raise ValueError(
            f"scores hold an infinitely good value for direction={direction}: expected finite scores, or the worst "
            "value attainable for a diverged trial. Check the direction and the sign of the infinity."
        )
    return turned


def sign(direction: Direction) -> float:
    """Return 1 for `maximize` and -1 for `minimize`.

    Raises:
        ValueError: If the direction is neither.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction={direction!r}: expected maximize or minimize. Pass objective.direction.")
    return 1.0 if direction == "maximize" else -1.0


def as_scores(scores: ArrayLike, *, n_dimensions: int = 1) -> NDArray[np.float64]:
    """Return the scores as floating point, checked for shape and NaN but not for infinities.

    Raises:
        ValueError: If the shape is wrong, an axis is empty, or a score is NaN.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != n_dimensions or values.size == 0:
        raise ValueError(
            f"scores of shape {values.shape}: expected {n_dimensions} axes, none of them empty. Pass one score a run."
        )
    if np.any(np.isnan(values)):
        where = tuple(int(index) for index in np.argwhere(np.isnan(values))[0])
        raise ValueError(
            f"scores{list(where)}=nan: expected a number for every run. Give a diverged run the worst value "
            "attainable (accuracy 0), and leave out runs that have not ended."
        )
    return values


def as_finite_scores(scores: ArrayLike, *, n_dimensions: int = 1) -> NDArray[np.float64]:
    """Return the scores as floating point, checked to be finite: what a mean can be taken of.

    Raises:
        ValueError: If the shape is wrong, an axis is empty, or a score is NaN or infinite.
    """
    values = as_scores(scores, n_dimensions=n_dimensions)
    if np.any(np.isinf(values)):
        where = tuple(int(index) for index in np.argwhere(np.isinf(values))[0])
        raise ValueError(
            f"scores{list(where)}={values[where]}: expected finite scores, since a mean is taken. Use a bounded "
            "metric, where a diverged run has a finite worst value, or a quantile."
        )
    return values


def check_level(level: float) -> float:
    """Return the confidence level.

    Raises:
        ValueError: If it is not strictly between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level}: expected a number strictly between 0 and 1, such as 0.95. Pass a fraction.")
    return level
