"""Figures as objects of Plotly, for notebooks."""

from __future__ import annotations

from typing import Any, TypeAlias

import plotly.graph_objects as go

from study.report.figures.figure import Figure

# Plotly's class, for annotations of modules that do not import Plotly.
PlotlyFigure: TypeAlias = go.Figure

_TEMPLATE = "plotly_white"
_FONT_SIZE = 13
_ROOM_FOR_TITLE, _ROOM_FOR_LEGEND = 96, 1.04  # pixels above the axes; height of the legend's lower edge, of the axes


def to_plotly(figure: Figure) -> PlotlyFigure:
    """Return a figure as a `plotly.graph_objects.Figure`, with its title.

    Args:
        figure: The figure.
    """
    spec = figure.spec()
    layout: dict[str, Any] = {
        **spec["layout"],
        "template": _TEMPLATE,
        "font": {"size": _FONT_SIZE},
        "title": {
            "text": figure.title,
            "x": 0,
            "xref": "paper",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 12},
            **({"subtitle": {"text": figure.note}} if figure.note else {}),
        },
        "margin": {**spec["layout"]["margin"], "t": _ROOM_FOR_TITLE},
        "height": figure.height + _ROOM_FOR_TITLE,  # the axes keep their height
        "legend": {**spec["layout"]["legend"], "y": _ROOM_FOR_LEGEND},
    }
    return go.Figure(data=spec["data"], layout=layout)
