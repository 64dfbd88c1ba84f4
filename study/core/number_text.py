"""Numbers as short text."""

from __future__ import annotations

import math

_DIGITS = 5
_DIGITS_BELOW_ONE = 3
_DIGITS_OF_WIDTH = 2
_MOST_PLACES = 6
# The part of a half-width that a shortened mean may hide, and the digits that a float has.
_HIDDEN, _MOST_DIGITS = 0.05, 15
# Scores within these limits have four decimals, so that those of a table line up.
_SMALLEST, _LARGEST = 1e-3, 1e5
# The least half-width that four decimals show with a digit, and a mean that needs fewer of them.
_SEEN, _LONG = 5e-4, 100.0


def plus_minus(mean: float, half_width: float) -> str:
    """Return a mean with the half-width of its interval, such as `0.9134 ± 0.0178`.

    Both have four decimals, as scores everywhere, so that those of a table line up. Where four decimals would hide the
    half-width, or are more than a large mean needs, it has two digits, and the mean ends at the same place.

    Args:
        mean: The mean.
        half_width: Half the width of the interval, at least 0; NaN without an interval.
    """
    if not math.isfinite(half_width):
        return score_text(mean)
    if half_width >= _SEEN and (mean == 0 or _SMALLEST <= abs(mean) < _LONG):
        return f"{mean:.4f} ± {half_width:.4f}"
    places = _DIGITS_OF_WIDTH - 1 - math.floor(math.log10(half_width)) if half_width else _MOST_PLACES + 1
    if not 0 <= places <= _MOST_PLACES or abs(mean) >= _LARGEST:
        return f"{_as_precise(mean, half_width)} ± {half_width:.{_DIGITS_OF_WIDTH}g}"
    return f"{mean:.{places}f} ± {half_width:.{places}f}"


def _as_precise(mean: float, half_width: float) -> str:
    """Return a mean as a score, or with all digits up to the half-width's last one where the score would hide some."""
    short = score_text(mean)
    if half_width == 0 or not math.isfinite(mean) or abs(float(short) - mean) <= _HIDDEN * half_width:
        return short
    digits = math.floor(math.log10(abs(mean))) - math.floor(math.log10(half_width)) + _DIGITS_OF_WIDTH
    return f"{mean:.{min(max(digits, _DIGITS_OF_WIDTH), _MOST_DIGITS)}g}"


def score_text(value: float | None) -> str:
    """Return a score as every table and line of the terminal shows it: four decimals, or four digits if it is extreme.

    Args:
        value: The score; None: `none`.

    >>> score_text(0.5), score_text(2.4e51)
    ('0.5000', '2.4e+51')
    """
    if value is None:
        return "none"
    return f"{value:.4f}" if value == 0 or _SMALLEST <= abs(value) < _LARGEST else f"{value:.4g}"


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
