"""Figures of the search: sensitivity to the learning rate, importance, parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.number_text import short_number
from study.core.records import RunRecord
from study.core.search_space import Range, text_of
from study.report.curve_data import LearningRates
from study.report.figures.figure import Figure, interval, names_axis
from study.report.figures.scales import (
    is_better_as_log,
    is_better_as_logit,
    log_axis,
    logit_axis,
    stretch_note,
    within_shares,
)
from study.report.figures.style import SEEN, Style
from study.report.importance_shares import ImportanceShare
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import Entry, number_of

Floats = NDArray[np.float64]
# Groups of trials from the best to the worst: name, share, color and width. Dark and light pages suit all colors. Of
# few trials the first groups are empty: the best of three is not in the best tenth.
_GROUPS = (
    ("best tenth", 0.1, "#d55e00", 2.4),
    ("best quarter", 0.25, "#c98a00", 1.6),
    ("better half", 0.5, "#3b97d3", 1.0),
    ("worse half", 1.0, "rgba(125,125,125,0.75)", 1.0),
)


def sensitivity_figure(
    found: Mapping[str, LearningRates], metric: ObjectiveMetric, look: Mapping[str, Style]
) -> Figure:
    """Draw every trial over its learning rate, the envelope of the best, and diverged trials along the worse edge.

    Args:
        found: The trials, by label.
        metric: The study's objective.
        look: The style of each entry, by label.
    """
    finite = np.concatenate([each.scores[np.isfinite(each.scores)] for each in found.values()])
    axis, floor = trials_axis(finite if finite.size else np.array([0.0, 1.0]), metric)
    traces: list[dict[str, Any]] = []
    for label, each in found.items():
        style = look[label]
        traces.append(_scatter(each, metric, label=label, style=style))
        if np.any(each.diverged):
            traces.append(_crosses(each, label=label, style=style, floor=floor))
        if each.sensitivity is not None:
            envelope = np.asarray(each.sensitivity.envelope_scores)
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": label,
                    "legendgroup": label,
                    "x": each.sensitivity.envelope_learning_rates,
                    "y": np.where(np.isfinite(envelope), envelope, np.nan),
                    "line": {"color": style.color, "dash": style.dash, "width": 2.2},
                    "marker": {"color": style.color, "symbol": style.marker, "size": 7},
                    "hoverinfo": "skip",
                    "meta": {"kind": "envelope"},
                }
            )
    return Figure(
        name="sensitivity",
        title="Sensitivity to the learning rate",
        description="Validation result of every trial over its learning rate; crosses at the edge diverged.",
        traces=traces,
        x={"title": "learning rate", "type": "log", "exponentformat": "power", "dtick": 1},
        y=axis,
        height=460,
        note=stretch_note(axis),
    )


def trials_axis(finite: Floats, metric: ObjectiveMetric) -> tuple[dict[str, Any], float]:
    """Return the axis of the validation results of trials, and the place of diverged ones along its worse edge.

    Shares of which some are near one are drawn in logits: 99 and 99.9 % are as far apart as 90 and 99 %. Costs of
    several orders of magnitude are drawn by their logarithm.

    Args:
        finite: The results, at least one of them.
        metric: The study's objective.
    """
    axis: dict[str, Any] = {"title": f"validation {metric.spoken}"}
    is_gain = metric.direction == "maximize"
    if is_better_as_logit(finite, metric):
        inner = logit_axis(finite, pad=0.06)["range"]
        return axis | logit_axis(finite), inner[0 if is_gain else 1]
    if is_better_as_log(finite, metric):
        return axis | log_axis(finite), 10 ** log_axis(finite, pad=0.06)["range"][1]
    low, high = float(finite.min()), float(finite.max())
    pad = 0.06 * max(high - low, 1e-3)
    ends = (low - 2 * pad, high + 2 * pad)
    axis["range"] = within_shares(*ends) if metric.is_share else list(ends)
    # The place of diverged trials is between the worst result and the frame.
    edge = (low + axis["range"][0]) / 2 if is_gain else (high + axis["range"][1]) / 2
    return axis | ({"tickformat": ".3~%"} if metric.is_share else {}), edge


def importance_figure(found: Mapping[str, Mapping[str, ImportanceShare]], look: Mapping[str, Style]) -> Figure | None:
    """Draw the share of variance that each argument explains with its interval, entry by entry; None without data.

    Args:
        found: Shares with their intervals, by label and argument.
        look: The style of each entry, by label.
    """
    rows = [(label, argument, share) for label, shares in found.items() for argument, share in shares.items()]
    if not rows:
        return None
    traces = []
    for place, (label, argument, each) in enumerate(rows):
        low, high = (math.nan if end is None else end for end in (each.low, each.high))
        ends = f" ({100 * low:.0f} to {100 * high:.0f} %)" if math.isfinite(low) else ""
        y = len(rows) - 1 - place
        text = f"{argument} {each.share:.0%}{ends}"
        traces.append(interval(each.share, low, high, y=y, style=look[label], name=label, text=text))
    return Figure(
        name="importance",
        title="Importance of hyperparameters",
        description="Share of each hyperparameter in the variance that single ones account for, with its 90 % "
        "interval.",
        traces=traces,
        x={"title": "share of variance", "tickformat": ".0%", "range": [-0.02, 1.02]},
        y=names_axis([f"{label}: {label_of(argument)}" for label, argument, _ in rows]),
        height=90 + 24 * len(rows),
    )


def label_of(name: str) -> str:
    """Return the name of a searched value for an axis: of a dotted key the last two parts.

    Args:
        name: Name of the argument, or the dotted key.
    """
    return ".".join(name.split(".")[-2:])


def parallel_figure(entry: Entry, metric: ObjectiveMetric, *, index: int) -> Figure | None:
    """Draw each trial as a line through its hyperparameters to its result, the best on top; None with too few trials.

    Args:
        entry: The entry.
        metric: The study's objective.
        index: Index of the entry, for the figure's name.
    """
    ranges = {argument: of for study in entry.studies for argument, of in study.ranges.items()}
    runs = [run for run in entry.trials if run.state in ("complete", "pruned") and metric.validation(run) is not None]
    if len(ranges) < 2 or len(runs) < 3:
        return None
    scores = np.array([metric.validation(run) or 0.0 for run in runs])
    order = np.argsort(-metric.sign * scores, kind="stable")
    last = _result_axis(scores, metric)
    coordinates = np.array(
        [[*(_place(run, of) for of in ranges.values()), last(s)] for run, s in zip(runs, scores, strict=True)]
    )
    names = [*map(label_of, ranges), metric.name]
    traces, start = [], 0
    for name, share, color, width in _GROUPS:
        end = math.floor(share * len(runs) + 1e-9)
        group = order[start:end]
        start = end
        if group.size:
            texts = [_hover(runs[i], ranges, scores[i], metric) for i in group]
            traces.append(_lines(coordinates[group], texts, name=name, color=color, width=width))
    return Figure(
        name=f"parallel-{index}",
        title=f"Parallel coordinates of {entry.label}",
        description=f"Every trial of {entry.label} that did not diverge or fail, as a line through its "
        "hyperparameters to the rank of its result.",
        traces=traces[::-1],
        x={
            "tickvals": list(range(len(names))),
            "ticktext": [name.replace(".", ".<br>") for name in names],
            "range": [-0.3, len(names) - 0.7],
            "ticklabeloverflow": "allow",
            "tickfont": {"size": 11},
            "fixedrange": True,
        },
        y={"visible": False, "range": [-0.1, 1.1], "fixedrange": True},
        height=380,
        extra={"annotations": _ends(ranges, scores, metric), "legend": _LEGEND},
    )


_LEGEND = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "traceorder": "reversed"}


def _scatter(each: LearningRates, metric: ObjectiveMetric, *, label: str, style: Style) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label,
        "legendgroup": label,
        "showlegend": each.sensitivity is None,
        "x": each.rates,
        "y": each.scores,
        "marker": {"color": style.faint(SEEN), "symbol": style.marker, "size": 6},
        "customdata": list(each.numbers),
        "hovertemplate": f"<b>{label}</b>, trial %{{customdata}}<br>rate %{{x:.3g}}<br>"
        f"%{{y:{metric.hover_format}}}<extra></extra>",
    }


def _crosses(each: LearningRates, *, label: str, style: Style, floor: float) -> dict[str, Any]:
    rates = each.rates[each.diverged]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{label}, diverged",
        "legendgroup": label,
        "showlegend": False,
        "x": rates,
        "y": np.full(rates.size, floor),
        "marker": {"color": style.color, "symbol": "x-thin", "size": 8, "line": {"color": style.color, "width": 1.5}},
        "customdata": [number for number, diverged in zip(each.numbers, each.diverged, strict=True) if diverged],
        "hovertemplate": f"<b>{label}</b>, trial %{{customdata}} diverged<br>rate %{{x:.3g}}<extra></extra>",
    }


def _place(run: RunRecord, searched: Range) -> float:
    """Return the place of a value in its range, from 0 to 1 on the scale of the search."""
    if searched.choices is not None:
        texts = [text_of(choice) for choice in searched.choices]
        text = run.params.get(searched.argument, "")
        return texts.index(text) / max(1, len(texts) - 1) if text in texts else math.nan
    value, low, high = number_of(run, searched.argument), searched.low or 0.0, searched.high or 1.0
    if searched.scale == "log":
        value, low, high = (math.log(max(each, 1e-300)) for each in (value, low, high))
    elif searched.scale == "one_minus_log":
        value, low, high = (-math.log(max(1.0 - each, 1e-300)) for each in (value, low, high))
    return (value - low) / (high - low)


def _result_axis(scores: Floats, metric: ObjectiveMetric) -> Any:
    """Return a function from a score to its place: its rank, since the best scores of a wide search are close."""
    ordered = np.sort(metric.sign * scores)

    def place(score: float) -> float:
        value = metric.sign * score
        middle = np.searchsorted(ordered, value, "left") + np.searchsorted(ordered, value, "right") - 1
        return float(middle / 2 / max(1, ordered.size - 1))

    return place


def _lines(rows: Floats, texts: Sequence[str], *, name: str, color: str, width: float) -> dict[str, Any]:
    """Return many lines as one trace, with gaps between them."""
    n_axes = rows.shape[1]
    gap = np.full((len(rows), 1), np.nan)
    x = np.concatenate([np.tile(np.arange(n_axes, dtype=np.float64), (len(rows), 1)), gap], axis=1)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": x.ravel(),
        "y": np.concatenate([rows, gap], axis=1).ravel(),
        "line": {"color": color, "width": width},
        "marker": {"color": color, "size": 4},
        "text": [text for text in texts for _ in range(n_axes + 1)],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _hover(run: RunRecord, ranges: Mapping[str, Range], score: float, metric: ObjectiveMetric) -> str:
    values = "<br>".join(f"{argument} {short_number(run.params.get(argument, ''))}" for argument in ranges)
    return f"<b>trial {run.number}</b>: {metric.text(score)}<br>{values}"


def _ends(ranges: Mapping[str, Range], scores: Floats, metric: ObjectiveMetric) -> list[dict[str, Any]]:
    """Return the numbers at both ends of each axis."""
    worst, best = (float(end) for end in np.sort(metric.sign * scores)[[0, -1]] * metric.sign)
    ends = [_range_ends(searched) for searched in ranges.values()]
    ends.append((metric.text(worst), metric.text(best)))
    return [
        {"x": x, "y": y, "text": text, "showarrow": False, "yanchor": anchor, "font": {"size": 11}}
        for x, pair in enumerate(ends)
        for y, text, anchor in ((-0.02, pair[0], "top"), (1.02, pair[1], "bottom"))
    ]


def _range_ends(searched: Range) -> tuple[str, str]:
    if searched.choices is not None:
        return text_of(searched.choices[0]), text_of(searched.choices[-1])
    return f"{searched.low:g}", f"{searched.high:g}"
