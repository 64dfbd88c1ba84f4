"""Figure of the luck: the variance of a confirmation's score by its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.report.figures.figure import Figure
from study.report.luck import EntryLuck, share_of
from study.report.objective_metric import ObjectiveMetric
from study.statistics.luck import LuckPart

# By source: a color, and a pattern for readers who do not see colors.
_LOOK = {
    "search": ("#0072b2", ""),
    "run seed": ("#d55e00", "/"),
    "batch order": ("#009e73", "x"),
    "run seed and batch order": ("#d55e00", "/"),
}
_ROW_HEIGHT = 40


def luck_figure(found: Mapping[str, EntryLuck], metric: ObjectiveMetric) -> Figure | None:
    """Draw the shares of the variance of each entry; None without an entry that has any.

    Args:
        found: The luck by label.
        metric: The metric compared.
    """
    shown = [label for label, each in found.items() if any(part.variance for part in each.luck.parts)]
    if not shown:
        return None
    sources = dict.fromkeys(part.source for label in shown for part in found[label].luck.parts)
    places = {label: len(shown) - 1 - index for index, label in enumerate(shown)}
    ends = dict.fromkeys(shown, 0.0)  # of the bars drawn so far
    traces: list[dict[str, Any]] = []
    for source in sources:
        parts = {label: part for label in shown for part in found[label].luck.parts if part.source == source}
        shares = {label: share_of(found[label].luck, part.variance) or 0.0 for label, part in parts.items()}
        traces.append(
            {
                **_bars(source),
                "x": list(shares.values()),
                "base": [ends[label] for label in shares],
                "y": [places[label] for label in shares],
                "text": [_hover(label, part, metric) for label, part in parts.items()],
            }
        )
        ends |= {label: ends[label] + share for label, share in shares.items()}
    return Figure(
        name="luck",
        title="Where the luck is",
        description="Shares of search, run seed and batch order in the variance of a confirmation's score, by "
        "optimizer.",
        traces=traces,
        x={"title": "share of the variance", "tickformat": ".0%", "range": [0, 1]},
        y={
            "tickvals": list(places.values()),
            "ticktext": list(places),
            "range": [-0.6, len(shown) - 0.4],
            "showgrid": False,
            "fixedrange": True,
        },
        height=120 + _ROW_HEIGHT * len(shown),
        extra={"barmode": "overlay"},
    )


def _bars(source: str) -> dict[str, Any]:
    color, pattern = _LOOK[source]
    return {
        "type": "bar",
        "orientation": "h",
        "name": source,
        "marker": {"color": color, "pattern": {"shape": pattern}},
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }


def _hover(label: str, part: LuckPart, metric: ObjectiveMetric) -> str:
    if part.variance is None:
        return f"<b>{label}</b><br>{part.source}: not known from these studies"
    deviation = metric.change(part.variance**0.5, signed=False)
    ends = ""
    if part.low is not None and part.high is not None:
        ends = f" (95 % interval {metric.change_span(part.low**0.5, part.high**0.5)})"
    return (
        f"<b>{label}</b><br>{part.source}: standard deviation {deviation}{ends}, {part.freedom:.0f} degrees of freedom"
    )
