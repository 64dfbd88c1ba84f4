"""Scales of axes: the part of a range that is worth seeing, and shares on a scale that shows those near one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.report.objective_metric import ObjectiveMetric

Floats = NDArray[np.float64]
_SPANS = 2.5  # the frame reaches so many spans of the better half below the best value
_PAD = 0.06  # of the frame, on both sides
_FENCE = 1.5  # Tukey's, in interquartile ranges
_LEAST_SPAN = 1e-3  # in the unit of a share, or as a share of the best value
# A share from here on is hard to read on a linear axis that also shows small ones.
_NEAR_ONE = 0.9
_WIDE = 0.25
_NICE = (0.5, 0.9, 0.1, 0.99, 0.01, 0.999, 0.001, 0.95, 0.05, 0.8, 0.2, 0.98, 0.02, 0.995, 0.7, 0.3, 0.97, 0.6, 0.4)
_TICKS = 9
_CLIP = 2e-4  # shares of 0 and 1 have no place on the scale: they are drawn at its ends


def frame(groups: Sequence[Floats], metric: ObjectiveMetric, *, ends: Sequence[Floats] = ()) -> list[float] | None:
    """Return a range of values in which the better entries can be compared; None without a finite value.

    The better half of the groups sets the scale: the frame reaches from the best value to 2.5 times their span below
    it, or to the worst value if that is nearer. What lies outside has to be named by the figure.

    Args:
        groups: The values of each entry, each of shape (n,); infinite ones are ignored.
        metric: The metric of the values.
        ends: Further values of each entry that should be seen, such as the ends of an interval; default: none.
    """
    finite = [metric.sign * group[np.isfinite(group)] for group in groups]
    more = [metric.sign * end[np.isfinite(end)] for end in ends] or [np.empty(0)] * len(finite)
    pairs = [(group, end) for group, end in zip(finite, more, strict=True) if group.size]
    if not pairs:
        return None
    pairs.sort(key=lambda pair: -float(np.median(pair[0])))
    core = pairs[: (len(pairs) + 1) // 2]
    inner = np.concatenate([part for group, end in core for part in (_without_outliers(group), end)])
    every = np.concatenate([part for group, end in pairs for part in (group, end)])
    best = float(every.max())
    span = max(best - float(inner.min()), _LEAST_SPAN if metric.is_share else _LEAST_SPAN * max(abs(best), 1e-9))
    seen = every[every >= best - _SPANS * span]
    low = float(seen.min())
    pad = _PAD * max(best - low, span)
    low, high = sorted((metric.sign * (low - pad), metric.sign * (best + pad)))
    return [low, high]


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


def logit_range(values: Floats) -> list[float]:
    """Return the range of a logit axis that holds shares, itself in shares.

    Args:
        values: The shares, some of them finite.
    """
    ends = _logit(np.array([np.nanmin(values), np.nanmax(values)]))
    pad = 2 * _PAD * float(ends[1] - ends[0])
    return [float(share) for share in _share(ends + np.array([-pad, pad]))]


def in_logits(
    traces: Sequence[Mapping[str, Any]], axis: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return traces and the vertical axis of type `logit` in the terms of a linear axis, which both renderers have.

    Texts that show a value show the share, as before.

    Args:
        traces: The traces, with shares as vertical coordinates.
        axis: The axis, with a range in shares.
    """
    low, high = (float(end) for end in _logit(np.asarray(axis["range"], dtype=np.float64)))
    ticks = _ticks(low, high)
    drawn = {key: value for key, value in axis.items() if key not in ("type", "tickformat")}
    labels = {"tickvals": [float(_logit(np.array(tick))) for tick in ticks], "ticktext": [_tick(t) for t in ticks]}
    return [_converted(trace) for trace in traces], {**drawn, **labels, "range": [low, high]}


def _converted(trace: Mapping[str, Any]) -> dict[str, Any]:
    shares = np.asarray(trace["y"], dtype=np.float64)
    found = {**trace, "y": _logit(shares)}
    template = str(trace.get("hovertemplate", ""))
    if (shown := re.search(r"%\{y:([^}]+)\}", template)) is not None:
        found["hovertext"] = [format(share, shown[1]) for share in shares]
        found["hovertemplate"] = template.replace(shown[0], "%{hovertext}")
    return found


def _ticks(low: float, high: float) -> list[float]:
    """Return shares for ticks between two ends in logits, far enough from one another to be read."""
    found: list[float] = []
    for share in _NICE:
        place = float(_logit(np.array(share)))
        if low <= place <= high and all(
            abs(place - float(_logit(np.array(t)))) > (high - low) / _TICKS for t in found
        ):
            found.append(share)
    return sorted(found) or [float(share) for share in _share(np.array([low, high]))]


def _tick(share: float) -> str:
    return f"{100 * share:.3g}%"


def _without_outliers(values: Floats) -> Floats:
    lower, upper = np.quantile(values, (0.25, 0.75))
    return values[values >= lower - _FENCE * (upper - lower)]


def _logit(shares: Floats) -> Floats:
    inner = np.clip(shares, _CLIP, 1 - _CLIP)
    return np.asarray(np.log10(inner / (1 - inner)))


def _share(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + 10.0**-logits))
