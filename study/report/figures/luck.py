"""The figure of the luck: the spread of a score that comes from the search, the run seed and the batch order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from study.report.figures.figure import Figure
from study.report.figures.style import Style
from study.report.luck import EntryLuck
from study.report.objective_metric import ObjectiveMetric
from study.statistics.luck import LuckPart

_MARKERS = {
    "search": "circle",
    "run seed": "square",
    "batch order": "diamond",
    "run seed and batch order": "square",
}
_ROW_HEIGHT, _STEP = 62, 0.24


def luck_figure(luck: Mapping[str, EntryLuck], metric: ObjectiveMetric, look: Mapping[str, Style]) -> Figure | None:
    """Draw the standard deviation of a score from each source with its interval; None without study seeds.

    Args:
        luck: The luck of the entries, by label.
        metric: The metric.
        look: The style of each entry, by label.
    """
    traces: list[dict[str, Any]] = []
    labels = list(luck)
    named: set[str] = set()
    for place, label in enumerate(labels):
        parts = [part for part in luck[label].luck.parts if part.variance is not None]
        for row, part in enumerate(parts):
            y = len(labels) - 1 - place + _STEP * ((len(parts) - 1) / 2 - row)
            traces.append(_trace(part, label, metric, y=y, style=look[label], named=part.source not in named))
            named.add(part.source)
    if not traces:
        return None
    unit = "points" if metric.is_share else metric.confirmed_spoken
    return Figure(
        name="luck",
        title="Where the luck is",
        description="Standard deviation of a test score that comes from the search, and from the run seed and the "
        "batch order, with 95 % intervals.",
        traces=traces,
        x={"title": f"standard deviation, {unit}", "rangemode": "tozero"},
        y={
            "tickvals": list(range(len(labels)))[::-1],
            "ticktext": labels,
            "range": [-0.6, len(labels) - 0.4],
            "showgrid": False,
            "fixedrange": True,
        },
        height=130 + _ROW_HEIGHT * len(labels),
    )


def _trace(
    part: LuckPart, label: str, metric: ObjectiveMetric, *, y: float, style: Style, named: bool
) -> dict[str, Any]:
    assert part.variance is not None
    unit = 100.0 if metric.is_share else 1.0
    mean = math.sqrt(part.variance) * unit
    low = mean if part.low is None else math.sqrt(part.low) * unit
    high = mean if part.high is None or not math.isfinite(part.high) else math.sqrt(part.high) * unit
    free = "" if part.freedom is None else f", {part.freedom:.3g} degrees of freedom"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": part.source,
        "legendgroup": part.source,
        "showlegend": named,
        "x": [mean],
        "y": [y],
        "marker": {"color": style.color, "symbol": _MARKERS[part.source], "size": 10},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - mean],
            "arrayminus": [mean - low],
            "color": style.color,
            "thickness": 2,
            "width": 5,
        },
        "hovertemplate": f"<b>{label}</b>, {part.source}<br>{mean:.3g} ({low:.3g} to {high:.3g}){free}<extra></extra>",
    }
