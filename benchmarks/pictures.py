"""SVG pictures of the measurements; the same numbers give the same files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

_OURS, _OTHERS = "#1f6fb4", "#9a9a9a"


def draw_throughput(workloads: Mapping[str, Any], path: Path) -> None:
    """Draw the trials a minute of each contender as a point, in a panel for each workload's largest study."""
    figure = Figure(figsize=(8, 0.7 + 2.6 * len(workloads)), layout="constrained")
    panels = figure.subplots(len(workloads), 1, squeeze=False)[:, 0]
    for axes, (name, found) in zip(panels, sorted(workloads.items()), strict=True):
        n = max(found["studies"], key=int)
        rows = sorted(found["studies"][n].items(), key=lambda item: -item[1]["seconds"])
        labels, values = [label for label, _ in rows], [60 * int(n) / row["seconds"] for _, row in rows]
        ours = [_OURS if label.startswith(("vectorized", "fit-")) else _OTHERS for label in labels]
        axes.scatter(
            values, labels, c=ours, s=60, zorder=2
        )  # points, since bars have no natural start on a logarithmic axis
        for label, value in zip(labels, values, strict=True):
            told = f"{value:.3g}" if value < 100 else f"{value:,.0f}"
            axes.annotate(told, (value, label), (8, -3.5), textcoords="offset points")
        axes.set(xscale="log", title=f"{name}, {n} trials", xlabel="trials a minute, whole study (log scale)")
        axes.set_xlim(10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(1.2 * max(values))))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(y=0.15)
        axes.grid(axis="x", alpha=0.3)
    _save(figure, path)


def draw_capacity(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw the cost of a trial against the number trained at once."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for key, label in (
        ("whole_ms", "whole process"),
        ("study_ms", "from the first step on"),
        ("program_ms", "program"),
    ):
        axes.plot([row["capacity"] for row in rows], [row[key] for row in rows], marker="o", label=label)
    axes.set(xlabel="trials at once", ylabel="ms a trial", yscale="log")
    axes.set_xscale("log", base=2)
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def draw_store(samplers: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Draw the cost of a trial, and the memory, against the number of trials in the store."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    parts = (("alone_ms", "one by one, ms a trial"), ("batch_ms", "in a batch, ms a trial"), ("mib", "memory, MiB"))
    for axes, (key, title) in zip(panels, parts, strict=True):
        for sampler, rows in samplers.items():
            known = [row for row in rows if key in row]
            axes.plot([row["n_trials"] for row in known], [row[key] for row in known], marker="o", label=sampler)
        axes.set(title=title, xlabel="trials in the store", xscale="log")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    panels[0].legend()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None})
