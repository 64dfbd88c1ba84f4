"""Numbers as short text."""

from __future__ import annotations

import math

_DIGITS = 5
_DIGITS_BELOW_ONE = 3


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
