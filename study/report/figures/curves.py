"""Figures over trials, steps and seconds: tuning curves, training curves, time to target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from study.report.curve_data import LEAST_SECONDS, BestOfTrials, TimesToTarget, TrainingQuartiles, longest_seconds
from study.report.figures.figure import Figure, apart, band, count_axis, line
from study.report.figures.scales import frame, is_better_as_log, is_better_as_logit, log_axis, logit_axis
from study.report.figures.style import Style
from study.report.marked_text import joined
from study.report.objective_metric import ObjectiveMetric

_BANDS_AT_ONCE = 3
_LEAST_OF_BAND = 3  # places; fewer make a sliver
_LEAST_EPOCHS = 2  # of a curve
_MOST_NOTED = 4  # lines outside of the frame that are named


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
    axis, beyond = _tuning_axis(lines, metric)
    framed = None if axis.get("type") == "log" else axis.get("range")
    return Figure(
        name="tuning",
        title="Tuning curves",
        description=f"Median best validation {metric.spoken} of n random trials, with a 95 % band for all n at once.",
        traces=[*bands, *apart(lines)],
        x={**count_axis("random trials", most=most), "range": [1 - 0.02 * most, most + 0.02 * most]},
        y=axis,
        note=" ".join(filter(None, [_without_band(without, len(curves)), beyond, *_ties(lines, framed)])),
    )


def _without_band(labels: Sequence[str], n_curves: int) -> str:
    """Return which curves have the worse limit alone, since so few trials bound the true line on one side."""
    if not labels:
        return ""
    who = "These searches have" if len(labels) == n_curves else f"{', '.join(labels)}:"
    return f"{who} too few trials for a band; the dotted line is the worse limit."


def _tuning_axis(lines: Sequence[Mapping[str, Any]], metric: ObjectiveMetric) -> tuple[dict[str, Any], str]:
    """Return the axis on which the best results differ visibly, and a sentence on lines outside of it."""
    drawn = np.concatenate([np.asarray(each["y"], dtype=np.float64) for each in lines])
    if is_better_as_log(drawn, metric):
        return _value_axis(metric) | log_axis(drawn, pad=0.05), ""
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
    return Figure(
        name=f"{split}-{over}",
        title=f"{split.capitalize()} over {over}",
        description=f"Median {split} {metric.spoken} over {over}, with quartiles over confirmation seeds.",
        traces=[*bands, *apart(lines)],
        x={"title": {"seconds": "seconds of training", "examples": "training examples"}.get(over, over)},
        y=axis,
        height=400,
        note=beyond,
    )


def _training_axis(
    seen: Sequence[Any], lines: Sequence[Mapping[str, Any]], metric: ObjectiveMetric, *, split: str
) -> tuple[dict[str, Any], str]:
    """Return the axis on which starts and ends of trainings can be read, and a sentence on lines outside of it."""
    axis = _value_axis(metric, split)
    drawn = np.concatenate([np.asarray(values, dtype=np.float64) for values in seen])
    if is_better_as_logit(drawn, metric):
        return axis | logit_axis(drawn, pad=0.05), ""
    if is_better_as_log(drawn, metric):
        return axis | log_axis(drawn, pad=0.05), ""
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
) -> tuple[list[float] | None, str]:
    """Return the range that shows the better lines, and a sentence that names those wholly outside of it.

    Args:
        lines: The lines.
        metric: The metric.
        skipped: Share of each line, from its start, that the range need not hold.
    """
    lasting = {str(each["name"]): np.asarray(each["y"])[int(skipped * len(each["y"])) :] for each in lines}
    found = frame(list(lasting.values()), metric)
    if found is None:
        return None, ""
    low, high = found
    # The frame reaches to the best value of all, so that a line can only leave it on the worse side.
    hidden = {
        name: values[np.isfinite(values)]
        for name, values in lasting.items()
        if np.any(np.isfinite(values)) and not np.any((values >= low) & (values <= high))
    }
    if not hidden:
        return found, ""
    told = [f"{name} ({metric.text(float(values[-1]))})" for name, values in list(hidden.items())[:_MOST_NOTED]]
    if len(hidden) > _MOST_NOTED:
        told.append(f"{len(hidden) - _MOST_NOTED} more")
    side = "Below" if metric.direction == "maximize" else "Above"
    return found, f"{side} the frame, with the last median: {joined(told)}."
