"""A figure in Plotly's terms, for both renderers: Plotly on the page and Matplotlib for SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.report.figures.style import Style

Floats = NDArray[np.float64]
_MOST_POINTS = 200


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure.

    Attributes:
        name: Id of the figure on the page, and name of its file without the suffix.
        title: Title of the figure.
        description: Text for readers who cannot see the figure.
        traces: Plotly's traces, of type `scatter` or `bar`.
        x: Plotly's x axis.
        y: Plotly's y axis.
        height: Height in pixels. Default 420.
        extra: More entries of Plotly's layout. None (the default): none.
    """

    name: str
    title: str
    description: str
    traces: Sequence[Mapping[str, Any]]
    x: Mapping[str, Any]
    y: Mapping[str, Any]
    height: int = 420
    extra: Mapping[str, Any] | None = None

    def spec(self) -> dict[str, Any]:
        """Return data and layout for Plotly; the page sets the colors of text and lines."""
        layout = {
            "xaxis": _axis(self.x),
            "yaxis": _axis(self.y),
            "height": self.height,
            "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
            "hovermode": "closest",
            "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
            **(self.extra or {}),
        }
        return {"data": list(self.traces), "layout": layout}


def line(x: Floats, y: Floats, *, name: str, style: Style, hover: str, width: float = 2.0) -> dict[str, Any]:
    """Return a line as a trace of Plotly; a long one keeps at most 200 points.

    Args:
        x: Horizontal coordinates, shape (n,).
        y: Vertical coordinates, shape (n,).
        name: The name in the legend.
        style: The style of the line.
        hover: The text at a point, in Plotly's format.
        width: Width of the line in pixels. Default 2.
    """
    some = thinned(len(x))
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(x) <= 12 else "lines",
        "name": name,
        "legendgroup": name,
        "x": x[some],
        "y": y[some],
        "line": {"color": style.color, "dash": style.dash, "width": width},
        "marker": {"color": style.color, "symbol": style.marker, "size": 6},
        "hovertemplate": f"<b>{name}</b><br>{hover}<extra></extra>",
    }


def band(x: Floats, low: Floats, high: Floats, *, name: str, style: Style, opacity: float = 0.12) -> dict[str, Any]:
    """Return the area between two lines as a trace of Plotly; the legend hides it with the line of the same name.

    Args:
        x: Horizontal coordinates, shape (n,).
        low: Lower ends, shape (n,).
        high: Upper ends, shape (n,).
        name: The name in the legend.
        style: The style of the line.
        opacity: Opacity of the area, from 0 to 1. Default 0.12.
    """
    some = thinned(len(x))
    x, low, high = x[some], low[some], high[some]
    known = np.isfinite(low) & np.isfinite(high)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "meta": name,  # of the line, also where the legend has another name
        "legendgroup": name,
        "showlegend": False,
        "x": np.concatenate([x[known], x[known][::-1]]),
        "y": np.concatenate([high[known], low[known][::-1]]),
        "fill": "toself",
        "fillcolor": style.faint(opacity),
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def thinned(n: int) -> NDArray[np.int64]:
    """Return at most 200 of n indices, evenly spaced and with both ends."""
    return np.unique(np.linspace(0, n - 1, min(n, _MOST_POINTS)).round().astype(np.int64))


def _axis(given: Mapping[str, Any]) -> dict[str, Any]:
    title = given.get("title")
    shown = {"title": {"text": title, "standoff": 8}} if title else {}
    return {"automargin": True, "zeroline": False, **given, **shown}
