"""Scales of axes: the part of a range that is worth seeing, and shares on a scale that shows those near one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.report.objective_metric import SPACE, ObjectiveMetric

Floats = NDArray[np.float64]
_SPANS = 2.5  # the frame reaches so many spans of the better half below the best value
_PAD = 0.06  # of the frame, on both sides
_BEYOND = 0.03  # of the axis, beyond 0 or 1 of a share: nearer than the next tick
_FENCE = 1.5  # Tukey's, in interquartile ranges
_LEAST_SPAN = 4e-3  # in the unit of a share, or as a share of the best value
# A share from here on is hard to read on a linear axis that also shows small ones.
_NEAR_ONE = 0.9
_WIDE = 0.25
_DECADES_FROM = 20.0  # the factor between costs from which a linear axis hides the small ones
_NICE = (
    *(0.5, 0.9, 0.1, 0.99, 0.01, 0.999, 0.001, 0.9999, 1e-4, 0.95, 0.05, 0.995, 0.005, 0.8, 0.2, 0.98, 0.02),
    *(0.7, 0.3, 0.97, 0.998, 0.6, 0.4, 0.93, 0.85),
)
_TICKS = 9
_LEAST_CLIP, _MOST_CLIP = 1e-6, 0.005  # from 0 and 1, of the places of shares that have none on the scale


def frame(groups: Sequence[Floats], metric: ObjectiveMetric, *, others: Floats | None = None) -> list[float] | None:
    """Return a range of values in which the better entries can be compared; None without a finite value.

    The better half of the groups sets the scale: the frame reaches from the best value to 2.5 times their span below
    it, or to the worst value if that is nearer. What lies outside has to be named by the figure.

    Args:
        groups: The values of each entry, each of shape (n,), without its outliers; infinite ones are ignored.
        metric: The metric of the values.
        others: Values that are seen if they are near enough, such as outliers. None (the default): none.
    """
    finite = [metric.sign * group[np.isfinite(group)] for group in groups]
    known = sorted((group for group in finite if group.size), key=lambda group: -float(np.median(group)))
    if not known:
        return None
    inner = np.concatenate(known[: (len(known) + 1) // 2])
    apart = np.empty(0) if others is None else metric.sign * others[np.isfinite(others)]
    every = np.concatenate([*known, apart])
    best = float(every.max())
    span = max(best - float(inner.min()), _LEAST_SPAN if metric.is_share else _LEAST_SPAN * max(abs(best), 1e-9))
    seen = every[every >= best - _SPANS * span]
    low = float(seen.min())
    pad = _PAD * max(best - low, span)
    low, high = sorted((metric.sign * (low - pad), metric.sign * (best + pad)))
    return within_shares(low, high) if metric.is_share else [low, high]


def within_shares(low: float, high: float) -> list[float]:
    """Return a range of shares that reaches so little below 0 and above 1 that no tick stands there.

    Args:
        low: Lower end of the range.
        high: Upper end.
    """
    if high > 1:
        low = min(low, 1 - _LEAST_SPAN)
        high = min(high, 1 + _BEYOND * (1 - low))
    if low < 0:
        high = max(high, _LEAST_SPAN)
        low = max(low, -_BEYOND * high)
    return [low, high]


def without_outliers(values: Floats) -> Floats:
    """Return the finite values within Tukey's fences.

    Args:
        values: The values, shape (n,).
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return known
    lower, upper = np.quantile(known, (0.25, 0.75))
    room = _FENCE * (upper - lower)
    return np.asarray(known[(known >= lower - room) & (known <= upper + room)])


def is_better_as_logit(values: Floats, metric: ObjectiveMetric) -> bool:
    """Return True for shares of which many are near one or near zero, and others far away.

    Args:
        values: The values to draw.
        metric: The metric of the values.
    """
    finite = values[np.isfinite(values)]
    if not metric.is_share or finite.size < 2:
        return False
    low, high = float(finite.min()), float(finite.max())
    near = high >= _NEAR_ONE if metric.direction == "maximize" else low <= 1 - _NEAR_ONE
    return near and high - low > _WIDE


def is_better_as_log(values: Floats, metric: ObjectiveMetric) -> bool:
    """Return True for positive costs that differ by more than a factor of 20.

    Args:
        values: The values to draw.
        metric: The metric of the values.
    """
    finite = values[np.isfinite(values)]
    if metric.is_share or metric.direction == "maximize" or finite.size < 2 or finite.min() <= 0:
        return False
    return bool(finite.max() > _DECADES_FROM * finite.min())


def log_axis(values: Floats, *, pad: float = 2 * _PAD) -> dict[str, Any]:
    """Return type and range of a logarithmic axis, the range in powers of ten as Plotly has it.

    Args:
        values: The values, the finite ones positive.
        pad: Room at both ends, as a share of the axis between the values. Default 0.12.
    """
    known = np.log10(values[np.isfinite(values)])
    room = pad * float(known.max() - known.min())
    return {"type": "log", "range": [float(known.min()) - room, float(known.max()) + room]}


def logit_axis(values: Floats, *, pad: float = 2 * _PAD) -> dict[str, Any]:
    """Return type and range of an axis of shares in logits, on which 99 and 99.9 % are as far apart as 90 and 99 %.

    Shares of 0 and 1, which have no place on such a scale, are drawn half as far from their end as the next ones.

    Args:
        values: The shares, some of them finite.
        pad: Room at both ends, as a share of the axis between the values. Default 0.12.
    """
    known = values[np.isfinite(values)]
    apart = np.minimum(known, 1 - known)
    nearest = float(apart[apart > _LEAST_CLIP].min(initial=2 * _MOST_CLIP)) / 2
    ends = _logit(np.array([known.min(), known.max()]), nearest)
    room = pad * float(ends[1] - ends[0])
    return {"type": "logit", "range": [float(end) for end in _share(ends + np.array([-room, room]))], "clip": nearest}


def stretch_note(axis: Mapping[str, Any]) -> str:
    """Return a sentence that says of a logit axis that its ends are stretched; empty for other axes.

    Args:
        axis: The axis.
    """
    if axis.get("type") != "logit":
        return ""
    return f"The vertical axis is stretched near 0 and 100{SPACE}%, so that small differences there can be seen."


def in_logits(
    traces: Sequence[Mapping[str, Any]], axis: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return traces and a vertical axis of `logit_axis` in the terms of a linear axis, which both renderers have.

    Texts that show a value show the share, as before.

    Args:
        traces: The traces, with shares as vertical coordinates.
        axis: The axis.
    """
    clip = float(axis["clip"])
    low, high = (float(end) for end in _logit(np.asarray(axis["range"], dtype=np.float64), 0.0))
    ticks = _ticks(low, high, clip)
    drawn = {key: value for key, value in axis.items() if key not in ("type", "clip", "tickformat")}
    labels = {"tickvals": list(ticks), "ticktext": list(ticks.values())}
    return [_converted(trace, clip) for trace in traces], {**drawn, **labels, "range": [low, high]}


def _converted(trace: Mapping[str, Any], clip: float) -> dict[str, Any]:
    shares = np.asarray(trace["y"], dtype=np.float64)
    found = {**trace, "y": _logit(shares, clip)}
    template = str(trace.get("hovertemplate", ""))
    if (shown := re.search(r"%\{y:([^}]+)\}", template)) is not None:
        found["hovertext"] = [format(share, shown[1]) for share in shares]
        found["hovertemplate"] = template.replace(shown[0], "%{hovertext}")
    return found


def _ticks(low: float, high: float, clip: float) -> dict[float, str]:
    """Return labels of ticks by their place between two ends in logits, far enough from one another to be read."""
    found: dict[float, str] = {}
    for share in (1.0, 0.0, *_NICE):
        place = float(_logit(np.array(share), clip))
        if low <= place <= high and all(abs(place - other) > (high - low) / _TICKS for other in found):
            found[place] = f"{100 * share:.4g}%"
    return dict(sorted(found.items()))


def _logit(shares: Floats, clip: float) -> Floats:
    inner = np.clip(shares, clip, 1 - clip)
    return np.asarray(np.log10(inner / (1 - inner)))


def _share(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + 10.0**-logits))
