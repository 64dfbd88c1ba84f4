"""Figures of the sensitivity to each searched value, besides the learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from study.core.search_space import Range, text_of
from study.report.figures.figure import Figure
from study.report.figures.hyperparameters import trials_axis
from study.report.figures.scales import stretch_note
from study.report.figures.style import SEEN, Style
from study.report.objective_metric import ObjectiveMetric
from study.report.value_sensitivity import ValueSensitivity
from study.statistics.sensitivity import to_scale

_MOST_LETTERS = 14  # of the name of a choice at the axis
_FEWEST_TICKS = 3
_SPREAD = 0.3  # of the places of entries around a choice


def value_figure(
    name: str, found: Mapping[str, ValueSensitivity], metric: ObjectiveMetric, look: Mapping[str, Style]
) -> Figure | None:
    """Draw every trial over one searched value, with the envelope of the best; None if no trial has a result.

    A range on the scale of one minus the value is drawn over the decades of one minus the value, the largest value
    rightmost.

    Args:
        name: Name of the argument, or the dotted key.
        found: The trials, by label.
        metric: The study's objective.
        look: The style of each entry, by label.
    """
    axis_of = next(iter(found.values())).searched  # one axis cannot hold ranges of different kinds
    alike = (axis_of.choices, axis_of.scale)
    found = {label: each for label, each in found.items() if (each.searched.choices, each.searched.scale) == alike}
    finite = np.concatenate([each.scores[np.isfinite(each.scores)] for each in found.values()])
    if not finite.size:
        return None
    axis, _ = trials_axis(finite, metric)
    traces: list[dict[str, Any]] = []
    for index, (label, each) in enumerate(found.items()):
        aside = _SPREAD * ((index + 0.5) / len(found) - 0.5)
        traces += _traces(name, label, each, metric, look[label], aside=aside)
    return Figure(
        name=f"sensitivity-{name}",
        title=f"Sensitivity to {name}",
        description=f"Validation result of every trial over its {name}, without diverged trials.",
        traces=traces,
        x=_x_axis(name, axis_of),
        y=axis,
        height=360,
        note=stretch_note(axis),
    )


def _traces(
    name: str, label: str, each: ValueSensitivity, metric: ObjectiveMetric, style: Style, *, aside: float
) -> list[dict[str, Any]]:
    x = each.places + aside if each.searched.choices is not None else _drawn(each.places, each)
    values = _values(each)
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": label,
        "legendgroup": label,
        "showlegend": each.width is None,
        "x": x,
        "y": each.scores,
        "marker": {"color": style.faint(SEEN), "symbol": style.marker, "size": 6},
        "customdata": [[number, value] for number, value in zip(each.numbers, values, strict=True)],
        "hovertemplate": f"<b>{label}</b>, trial %{{customdata[0]}}<br>{name} %{{customdata[1]}}<br>"
        f"%{{y:{metric.hover_format}}}<extra></extra>",
    }
    if each.width is None:
        return [points]
    scores = each.width.envelope_scores
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label,
        "legendgroup": label,
        "x": _drawn(each.width.envelope_values, each),
        "y": np.where(np.isfinite(scores), scores, np.nan),
        "line": {"color": style.color, "dash": style.dash, "width": 2.2},
        "marker": {"color": style.color, "symbol": style.marker, "size": 7},
        "hoverinfo": "skip",
        "meta": {"kind": "envelope"},
    }
    return [points, line]


def _drawn(values: Any, each: ValueSensitivity) -> Any:
    """Return the coordinates in the figure: values, which the axis may put on a log scale, or decades from one."""
    return to_scale(values, "one_minus_log") if each.searched.scale == "one_minus_log" else values


def _values(each: ValueSensitivity) -> list[str]:
    if each.searched.choices is not None:
        texts = [text_of(choice) for choice in each.searched.choices]
        return [texts[round(place)] for place in each.places]
    return [f"{place:.6g}" for place in each.places]


def _x_axis(name: str, searched: Range) -> dict[str, Any]:
    if searched.choices is not None:
        texts = [_short(text_of(choice)) for choice in searched.choices]
        edges = [-0.5, len(texts) - 0.5]
        return {"title": name, "tickvals": [*range(len(texts))], "ticktext": texts, "range": edges}
    if searched.scale == "log":
        return {"title": name, "type": "log", "exponentformat": "power", "dtick": 1}
    if searched.scale == "one_minus_log":
        ticks = _ticks_near_one(searched.low or 0.0, searched.high or 0.0)
        places = [float(place) for place in to_scale(ticks, "one_minus_log")]
        return {"title": name, "tickvals": places, "ticktext": [f"{tick:.9g}" for tick in ticks]}
    return {"title": name}


def _ticks_near_one(low: float, high: float) -> list[float]:
    """Return ticks in a range on the scale of one minus the value: 0.9, 0.99 and so on, with others between few."""
    least, most = 1 - high, 1 - low
    decades = range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 1)
    for factors in ((1,), (1, 2, 5)):
        found = [
            f * 10.0**d for d in decades for f in factors if least * (1 - 1e-9) <= f * 10.0**d <= most * (1 + 1e-9)
        ]
        if len(found) >= _FEWEST_TICKS:
            break
    return sorted(1 - each for each in found) or [low, high]


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"
