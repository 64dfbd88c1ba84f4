"""Numbers as short text."""

from __future__ import annotations

import math

_DIGITS = 5
_DIGITS_BELOW_ONE = 3
_DIGITS_OF_WIDTH = 2
_MOST_PLACES = 6
# Scores between these have four places.
_SMALL, _LARGE = 1e-3, 1e5


def plus_minus(mean: float, half_width: float) -> str:
    """Return a mean with the half-width of its interval, such as `0.913 ± 0.018`.

    The half-width has two digits, and the mean ends at the same place.

    Args:
        mean: The mean.
        half_width: Half the width of the interval, at least 0; NaN without an interval.
    """
    if not math.isfinite(half_width):
        return four_places(mean)
    places = _DIGITS_OF_WIDTH - 1 - math.floor(math.log10(half_width)) if half_width else _MOST_PLACES + 1
    if not 0 <= places <= _MOST_PLACES or abs(mean) >= _LARGE:
        return f"{four_places(mean)} ± {half_width:.{_DIGITS_OF_WIDTH}g}"
    return f"{mean:.{places}f} ± {half_width:.{places}f}"


def four_places(value: float) -> str:
    """Return a score with four places, and a very small or large one with four digits.

    Args:
        value: The score.
    """
    return f"{value:.4f}" if value == 0 or _SMALL <= abs(value) < _LARGE else f"{value:.4g}"


def short_number(text: str) -> str:
    """Return a number with five digits, and other text unchanged.

    A number just below 1, such as a decay rate, keeps three digits of its distance from 1: 0.99996352 is never shown
    as 1.

    Args:
        text: The number as recorded, such as `0.026445413522`, or other text.
    """
    try:
        value = float(text)
    except ValueError:
        return text
    digits = _DIGITS
    if 0.9 < abs(value) < 1.0:
        digits = max(digits, _DIGITS_BELOW_ONE - 1 - math.floor(math.log10(1.0 - abs(value))))
    return f"{value:.{digits}g}"
