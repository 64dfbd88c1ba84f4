"""Figure of all trials in the order of their search, with the best so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from study.core.number_text import short_number
from study.report.figures.figure import MOST_MARKERS, Figure, Floats, count_axis
from study.report.figures.hyperparameters import trials_axis
from study.report.figures.scales import is_better_as_log, is_better_as_logit, stretch_note
from study.report.figures.style import Style
from study.report.objective_metric import ObjectiveMetric
from study.report.trial_rows import TrialRow

# The frame reaches from the best result this many times as far as the median: half of a wide search is far behind.
_TIMES = 3.0
_SPREAD = 0.5  # of the places of entries around a trial's number, which they share


def trials_figure(rows: Sequence[TrialRow], metric: ObjectiveMetric, look: Mapping[str, Style]) -> Figure | None:
    """Draw every trial over its number, and the best so far of each study; None if no trial has a result.

    Trials without a result are crosses along the worse edge, and results far behind the others are triangles there.
    Optimizers stand side by side at a number.

    Args:
        rows: The trials, study by study, in the order of their numbers.
        metric: The study's objective.
        look: The style of each entry, by label.
    """
    scores = [row.score for row in rows if row.score is not None]
    if not scores:
        return None
    axis, (low, high), edge = _axis_and_edge(np.asarray(scores), metric)
    traces: list[dict[str, Any]] = []
    labels = list(dict.fromkeys(row.label for row in rows))
    named: set[str] = set()
    for (label, _), found in groupby(rows, key=lambda row: (row.label, row.study)):
        trials = list(found)
        aside = _SPREAD * ((labels.index(label) + 0.5) / len(labels) - 0.5)
        inside = [row for row in trials if row.score is not None and low <= row.score <= high]
        outside = [row for row in trials if row.score is not None and not low <= row.score <= high]
        without = [row for row in trials if row.score is None and row.state != "running"]
        traces += _best_so_far(trials, metric, label=label, style=look[label], is_named=label not in named)
        traces += _points(inside, metric, look[label], symbol=look[label].marker, aside=aside)
        symbol = "triangle-down" if metric.direction == "maximize" else "triangle-up"
        traces += _points(outside, metric, look[label], symbol=symbol, aside=aside, edge=edge)
        traces += _points(without, metric, look[label], symbol="x-thin", aside=aside, edge=edge)
        named.add(label)
    return Figure(
        name="trials",
        title="Trials in the order of the search",
        description=f"Validation {metric.spoken} of every trial over its number, and the best so far. Crosses at the "
        "edge have no result, triangles are results beyond the frame.",
        traces=traces,
        x=count_axis("trial", most=max(row.number for row in rows)),
        y=axis,
        height=440,
        note=stretch_note(axis),
    )


def _axis_and_edge(scores: Floats, metric: ObjectiveMetric) -> tuple[dict[str, Any], tuple[float, float], float]:
    """Return the axis of the results, the lowest and the highest that it shows, and the place of the others.

    Results on a scale of logits or logarithms are all shown, and so are those that are not far from one another.
    """
    signed = metric.sign * scores
    worst, middle, best = (float(end) for end in np.quantile(signed, (0.0, 0.5, 1.0)))
    behind = best - _TIMES * (best - middle)
    is_bent = is_better_as_logit(scores, metric) or is_better_as_log(scores, metric)
    if is_bent or not worst < behind < best:
        behind = worst
    shown = scores[signed >= behind]
    axis, edge = trials_axis(shown, metric)
    return axis, (float(shown.min()), float(shown.max())), edge


def _best_so_far(
    trials: Sequence[TrialRow], metric: ObjectiveMetric, *, label: str, style: Style, is_named: bool
) -> list[dict[str, Any]]:
    """Return the steps of the best result up to each trial."""
    x: list[int] = []
    y: list[float] = []
    for row in trials:
        if row.score is not None and (not y or metric.sign * row.score > metric.sign * y[-1]):
            x.append(row.number)
            y.append(row.score)
    if not y:
        return []
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": label,
            "legendgroup": label,
            "showlegend": is_named,
            "x": [*x, max(row.number for row in trials)],
            "y": [*y, y[-1]],
            "line": {"color": style.color, "dash": style.dash, "width": 2, "shape": "hv"},
            "marker": {"color": style.color, "symbol": style.marker, "size": 7, "maxdisplayed": MOST_MARKERS},
            "hovertemplate": f"<b>{label}</b><br>best up to trial %{{x}}<br>"
            f"%{{y:{metric.hover_format}}}<extra></extra>",
        }
    ]


def _points(
    rows: Sequence[TrialRow],
    metric: ObjectiveMetric,
    style: Style,
    *,
    symbol: str,
    aside: float,
    edge: float | None = None,
) -> list[dict[str, Any]]:
    """Return trials as points, at the edge if one is given."""
    if not rows:
        return []
    is_thin = symbol == "x-thin"
    color = style.color if is_thin else style.faint(0.65)
    marker = {"color": color, "symbol": symbol, "size": 8 if edge is not None else 7}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": rows[0].label,
            "legendgroup": rows[0].label,
            "showlegend": False,
            "x": [row.number + aside for row in rows],
            "y": [row.score if edge is None else edge for row in rows],
            "marker": {**marker, "line": {"color": style.color, "width": 1.5}} if is_thin else marker,
            "text": [_hover(row, metric) for row in rows],
            "hovertemplate": "%{text}<extra></extra>",
        }
    ]


def _hover(row: TrialRow, metric: ObjectiveMetric) -> str:
    study = "" if row.study == row.label else f" of {row.study}"
    result = row.state if row.score is None else f"{metric.spoken} {metric.text(row.score)}"
    values = [f"{argument} {short_number(value)}" for argument, value in row.values.items()]
    seconds = [] if row.seconds is None else [f"{row.seconds:.3g} s of training"]
    state = ["pruned"] if row.state == "pruned" and row.score is not None else []
    return "<br>".join([f"<b>{row.label}</b>, trial {row.number}{study}", result, *state, *values, *seconds])
