"""The data of a page's figures as text for a script element, small also with ten thousand trials."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2.utils import htmlsafe_json_dumps

# Of every number, and of the span of its list: more than a screen shows, also of values that differ little.
_DIGITS = 5
_ANY = -400  # decimals: fewer than a float has digits before its point
# Characters from which the text is compressed. Hovers repeat themselves, so it shrinks to a tenth.
_LONGEST_PLAIN = 200_000


@dataclass(frozen=True, kw_only=True)
class FigureData:
    """Data of figures, as a script element holds them.

    Attributes:
        text: JSON, or with `is_packed` JSON compressed by gzip, in base64.
        is_packed: Whether the text is compressed.
    """

    text: str
    is_packed: bool


def figure_data(specs: Mapping[str, Mapping[str, Any]]) -> FigureData:
    """Return the data of figures, each number with five digits or to a hundred-thousandth of its list's span.

    The layout keeps all digits.

    Args:
        specs: Data and layout for Plotly, by the figure's name. Arrays are of NumPy or lists; what is not finite
            becomes null, which Plotly draws as a gap.
    """
    plain = _plain(specs)
    compact = json.dumps(plain, allow_nan=False, separators=(",", ":"))
    if len(compact) <= _LONGEST_PLAIN:
        return FigureData(text=htmlsafe_json_dumps(plain, allow_nan=False, separators=(",", ":")), is_packed=False)
    return FigureData(text=packed(compact), is_packed=True)


def packed(text: str) -> str:
    """Return a text compressed by gzip, in base64; equal texts give equal results.

    Args:
        text: The text.
    """
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _exact(item) if key == "layout" else _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        finite = [item for item in value if isinstance(item, float) and math.isfinite(item)]
        span = max(finite) - min(finite) if finite else 0.0
        decimals = _DIGITS - 1 - math.floor(math.log10(span)) if 0 < span < math.inf else _ANY
        return [_rounded(item, decimals) if isinstance(item, float) else _plain(item) for item in value]
    return _rounded(value, _ANY) if isinstance(value, float) else value


def _exact(value: Any) -> Any:
    """Return a layout as JSON can hold it. Plotly leaves out a note whose place a rounding puts beyond the axis."""
    if isinstance(value, Mapping):
        return {str(key): _exact(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _exact(value.tolist())
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rounded(value: float, decimals: int) -> float | None:
    """Return a number with five digits, or with as many decimals if these are more; None if it is not finite."""
    if not math.isfinite(value) or value == 0:
        return value if math.isfinite(value) else None
    return round(value, max(decimals, _DIGITS - 1 - math.floor(math.log10(abs(value)))))
