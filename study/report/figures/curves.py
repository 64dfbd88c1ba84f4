"""Figures over trials, steps and seconds: tuning curves, training curves, time to target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from study.report.curve_data import LEAST_SECONDS, BestOfTrials, TimesToTarget, TrainingQuartiles, longest_seconds
from study.report.figures.figure import Figure, apart, band, count_axis, line, note
from study.report.figures.scales import frame, is_better_as_log, is_better_as_logit, log_axis, logit_axis, stretch_note
from study.report.figures.style import Style
from study.report.marked_text import joined
from study.report.objective_metric import ObjectiveMetric

_BANDS_AT_ONCE = 3
_LEAST_OF_BAND = 3  # places; fewer make a sliver
_LEAST_EPOCHS = 2  # of a curve
_MOST_NOTED = 4  # lines outside of the frame that are named
_NOTE_STEP = 0.055  # of the frame, between two notes


def tuning_figure(
    curves: Mapping[str, BestOfTrials], metric: ObjectiveMetric, look: Mapping[str, Style], *, candidate: str | None
) -> Figure:
    """Draw the tuning curves: the best of n random trials.

    A band is filled where both its limits are known. Beyond, the trials give no limit on the better side, since more
    of them might be better than all so far, and the limit on the worse side is a thin line.

    Many bands hide one another. With more than three, only the candidate's band is shown at first; one name in the
    legend shows the others.

    Args:
        curves: The tuning curves, by label.
        metric: The study's objective.
        look: The style of each entry, by label.
        candidate: Label of the candidate; None without one.
    """
    bands: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    without: list[str] = []
    few = len(curves) <= _BANDS_AT_ONCE
    for label, curve in curves.items():
        n = curve.median.n.astype(np.float64)
        drawn = _band_and_limit(curve, metric, name=label, style=look[label])
        if not len(drawn[0]["x"]):
            without.append(label)
        if not few and label != candidate:
            first = not any(each["legendgroup"] == "bands" for each in bands)
            folded = {"visible": "legendonly", "legendgroup": "bands", "name": "other bands", "showlegend": False}
            drawn = [{**each, **folded} for each in drawn]
            drawn[-1] |= {"showlegend": first}  # a band may be empty, the limit is not
        bands += drawn
        hover = f"best of %{{x:.0f}} trials<br>{metric.spoken} %{{y:{metric.hover_format}}}"
        lines.append(line(n, _finite(curve.median.value), name=label, style=look[label], hover=hover))
    most = max(curve.median.n.size for curve in curves.values())
    if len(without) == len(curves):
        bands = [each | {"name": "other limits"} if each["name"] == "other bands" else each for each in bands]
    axis, beyond = _tuning_axis(lines, metric)
    framed = None if axis.get("type") == "log" else axis.get("range")
    limits = [each for each in bands if each["meta"]["name"] in without and _is_seen(each, framed)]
    end = most + 0.02 * most
    return Figure(
        name="tuning",
        title="Tuning curves",
        description=f"Median best validation {metric.spoken} of n random trials"
        f"{', with a 95 % band for all n at once' if len(without) < len(curves) else ''}.",
        traces=[*bands, *apart(_keyed(lines, bands, beyond, framed))],
        x={**count_axis("random trials", most=most), "range": [1 - 0.02 * most, end]},
        y=axis,
        extra=_beyond_notes(beyond, axis, metric, x=end),
        note=" ".join([*_without_band(without, len(curves), has_limit=bool(limits)), *_ties(lines, framed)]),
    )


def has_band(figure: Figure) -> bool:
    """Return whether a figure of curves has a band.

    Args:
        figure: The figure.
    """
    return any("fill" in trace and len(trace["x"]) for trace in figure.traces)


def _without_band(labels: Sequence[str], n_curves: int, *, has_limit: bool) -> list[str]:
    """Return a sentence on the curves without a band, since so few trials bound the true line on one side alone."""
    if not labels:
        return []
    who = "These searches have" if len(labels) == n_curves else f"{', '.join(labels)}:"
    return [f"{who} too few trials for a band{'; the dotted line is the worse limit' if has_limit else ''}."]


def _tuning_axis(
    lines: Sequence[Mapping[str, Any]], metric: ObjectiveMetric
) -> tuple[dict[str, Any], Mapping[str, float]]:
    """Return the axis on which the best results differ visibly, and the last values of lines outside of it."""
    drawn = np.concatenate([np.asarray(each["y"], dtype=np.float64) for each in lines])
    if is_better_as_log(drawn, metric):
        return _value_axis(metric) | log_axis(drawn, pad=0.05), {}
    framed, beyond = _framed(lines, metric, skipped=0.25)  # the first trials of a wide search are far away
    return _value_axis(metric) | {"range": framed}, beyond


def _ties(lines: Sequence[Mapping[str, Any]], framed: Sequence[float] | None) -> list[str]:
    """Return a sentence for each place at which several lines end, with the names of all of them."""
    if framed is None:
        return []
    ends: dict[tuple[float, str], list[str]] = {}
    for each in lines:
        x, y = float(each["x"][-1]), float(each["y"][-1])
        if framed[0] <= y <= framed[1]:
            ends.setdefault((x, f"{y:.9g}"), []).append(str(each["name"]))
    return [f"At the same place end {joined(names)}." for names in ends.values() if len(names) > 1]


def _band_and_limit(curve: BestOfTrials, metric: ObjectiveMetric, *, name: str, style: Style) -> list[dict[str, Any]]:
    """Return the band where both limits are known, and the limit on the worse side."""
    n, low, high = curve.median.n.astype(np.float64), curve.median.low, curve.median.high
    is_gain = metric.direction == "maximize"
    better, worse = (high, low) if is_gain else (low, high)
    nothing = metric.bounds[1] if is_gain else metric.bounds[0]
    known = np.isfinite(better) & (better != nothing)
    known &= known.sum() >= _LEAST_OF_BAND
    edge = line(n, _finite(worse), name=name, style=style, hover="", width=1.0)
    del edge["hovertemplate"]
    limit = {**edge, "mode": "lines", "showlegend": False, "hoverinfo": "skip"}
    limit["meta"] = {"name": name, "kind": "limit of the band"}
    limit["line"] = {"color": style.faint(0.9), "dash": "dot", "width": 1.6}
    return [band(n[known], low[known], high[known], name=name, style=style, opacity=0.14), limit]


def training_figure(
    curves: Mapping[str, TrainingQuartiles],
    metric: ObjectiveMetric,
    look: Mapping[str, Style],
    *,
    split: Literal["validation", "training"],
    over: Literal["steps", "examples", "seconds"],
) -> Figure | None:
    """Draw median and quartiles over the confirmation seeds; None without data, or if all trainings have one epoch.

    Over seconds, trainings of less than a second are not drawn: their differences are those of the machine.

    Args:
        curves: The training curves, by label.
        metric: The study's objective.
        look: The style of each entry, by label.
        split: The split to draw.
        over: The horizontal axis: `steps`, `examples` or `seconds`.
    """
    bands, lines, seen = [], [], []
    is_measurable = longest_seconds(curves) >= LEAST_SECONDS
    for label, curve in curves.items():
        x: Any = getattr(curve, over)
        quartiles = getattr(curve, split)
        if quartiles is None or not np.all(np.isfinite(x)) or (over == "seconds" and not is_measurable):
            continue
        low, median, high = quartiles
        seen += [median, high if metric.direction == "maximize" else low]
        bands.append(band(x, low, high, name=label, style=look[label]))
        hover = f"%{{x:.4g}} {over}<br>{metric.spoken} %{{y:{metric.hover_format}}}"
        lines.append(line(x, median, name=label, style=look[label], hover=hover))
    if max((len(each["x"]) for each in lines), default=0) < _LEAST_EPOCHS:
        return None
    axis, beyond = _training_axis(seen, lines, metric, split=split)
    framed = axis.get("range") if beyond else None
    return Figure(
        name=f"{split}-{over}",
        title=f"{split.capitalize()} over {over}",
        description=f"Median {split} {metric.spoken} over {over}, with quartiles over confirmation seeds.",
        traces=[*bands, *apart(_keyed(lines, bands, beyond, framed))],
        x={"title": {"seconds": "seconds of training", "examples": "training examples"}.get(over, over)},
        y=axis,
        height=400,
        extra=_beyond_notes(beyond, axis, metric, x=max(float(each["x"][-1]) for each in lines)),
        note=stretch_note(axis),
    )


def _training_axis(
    seen: Sequence[Any], lines: Sequence[Mapping[str, Any]], metric: ObjectiveMetric, *, split: str
) -> tuple[dict[str, Any], Mapping[str, float]]:
    """Return the axis on which starts and ends of trainings can be read, and the last values of lines outside."""
    axis = _value_axis(metric, split)
    drawn = np.concatenate([np.asarray(values, dtype=np.float64) for values in seen])
    if is_better_as_logit(drawn, metric):
        return axis | logit_axis(drawn, pad=0.05), {}
    if is_better_as_log(drawn, metric):
        return axis | log_axis(drawn, pad=0.05), {}
    framed, beyond = _framed(lines, metric, skipped=0.1)
    return axis | {"range": framed}, beyond


def target_figure(
    targets: Mapping[str, TimesToTarget],
    metric: ObjectiveMetric,
    look: Mapping[str, Style],
    *,
    over: Literal["steps", "seconds"],
) -> Figure | None:
    """Draw the share of the confirmations that have reached the target; None if none has, or all in under a second.

    Args:
        targets: The times to the target, by label.
        metric: The study's objective.
        look: The style of each entry, by label.
        over: The horizontal axis: `steps` or `seconds`.
    """
    times = {label: np.sort(getattr(found, over)) for label, found in targets.items()}
    finite = [values[np.isfinite(values)] for values in times.values()]
    last = max((float(values.max()) for values in finite if values.size), default=0.0)
    if not last or (over == "seconds" and last < LEAST_SECONDS):
        return None
    end = 1.05 * last
    traces = []
    for label, values in times.items():
        met, n_at = np.unique(values[np.isfinite(values)], return_counts=True)
        x = np.concatenate([[0.0], met, [end]])
        share = np.concatenate([[0.0], np.cumsum(n_at) / values.size])
        drawn = line(
            x, np.append(share, share[-1]), name=label, style=look[label], hover=f"%{{y:.0%}} by %{{x:.4g}} {over}"
        )
        traces.append({**drawn, "line": {**drawn["line"], "shape": "hv"}})
    return Figure(
        name=f"target-{over}",
        title=f"Time to target over {over}",
        description=f"Share of the confirmations that met {metric.text(metric.target or 0.0)}, over {over}.",
        traces=traces,
        x={"title": over if over == "steps" else "seconds of training", "range": [0, end]},
        y={"title": "seeds that met the target", "tickformat": ".0%", "range": [-0.03, 1.05]},
        height=400,
    )


def _value_axis(metric: ObjectiveMetric, split: str = "validation") -> dict[str, Any]:
    axis: dict[str, Any] = {"title": f"{split} {metric.spoken}"}
    return axis | {"tickformat": ".3~%"} if metric.is_share else axis


def _finite(values: Any) -> Any:
    return np.where(np.isfinite(values), values, np.nan)


def _framed(
    lines: Sequence[Mapping[str, Any]], metric: ObjectiveMetric, *, skipped: float
) -> tuple[list[float] | None, Mapping[str, float]]:
    """Return the range that shows the better lines, and the last value of each line wholly outside of it, by name.

    Args:
        lines: The lines.
        metric: The metric.
        skipped: Share of each line, from its start, that the range need not hold.
    """
    lasting = {str(each["name"]): np.asarray(each["y"])[int(skipped * len(each["y"])) :] for each in lines}
    found = frame(list(lasting.values()), metric)
    if found is None:
        return None, {}
    low, high = found
    # The frame reaches to the best value of all, so that a line can only leave it on the worse side.
    return found, {
        name: float(values[np.isfinite(values)][-1])
        for name, values in lasting.items()
        if np.any(np.isfinite(values)) and not np.any((values >= low) & (values <= high))
    }


def _is_seen(trace: Mapping[str, Any], framed: Sequence[float] | None) -> bool:
    """Return whether a part of a trace lies in the range of its axis; None: the range holds everything."""
    y = np.asarray(trace["y"], dtype=np.float64)
    low, high = (-np.inf, np.inf) if framed is None else framed
    return bool(np.any((y >= low) & (y <= high)))


def _keyed(
    lines: Sequence[Mapping[str, Any]],
    bands: Sequence[Mapping[str, Any]],
    beyond: Mapping[str, float],
    framed: Sequence[float] | None,
) -> list[Mapping[str, Any]]:
    """Return the lines, in the legend only if the line or its band is seen; notes at the edge name the others."""
    if not beyond:
        return list(lines)
    seen = {str(each.get("meta", {}).get("name", each["name"])) for each in [*lines, *bands] if _is_seen(each, framed)}
    return [{**each, "showlegend": each["name"] in seen} for each in lines]


def _beyond_notes(
    beyond: Mapping[str, float], axis: Mapping[str, Any], metric: ObjectiveMetric, *, x: float
) -> dict[str, Any] | None:
    """Return notes in the corner that rising lines leave free: each line outside of the frame with its last value."""
    if not beyond:
        return None
    is_below = metric.direction == "maximize"
    arrow = "▾" if is_below else "▴"
    told = [f"{name} {metric.text(value)} {arrow}" for name, value in list(beyond.items())[:_MOST_NOTED]]
    if len(beyond) > _MOST_NOTED:
        told.append(f"{len(beyond) - _MOST_NOTED} more {arrow}")
    low, high = axis["range"]
    steps = _NOTE_STEP * (high - low) * np.arange(len(told))
    places = low + steps[::-1] if is_below else high - steps
    notes = [note(text, x=x, y=float(y), right=True, above=is_below) for text, y in zip(told, places, strict=True)]
    return {"annotations": notes}
