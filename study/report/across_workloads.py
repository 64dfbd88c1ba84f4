"""Comparison across workloads: ranks with Nemenyi's critical difference, and performance profiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.report.comparison import Comparison
from study.report.entry_labels import entry_labels
from study.report.figures.figure import Figure
from study.report.figures.style import Style, styles
from study.report.objective_metric import ObjectiveMetric
from study.statistics.performance_profile import performance_profile, performance_score
from study.statistics.ranks import (
    Friedman,
    average_ranks,
    friedman_test,
    nemenyi_critical_difference,
    workloads_needed,
)

Floats = NDArray[np.float64]
_ENOUGH = 3
TAU_MAX = 4.0


@dataclass(frozen=True, kw_only=True)
class AcrossWorkloads:
    """Several experiments side by side; blocks are workloads, never seeds.

    Attributes:
        experiments: The experiments.
        metrics: The metric of each experiment.
        labels: The entries that all experiments have, the best average rank first.
        optimizers: The optimizer's YAML name of each entry.
        missing: Entries left out because some experiment lacks them.
        scores: Mean test results, larger is better, shape (n_experiments, n_labels).
        ranks: Average ranks, shape (n_labels,).
        friedman: Test that all optimizers rank alike; None with fewer than three workloads.
        critical_difference: Least significant difference of ranks; None with fewer than three workloads.
        taus: Factors of the performance profile, shape (n_taus,); empty where no target is met.
        profile: Share of the workloads within tau times the fastest, shape (n_taus, n_labels).
        profile_scores: Integral of the profile, shape (n_labels,).
    """

    experiments: tuple[str, ...]
    metrics: tuple[ObjectiveMetric, ...]
    labels: tuple[str, ...]
    optimizers: tuple[str, ...]
    missing: tuple[str, ...]
    scores: Floats
    ranks: Floats
    friedman: Friedman | None
    critical_difference: float | None
    taus: Floats
    profile: Floats
    profile_scores: Floats


def across(comparisons: Sequence[Comparison]) -> AcrossWorkloads | None:
    """Return the comparison across experiments; None unless two or more share two entries with test results."""
    tables = [_means(comparison) for comparison in comparisons]
    everywhere = sorted(set.intersection(*(set(table) for table in tables)))
    if len(comparisons) < 2 or len(everywhere) < 2:
        return None
    scores = np.array([[table[name] for name in everywhere] for table in tables])
    ranks = average_ranks(scores, direction="maximize")
    order = np.argsort(ranks, kind="stable")
    names = tuple(everywhere[i] for i in order)
    enough = len(comparisons) >= _ENOUGH
    of = {row.name: row.optimizer for comparison in comparisons for row in comparison.rows}
    optimizers = [of[name] for name in names]
    times = np.array([[_steps(comparison, name) for name in names] for comparison in comparisons])
    taus = np.linspace(1.0, TAU_MAX, 121) if np.any(np.isfinite(times)) else np.empty(0)
    return AcrossWorkloads(
        experiments=tuple(comparison.experiment.name for comparison in comparisons),
        metrics=tuple(comparison.experiment.metric for comparison in comparisons),
        labels=entry_labels(names, optimizers=optimizers),
        optimizers=tuple(optimizers),
        missing=tuple(sorted(set().union(*tables) - set(everywhere))),
        scores=scores[:, order],
        ranks=ranks[order],
        friedman=friedman_test(scores) if enough else None,
        critical_difference=nemenyi_critical_difference(len(names), len(comparisons)) if enough else None,
        taus=taus,
        profile=performance_profile(times, taus=taus) if taus.size else np.empty((0, len(names))),
        profile_scores=performance_score(times, tau_max=TAU_MAX) if taus.size else np.empty(0),
    )


def workloads_figures(found: AcrossWorkloads) -> dict[str, Figure]:
    """Return the figures by name."""
    look = dict(zip(found.labels, styles(list(found.optimizers)), strict=True))
    drawn = [_ranks_figure(found, look), *([_profile_figure(found, look)] if found.taus.size else [])]
    return {figure.name: figure for figure in drawn}


def sentence(found: AcrossWorkloads) -> str:
    """State the result over all workloads, and its limits where they are few."""
    n, n_labels = len(found.experiments), len(found.labels)
    first = [label for label, rank in zip(found.labels, found.ranks, strict=True) if rank == found.ranks[0]]
    have = "has" if len(first) == 1 else "have"
    said = (
        f"{' and '.join(first)} {have} the best average rank of {n_labels} optimizers over {n} workloads, "
        f"{found.ranks[0]:.2f}"
    )
    if found.friedman is None or found.critical_difference is None:
        too_few = f"{said}; {n} workloads are too few for a test of ranks, which needs at least three."
        return f"{too_few}{_needed(found, at_least=_ENOUGH)}"
    behind = [
        label
        for label, rank in zip(found.labels[1:], found.ranks[1:], strict=True)
        if rank - found.ranks[0] >= found.critical_difference
    ]
    if not behind or not found.friedman.p <= 0.05:
        told = "no optimizer differs significantly from the best"
    elif len(behind) == n_labels - 1:
        told = "it ranks significantly before every other"
    else:
        told = f"it ranks significantly before {', '.join(behind)}, with no significant difference from the others"
    few = (
        f" {n} workloads give little evidence: significance needs a difference of {found.critical_difference:.2f} "
        f"ranks, and the largest possible is {n_labels - 1}."
    )
    p = "< 0.001" if found.friedman.p < 0.001 else f"= {found.friedman.p:.3f}"
    p = "" if math.isnan(found.friedman.p) else f" (Friedman p {p})"
    needed = _needed(found, at_least=n + 1) if len(behind) < n_labels - 1 else ""
    return f"{said}; {told}{p}.{few if n < 10 else ''}{needed}"


def _needed(found: AcrossWorkloads, *, at_least: int) -> str:
    """Say how many workloads the best rank needs, if the average ranks stay as they are; empty if it is shared."""
    difference = float(found.ranks[1] - found.ranks[0])
    if difference <= 0:
        return ""
    n = max(at_least, workloads_needed(difference, len(found.labels)))
    first, second = found.labels[:2]
    return (
        f" If the average ranks stay as they are, {first} ranks significantly before {second} from {n} workloads on."
    )


def _means(comparison: Comparison) -> dict[str, float]:
    """Return mean test results by name, since a label depends on the other entries; larger is better."""
    sign = comparison.experiment.metric.sign
    return {row.name: sign * row.mean for row in comparison.rows if row.mean is not None}


def _steps(comparison: Comparison, name: str) -> float:
    found = comparison.targets.get(next((row.label for row in comparison.rows if row.name == name), ""))
    return math.inf if found is None else found.median_steps


def _ranks_figure(found: AcrossWorkloads, look: Mapping[str, Style]) -> Figure:
    n = len(found.labels)
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": label,
            "showlegend": False,
            "x": [found.ranks[index]],
            "y": [n - 1 - index],
            "marker": {"color": look[label].color, "symbol": look[label].marker, "size": 11},
            "hovertemplate": f"<b>{label}</b><br>average rank %{{x:.2f}}<extra></extra>",
        }
        for index, label in enumerate(found.labels)
    ]
    if found.critical_difference is not None:
        traces.append(_critical_difference_trace(found.ranks[0], found.critical_difference, y=n - 0.55))
    return Figure(
        name="ranks",
        title="Average ranks",
        description="Average rank of each optimizer over the workloads, with the critical difference from the best.",
        traces=traces,
        x={"title": "average rank (1 is the best)"},
        y={
            "tickvals": list(range(n))[::-1],
            "ticktext": list(found.labels),
            "range": [-0.6, n - 0.2],
            "showgrid": False,
            "fixedrange": True,
        },
        height=130 + 30 * n,
    )


def _critical_difference_trace(best: float, difference: float, *, y: float) -> dict[str, Any]:
    """Return a bar from the best rank, as long as the critical difference."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "not significantly different from the best",
        "x": [best, best + difference],
        "y": [y, y],
        "line": {"color": "#7d7d7d", "width": 4},
        "hovertemplate": f"critical difference {difference:.2f}<extra></extra>",
    }


def _profile_figure(found: AcrossWorkloads, look: Mapping[str, Style]) -> Figure:
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": label,
            "x": found.taus,
            "y": found.profile[:, index],
            "line": {"color": look[label].color, "dash": look[label].dash, "width": 2, "shape": "hv"},
            "hovertemplate": f"<b>{label}</b><br>%{{y:.0%}} within %{{x:.2f}} times the fastest<extra></extra>",
        }
        for index, label in enumerate(found.labels)
    ]
    return Figure(
        name="profile",
        title="Performance profile",
        description="Share of the workloads on which the target is met within a factor of the fewest steps.",
        traces=traces,
        x={"title": "factor of the fewest steps"},
        y={"title": "workloads", "tickformat": ".0%", "range": [-0.03, 1.05]},
    )
