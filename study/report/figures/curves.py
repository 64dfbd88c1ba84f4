"""Figures over trials, steps and seconds: tuning curves, training curves, time to target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from study.report.curve_data import BestOfTrials, TimesToTarget, TrainingQuartiles
from study.report.figures.figure import Figure, band, line
from study.report.figures.style import Style
from study.report.objective_metric import ObjectiveMetric

_BANDS_AT_ONCE = 3


def tuning_figure(
    curves: Mapping[str, BestOfTrials], metric: ObjectiveMetric, look: Mapping[str, Style], *, candidate: str | None
) -> Figure:
    """Draw the tuning curves: the best of n random trials.

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
    few = len(curves) <= _BANDS_AT_ONCE
    for label, curve in curves.items():
        n = curve.median.n.astype(np.float64)
        drawn = band(n, curve.median.low, curve.median.high, name=label, style=look[label], opacity=0.12)
        if not few and label != candidate:
            first = not any(each["legendgroup"] == "bands" for each in bands)
            folded = {"visible": "legendonly", "legendgroup": "bands", "name": "other bands", "showlegend": first}
            drawn = {**drawn, **folded, "fillcolor": look[label].faint(0.07)}
        bands.append(drawn)
        hover = f"best of %{{x:.0f}} trials<br>{metric.spoken} %{{y:{metric.hover_format}}}"
        lines.append(line(n, _finite(curve.median.value), name=label, style=look[label], hover=hover))
    return Figure(
        name="tuning",
        title="Tuning curves",
        description=f"Median best validation {metric.spoken} of n random trials, with a 95 % band for all n at once.",
        traces=[*bands, *lines],
        x={"title": "random trials"},
        y={**_value_axis(metric), "range": _range_of_curves(curves, metric)},
    )


def training_figure(
    curves: Mapping[str, TrainingQuartiles],
    metric: ObjectiveMetric,
    look: Mapping[str, Style],
    *,
    split: Literal["validation", "training"],
    over: Literal["steps", "examples", "seconds"],
) -> Figure | None:
    """Draw median and quartiles over the confirmation seeds; None without data.

    Args:
        curves: The training curves, by label.
        metric: The study's objective.
        look: The style of each entry, by label.
        split: The split to draw.
        over: The horizontal axis: `steps`, `examples` or `seconds`.
    """
    bands, lines = [], []
    for label, curve in curves.items():
        x: Any = getattr(curve, over)
        quartiles = getattr(curve, split)
        if quartiles is None or not np.all(np.isfinite(x)):
            continue
        low, median, high = quartiles
        bands.append(band(x, low, high, name=label, style=look[label]))
        hover = f"%{{x:.4g}} {over}<br>{metric.spoken} %{{y:{metric.hover_format}}}"
        lines.append(line(x, median, name=label, style=look[label], hover=hover))
    if not lines:
        return None
    return Figure(
        name=f"{split}-{over}",
        title=f"{split.capitalize()} over {over}",
        description=f"Median {split} {metric.spoken} over {over}, with quartiles over confirmation seeds.",
        traces=[*bands, *lines],
        x={"title": {"seconds": "seconds of training", "examples": "training examples"}.get(over, over)},
        y={**_value_axis(metric, split), "range": _range_of_lines(lines, metric)},
        height=400,
    )


def target_figure(
    targets: Mapping[str, TimesToTarget],
    metric: ObjectiveMetric,
    look: Mapping[str, Style],
    *,
    over: Literal["steps", "seconds"],
) -> Figure | None:
    """Draw the share of the confirmations that have reached the target; None if none has.

    Args:
        targets: The times to the target, by label.
        metric: The study's objective.
        look: The style of each entry, by label.
        over: The horizontal axis: `steps` or `seconds`.
    """
    times = {label: np.sort(getattr(found, over)) for label, found in targets.items()}
    finite = [values[np.isfinite(values)] for values in times.values()]
    if not any(values.size for values in finite):
        return None
    end = 1.05 * max(values.max() for values in finite if values.size)
    traces = []
    for label, values in times.items():
        met = values[np.isfinite(values)]
        x = np.concatenate([[0.0], met, [end]])
        share = np.arange(met.size + 1) / values.size
        drawn = line(
            x, np.append(share, share[-1]), name=label, style=look[label], hover=f"%{{y:.0%}} by %{{x:.4g}} {over}"
        )
        traces.append({**drawn, "mode": "lines", "line": {**drawn["line"], "shape": "hv"}})
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
    return axis | {"tickformat": ".1~%"} if metric.is_share else axis


def _finite(values: Any) -> Any:
    return np.where(np.isfinite(values), values, np.nan)


def _range_of_curves(curves: Mapping[str, BestOfTrials], metric: ObjectiveMetric) -> list[float] | None:
    """Return a range that fits the ends of the curves; the first trials of a wide search are far away."""
    ends = np.concatenate([_finite(curve.median.value)[curve.median.n.size // 4 :] for curve in curves.values()])
    return _padded(ends, metric)


def _range_of_lines(lines: list[dict[str, Any]], metric: ObjectiveMetric) -> list[float] | None:
    """Return a range without the first tenth of each line."""
    lasting = np.concatenate([np.asarray(each["y"])[len(each["y"]) // 10 :] for each in lines])
    return _padded(lasting, metric)


def _padded(values: Any, metric: ObjectiveMetric) -> list[float] | None:
    known = values[np.isfinite(values)]
    if known.size == 0:
        return None
    # Values far behind the rest would compress the rest.
    behind, best = np.quantile(known, (0.05, 1.0) if metric.direction == "maximize" else (0.95, 0.0))
    pad = 0.06 * max(abs(float(best - behind)), 1e-3)
    low, high = sorted((float(behind), float(best)))
    return [low - pad, high + pad]
