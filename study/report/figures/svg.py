"""Figures as SVG files for papers and slides: Matplotlib draws the figures of the page."""

from __future__ import annotations

import contextlib
import io
import textwrap
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from matplotlib import rc_context, style
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MultipleLocator

from study.core.names import shortened
from study.core.readable_output import shown
from study.report.figures.figure import Figure

_DASHES: Mapping[str, Any] = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3))}
_MARKERS = {
    "circle": "o",
    "circle-open": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "x": "X",
    "x-thin": "x",
    "cross": "P",
    "star": "*",
    "pentagon": "p",
    "triangle-left": "<",
    "triangle-right": ">",
}
_PIXELS_PER_INCH = 100
_WIDTH = 7.2  # inches
_LEGEND_FONT = 8  # points
_LETTER, _HANDLE, _LEGEND_ROW = 0.075, 0.55, 0.2  # widths of a letter and of a mark, height of a row, in inches
_LONGEST_LABEL = 60  # bytes
_NOTE_LETTERS = 115  # in a line of a note


def to_svg(figure: Figure) -> str:
    """Return a figure as an SVG document."""
    # A matplotlibrc of the working directory changes no picture, and starts no TeX.
    with style.context("default"):
        return _drawn(figure)


def _drawn(figure: Figure) -> str:
    traces, y = figure.drawn()
    canvas = Canvas(figsize=(_WIDTH, figure.height / _PIXELS_PER_INCH), layout="constrained")
    axes = canvas.add_subplot()
    for trace in traces:
        if trace.get("visible") == "legendonly":
            continue
        (_bars if trace["type"] == "bar" else _scatter)(axes, trace)
    _axis(axes, figure.x, "x")
    _axis(axes, y, "y")
    for remark in (figure.extra or {}).get("annotations", ()):
        vertical = {"middle": "center"}.get(remark["yanchor"], remark["yanchor"])
        side = remark.get("xanchor", "center")
        axes.annotate(remark["text"], (remark["x"], remark["y"]), ha=side, va=vertical, fontsize=8)
    if figure.note:
        canvas.supxlabel(textwrap.fill(figure.note, _NOTE_LETTERS), fontsize=_LEGEND_FONT, x=0.01, ha="left")
    axes.spines[["top", "right"]].set_visible(False)
    _legend(canvas, axes)
    return shown(_written(canvas, figure.title))


def _written(canvas: Canvas, title: str) -> str:
    """Return the document, its letters as outlines; as text for the viewer's fonts if ours lacks one of them."""
    kinds: tuple[tuple[str, Literal["error", "ignore"]], ...] = (("path", "error"), ("none", "ignore"))
    for kind, action in kinds:
        text = io.StringIO()
        with warnings.catch_warnings(), rc_context({"svg.fonttype": kind}), contextlib.suppress(UserWarning):
            warnings.filterwarnings(action, message="Glyph .* missing from font", category=UserWarning)
            canvas.savefig(text, format="svg", metadata={"Date": None, "Title": title})
            break
    return text.getvalue()


def _legend(canvas: Canvas, axes: Any) -> None:
    """Draw the legend above the axes, in as many columns as fit, and make the picture higher by its rows."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    width = _HANDLE + _LETTER * max(map(len, labels))
    n_columns = max(1, min(len(labels), int(_WIDTH / width)))
    n_rows = -(-len(labels) // n_columns)
    canvas.set_figheight(canvas.get_figheight() + _LEGEND_ROW * n_rows)
    # Matplotlib fills column by column; the order is read row by row.
    read = [index for column in range(n_columns) for index in range(column, len(labels), n_columns)]
    canvas.legend(
        [handles[index] for index in read],
        [labels[index] for index in read],
        loc="outside upper left",
        ncols=n_columns,
        frameon=False,
        fontsize=_LEGEND_FONT,
        columnspacing=1,
    )


def _scatter(axes: Any, trace: Mapping[str, Any]) -> None:
    x, y = (np.asarray(trace[key], dtype=np.float64) for key in ("x", "y"))
    line, marker = trace.get("line", {}), trace.get("marker", {})
    label = _drawable(trace["name"]) if trace.get("showlegend", True) else None
    if "fill" in trace:
        axes.fill(x, y, color=_color(trace["fillcolor"]), linewidth=0)
        return
    with_line, with_marker = "lines" in trace["mode"], "markers" in trace["mode"]
    symbol = marker.get("symbol", "circle")
    color = _color(line["color"] if with_line else marker["color"])
    step = {"drawstyle": "steps-post"} if line.get("shape") == "hv" else {}
    most = marker.get("maxdisplayed")
    axes.plot(
        x,
        y,
        markevery=None if most is None else max(1, -(-x.size // most)),
        label=label,
        color=color,
        linestyle=_DASHES[line.get("dash", "solid")] if with_line else "none",
        linewidth=0.75 * line.get("width", 2.0),
        marker=_MARKERS[symbol] if with_marker else "none",
        markersize=0.75 * marker.get("size", 6),
        markerfacecolor="none" if symbol.endswith("open") else color,
        **step,
    )
    if error := trace.get("error_x"):
        widths = [error["arrayminus"], error["array"]]
        axes.errorbar(x, y, xerr=widths, color=color, linestyle="none", capsize=3, linewidth=1.5)


def _bars(axes: Any, trace: Mapping[str, Any]) -> None:
    marker = trace["marker"]
    axes.barh(
        trace["y"],
        trace["x"],
        height=0.7,
        left=trace.get("base"),
        color=marker["color"],
        hatch=marker.get("pattern", {}).get("shape"),
        edgecolor="white",
        label=_drawable(trace["name"]),
    )


def _axis(axes: Any, given: Mapping[str, Any], which: str) -> None:
    axis = getattr(axes, f"{which}axis")
    if given.get("type") == "log":
        getattr(axes, f"set_{which}scale")("log")
    if given.get("tickformat", "").endswith("%"):
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%"))
    if "tick0" in given:
        axis.set_major_locator(MultipleLocator(given["dtick"]))
    if "tickvals" in given:
        axis.set_ticks(given["tickvals"], [_drawable(text).replace("<br>", "\n") for text in given["ticktext"]])
    if given.get("range") is not None:
        ends = np.asarray(given["range"], dtype=np.float64)
        getattr(axes, f"set_{which}lim")(10.0**ends if given.get("type") == "log" else ends)
    if given.get("zeroline"):
        axes.axvline(0.0, color="0.4", linewidth=1.2)
    axis.set_visible(given.get("visible", True))
    getattr(axes, f"set_{which}label")(given.get("title", ""))
    if given.get("showgrid", True):
        axis.grid(True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def _drawable(name: str) -> str:
    """Return a name as a label; a long one is cut, since it would leave no room for the picture."""
    return shortened(name, longest=_LONGEST_LABEL)


def _color(text: str) -> Any:
    """Return a color in Matplotlib's form, which has no `rgba(...)`."""
    if not text.startswith("rgba("):
        return to_rgba(text)
    red, green, blue, opacity = (float(part) for part in text[5:-1].split(","))
    return (red / 255, green / 255, blue / 255, opacity)
