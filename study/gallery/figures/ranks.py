"""Rankings side by side: the score of every optimizer with its interval, under each setting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from study.core.names import shortened
from study.gallery.analysis.rankings import Ranking
from study.gallery.figures.drawing import SMALL_LETTERS, SOFT, legend, new_figure, tidy, to_svg
from study.report.objective_metric import ObjectiveMetric

_COLORS = ("#7d7d7d", "#0072b2", "#d55e00", "#009e73")
_LONGEST_NAME = 30
_MARKERS = ("o", "D", "s", "^")


def rankings_picture(rankings: Sequence[Ranking], metric: ObjectiveMetric, *, title: str = "") -> bytes:
    """Draw the mean test score of each optimizer under each setting with its interval, as SVG.

    Args:
        rankings: One for each setting. Rows are in the order of the last one, and each point has its place as a
            number.
        metric: The compared metric.
        title: The title. Default: the empty text, no title.
    """
    names = rankings[-1].names
    figure = new_figure(height=1.2 + 0.46 * len(names))
    axes = figure.add_subplot()
    scale = 100.0 if metric.is_share else 1.0
    offsets = np.linspace(-0.18, 0.18, len(rankings)) if len(rankings) > 1 else [0.0]
    for index, (each, offset) in enumerate(zip(rankings, offsets, strict=True)):
        color, marker = _COLORS[index % len(_COLORS)], _MARKERS[index % len(_MARKERS)]
        label: str | None = each.setting
        for row, name in enumerate(names):
            interval = each.intervals.get(name)
            if interval is None:
                continue
            at, y = scale * interval.estimate, row + float(offset)
            if np.isfinite(interval.low):
                axes.plot([scale * interval.low, scale * interval.high], [y, y], color=color, lw=2)
            axes.plot([at], [y], marker=marker, color=color, ls="", ms=5.5, label=label)
            axes.annotate(
                str(each.place(name)),
                (at, y),
                textcoords="offset points",
                xytext=(0, 4.5),
                ha="center",
                fontsize=SMALL_LETTERS,
                color=SOFT,
            )
            label = None  # one entry in the legend
    axes.set_yticks(range(len(names)), [shortened(name, longest=_LONGEST_NAME) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    tidy(axes, x=f"test {metric.spoken}" + (", %" if metric.is_share else ""), grid="x")
    legend(figure, axes, title=title)
    return to_svg(figure)
