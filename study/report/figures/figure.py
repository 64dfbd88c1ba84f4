"""A figure in Plotly's terms, for both renderers: Plotly on the page and Matplotlib for SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.report.figures.scales import in_logits
from study.report.figures.style import Style

Floats = NDArray[np.float64]
_MOST_POINTS = 200
_GAPS = ("dash", "dot", "dashdot")
MOST_MARKERS = 12  # on a line
_FEW_COUNTS = 10  # up to which a tick for each can be read


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure.

    Attributes:
        name: Id of the figure on the page, and name of its file without the suffix.
        title: Title of the figure.
        description: Text for readers who cannot see the figure.
        traces: Plotly's traces, of type `scatter` or `bar`.
        x: Plotly's x axis.
        y: Plotly's y axis. Its type may also be `logit`, with coordinates and range in shares.
        height: Height in pixels. Default 420.
        extra: More entries of Plotly's layout. None (the default): none.
        note: Sentences below the figure, on what its frame does not show and on how to read it. Default: none.
    """

    name: str
    title: str
    description: str
    traces: Sequence[Mapping[str, Any]]
    x: Mapping[str, Any]
    y: Mapping[str, Any]
    height: int = 420
    extra: Mapping[str, Any] | None = None
    note: str = ""

    def drawn(self) -> tuple[Sequence[Mapping[str, Any]], Mapping[str, Any]]:
        """Return the traces and the y axis in the terms of both renderers, which have no logit axis with ticks."""
        if self.y.get("type") != "logit":
            return self.traces, self.y
        return in_logits(self.traces, self.y)

    def spec(self) -> dict[str, Any]:
        """Return data and layout for Plotly; the page sets the colors of text and lines."""
        traces, y = self.drawn()
        layout = {
            "xaxis": _axis(self.x),
            "yaxis": _axis(y),
            "height": self.height,
            "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
            "hovermode": "closest",
            "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
            **(self.extra or {}),
        }
        return {"data": list(traces), "layout": layout}


def line(x: Floats, y: Floats, *, name: str, style: Style, hover: str, width: float = 2.0) -> dict[str, Any]:
    """Return a line as a trace of Plotly; a long one keeps at most 200 points, of which some have a marker.

    The markers distinguish lines in gray, and for readers to whom some colors are alike.

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
        "mode": "lines+markers",
        "name": name,
        "legendgroup": name,
        "x": x[some],
        "y": y[some],
        "line": {"color": style.color, "dash": style.dash, "width": width},
        "marker": {"color": style.color, "symbol": style.marker, "size": 7, "maxdisplayed": MOST_MARKERS},
        "hovertemplate": f"<b>{name}</b><br>{hover}<extra></extra>",
    }


def apart(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return lines of which none hides another: one that runs on an earlier one has gaps, through which that is seen.

    Args:
        lines: Traces of `line`.
    """
    found: list[dict[str, Any]] = []
    for each in lines:
        below = {str(other["line"]["dash"]) for other in found if _run_together(each, other)}
        dash = each["line"]["dash"]
        if below and (dash == "solid" or dash in below):
            dash = next((gaps for gaps in _GAPS if gaps not in below), dash)
        found.append({**each, "line": {**each["line"], "dash": dash}})
    return found


def _run_together(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two lines have two neighboring points in common."""
    n = min(len(one["x"]), len(other["x"]))
    same = np.isclose(one["x"][:n], other["x"][:n]) & np.isclose(one["y"][:n], other["y"][:n], rtol=1e-9)
    return bool(np.any(same[1:] & same[:-1]))


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
        "meta": {"name": name},  # of the line, also where the legend has another name
        "legendgroup": name,
        "showlegend": False,
        "x": np.concatenate([x[known], x[known][::-1]]),
        "y": np.concatenate([high[known], low[known][::-1]]),
        "fill": "toself",
        "fillcolor": style.faint(opacity),
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def interval(mean: float, low: float, high: float, *, y: float, style: Style, name: str, text: str) -> dict[str, Any]:
    """Return a marker with an interval as a trace of Plotly; without the interval if an end is not finite.

    Args:
        mean: Horizontal coordinate of the marker.
        low: Lower end.
        high: Upper end.
        y: The row.
        style: The style of the marker.
        name: The name of the entry.
        text: The text at the marker.
    """
    known = math.isfinite(low) and math.isfinite(high)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "showlegend": False,
        "x": [mean],
        "y": [y],
        "marker": {"color": style.color, "symbol": style.marker, "size": 10},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - mean if known else 0.0],
            "arrayminus": [mean - low if known else 0.0],
            "color": style.color,
            "thickness": 2,
            "width": 5,
        },
        "hovertemplate": f"<b>{name}</b><br>{text}<extra></extra>",
    }


def names_axis(labels: Sequence[str]) -> dict[str, Any]:
    """Return an axis of names, the first on top.

    Args:
        labels: The names.
    """
    places = list(range(len(labels)))
    return {
        "tickvals": places[::-1],
        "ticktext": list(labels),
        "range": [-0.6, len(labels) - 0.4],
        "showgrid": False,
        "fixedrange": True,
    }


def count_axis(title: str, *, most: float) -> dict[str, Any]:
    """Return an axis of counts, whose ticks are whole numbers also where there are few.

    Args:
        title: The title.
        most: The largest count that is drawn.
    """
    return {"title": title} | ({"tick0": 0, "dtick": 1} if most <= _FEW_COUNTS else {})


def note(
    text: str, *, x: float, y: float, right: bool = False, above: bool = True, middle: bool = False
) -> dict[str, Any]:
    """Return a note in a figure, as an annotation of Plotly.

    Args:
        text: The text.
        x: Horizontal coordinate of its end.
        y: Vertical coordinate.
        right: Whether the text ends there; default False: it begins there.
        above: Whether it stands above the coordinate; default True.
        middle: Whether it stands at the coordinate instead, as in a row of its own; default False.
    """
    return {
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "xanchor": "right" if right else "left",
        "yanchor": "middle" if middle else "bottom" if above else "top",
        "font": {"size": 11},
    }


def thinned(n: int) -> NDArray[np.int64]:
    """Return at most 200 of n indices, evenly spaced and with both ends."""
    return np.unique(np.linspace(0, n - 1, min(n, _MOST_POINTS)).round().astype(np.int64))


def _axis(given: Mapping[str, Any]) -> dict[str, Any]:
    title = given.get("title")
    shown = {"title": {"text": title, "standoff": 8}} if title else {}
    return {"automargin": True, "zeroline": False, "exponentformat": "power", **given, **shown}
