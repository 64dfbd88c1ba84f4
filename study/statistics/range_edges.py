"""Find out if an optimum lies near the edge of the range that was searched."""

from __future__ import annotations

import math
from typing import Literal

Edge = Literal["low", "high"]


def nearest_edge(
    value: float | None,
    *,
    low: float | None,
    high: float | None,
    scale: Literal["linear", "log", "one_minus_log", "choices"],
    fraction: float = 0.05,
) -> Edge | None:
    """Return the edge that the value is near, on the scale that it was searched on.

    Args:
        value: The optimum, in the argument's own values; one outside the range (a default that was enqueued) is
            near the edge that it is beyond.
        low: Lower end of the range, in the argument's own values; not looked at for `choices`.
        high: Upper end of the range, in the argument's own values; not looked at for `choices`.
        scale: `linear`; `log`; `one_minus_log`, logarithmic in one minus the value; or `choices`, which have no edge.
        fraction: How much of the range is near an edge.

    Returns:
        `low` or `high`, the end of the argument's own values, or None.

    Raises:
        ValueError: If the range is empty, or an end has no logarithm on its scale, or an argument is not allowed.
    """
    if not 0 <= fraction < 0.5:
        raise ValueError(f"fraction={fraction}: expected a number from 0 to below 0.5. The protocol takes 0.05.")
    if scale == "choices":
        return None
    if value is None or low is None or high is None or not low < high:
        raise ValueError(
            f"value={value}, low={low}, high={high}: expected numbers with low < high for scale={scale}. "
            "Pass scale='choices' for an argument that has no range."
        )
    start, end = _coordinate(low, scale), _coordinate(high, scale)
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"low={low}, high={high}: expected ends that scale={scale} can hold. Correct the range.")
    position = (_coordinate(value, scale) - start) / (end - start)
    # 0.05 of a range need not be a floating-point number; the edge itself counts as near.
    if position <= fraction + 1e-9:
        return "low"
    return "high" if position >= 1 - fraction - 1e-9 else None


def _coordinate(value: float, scale: str) -> float:
    """Return the value's place on its scale, rising with the value; infinite beyond where the scale ends."""
    if scale == "linear":
        return value
    if scale == "log":
        return math.log(value) if value > 0 else -math.inf
    if scale == "one_minus_log":
        return -math.log(1.0 - value) if value < 1 else math.inf
    raise ValueError(f"scale={scale!r}: expected linear, log, one_minus_log or choices. Take it from the range.")
