"""Landscapes for optimizers: functions of one or two coordinates, in plain arithmetic.

Each function takes its coordinates one by one and returns the height, element by element. Numbers, NumPy arrays and
the tensors of any backend are allowed. Powers are written as products, so that all of these round alike.
"""

from __future__ import annotations

from typing import Any


def ellipse(x1: Any, x2: Any) -> Any:
    """Return x1^2 / 20 + x2^2, a valley along the first axis; its curvatures are 1/10 and 2.

    Source: Saitoh, "Deep Learning from Scratch", O'Reilly Japan, 2016, section 6.1.

    Args:
        x1: The first coordinate.
        x2: The second coordinate, of the same shape.
    """
    return x1 * x1 / 20 + x2 * x2


def rotated(x1: Any, x2: Any) -> Any:
    """Return (x1 + x2)^2 / 10 + 2 (x1 - x2)^2, a valley along no axis.

    The curvatures are 0.4 along (1, 1) and 8 along (1, -1).

    Args:
        x1: The first coordinate.
        x2: The second coordinate, of the same shape.
    """
    along, across = x1 + x2, x1 - x2
    return along * along / 10 + 2 * across * across


def beale(x1: Any, x2: Any) -> Any:
    """Return Beale's function: steep corners, a flat curved valley, and the minimum 0 at (3, 1/2).

    Source: Beale, "On an iterative method for finding a local minimum of a function of more than one variable",
    Princeton University, Statistical Techniques Research Group, technical report 25, 1958.

    Args:
        x1: The first coordinate.
        x2: The second coordinate, of the same shape.
    """
    first = 1.5 - x1 + x1 * x2
    second = 2.25 - x1 + x1 * x2 * x2
    third = 2.625 - x1 + x1 * x2 * x2 * x2
    return first * first + second * second + third * third


def saddle(x1: Any, x2: Any) -> Any:
    """Return x1^2 - x2^2: a minimum along the first axis, a maximum along the second, no lowest point."""
    return x1 * x1 - x2 * x2


def bowl(x1: Any) -> Any:
    """Return x1^2, whose curvature is 2 everywhere."""
    return x1 * x1


def double_well(x1: Any) -> Any:
    """Return x1^4 / 16 - x1^2 / 2 + x1 / 5 + 3/2.

    From the right, a local minimum of height 0.889 at 1.891 lies before the global minimum of 0.090 at -2.093. Between
    them the curve rises to 1.520 at 0.202.

    Args:
        x1: The coordinate.
    """
    square = x1 * x1
    return square * square / 16 - square / 2 + x1 / 5 + 1.5
