"""The numbers of a figure as a table, made from its traces alone: for readers who do not see or hover."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from study.report.figures.figure import Figure
from study.report.objective_metric import MINUS, SPACE

# Rows of one table; each takes about 60 bytes of the page.
_MOST_ROWS = 200
_PLACEHOLDER = re.compile(r"%\{(x|y|text|customdata)(?:\[(\d+)\])?(?::([^}]*))?\}")
_NUMBER = re.compile(r"[+\u2212-]?(\d|\.\d|inf\b)")
_TAG = re.compile(r"<[^>]*>")
_EXTRA = re.compile(r"<extra>.*?</extra>", re.DOTALL)
# The first column: names of the legend.
_NAME = "name"

Row = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class FigureTable:
    """The numbers of a figure.

    Attributes:
        columns: Headings.
        rows: Cells, one for each heading; intervals before single points.
        texts: Indices of the columns that hold words.
        n_points: Number of points that the figure has; more than there are rows where some are left out.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: frozenset[int]
    n_points: int


def figure_table(figure: Figure, *, most_rows: int = _MOST_ROWS) -> FigureTable | None:
    """Return the numbers of a figure; None if it has no points.

    Of a figure with more points than rows, each trace shows as many as the others, evenly spaced and with both ends.
    An area between two lines is a pair of columns beside the line in it. A trace's `meta` may have its `name`, where
    the legend has another one, and the `kind` of a line without a hover.

    Args:
        figure: The figure.
        most_rows: The number of rows at which points are left out, if there are fewer traces. Default 200.
    """
    bands = {_name(trace): trace for trace in figure.traces if "fill" in trace}
    drawn = [trace for trace in figure.traces if "fill" not in trace and _is_readable(trace, figure)]
    drawn.sort(key=lambda trace: _place_in_table(trace, figure))
    places = [_places(trace) for trace in drawn]
    rows: list[Row] = []
    for trace, found, share in zip(drawn, places, _shares([len(each) for each in places], most_rows), strict=True):
        chosen = np.unique(np.linspace(0, max(0, len(found) - 1), share).round().astype(np.int64))
        rows += [
            _row(trace, found[index], figure, bands.get(_name(trace)) if "hovertemplate" in trace else None)
            for index in chosen
        ]
    if not rows:
        return None
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if len({row[_NAME] for row in rows}) == 1 and len(columns) > 2:
        columns.remove(_NAME)
    cells = tuple(tuple(row.get(column, "") for column in columns) for row in rows)
    return FigureTable(
        columns=tuple(columns),
        rows=cells,
        texts=text_columns(cells),
        n_points=sum(map(len, places)),
    )


def text_columns(rows: Sequence[Sequence[str]]) -> frozenset[int]:
    """Return the indices of the columns that hold words; the others hold numbers.

    Args:
        rows: Cells of each row.
    """
    return frozenset(
        index
        for index, cells in enumerate(zip(*rows, strict=True))
        if any(cell and not _NUMBER.match(cell) for cell in cells)
    )


def _place_in_table(trace: Mapping[str, Any], figure: Figure) -> tuple[bool, float]:
    """Return a key that puts intervals first, and rows of a figure from top to bottom."""
    y = trace["y"]
    has_rows = "tickvals" in figure.y and len(y) > 0 and _is_number(y[0]) and not isinstance(y[0], str)
    return "error_x" not in trace, -float(y[0]) if has_rows else 0.0


def _is_readable(trace: Mapping[str, Any], figure: Figure) -> bool:
    """Return False for a line on an axis of named ticks that says nowhere what its places mean."""
    is_silent = "hovertemplate" not in trace
    return not (is_silent and any("tickvals" in axis for axis in (figure.x, figure.y)))


def _places(trace: Mapping[str, Any]) -> list[int]:
    """Return the indices of the points that are drawn."""
    finite = [_is_number(x) and _is_number(y) for x, y in zip(trace["x"], trace["y"], strict=True)]
    return [index for index, is_finite in enumerate(finite) if is_finite]


def _is_number(value: Any) -> bool:
    return isinstance(value, str) or (value is not None and math.isfinite(value))


def _shares(sizes: Sequence[int], most: int) -> list[int]:
    """Return the number of rows of each trace: the small ones whole, the others in equal shares, two at least."""
    shares = [0] * len(sizes)
    order = sorted(range(len(sizes)), key=lambda index: sizes[index])
    left = most
    for place, index in enumerate(order):
        shares[index] = min(sizes[index], max(2, left // (len(order) - place)))
        left -= shares[index]
    return shares


def _row(trace: Mapping[str, Any], index: int, figure: Figure, band: Mapping[str, Any] | None) -> Row:
    """Return the cells of one point: what its hover says, and the ends of its interval or band."""
    name = _name(trace)
    row = {_NAME: _without_tags(name), **_told(trace, index, figure, name)}
    if error := trace.get("error_x"):
        value, axis = float(trace["x"][index]), figure.x
        below, above = float(error["arrayminus"][index]), float(error["array"][index])
        if below or above:
            row |= {"from": _text(value - below, axis), "to": _text(value + above, axis)}
    if band is not None and (ends := _ends_of_band(band, trace["x"][index])):
        row |= {"from": _text(ends[0], figure.y), "to": _text(ends[1], figure.y)}
    return row


def _name(trace: Mapping[str, Any]) -> str:
    return str(trace.get("meta", {}).get("name") or trace.get("name", ""))


def _told(trace: Mapping[str, Any], index: int, figure: Figure, name: str) -> Row:
    """Return the cells of what the hover's template names, or of both coordinates if it names none."""
    template = _EXTRA.sub("", str(trace.get("hovertemplate", ""))).removeprefix(f"<b>{name}</b>")
    found = list(_PLACEHOLDER.finditer(template))
    row: Row = {}
    start = 0
    for match in found:
        kind, item, form = match.groups()
        before = re.split(r"<br>|,", template[start : match.start()])[-1]
        start = match.end()
        if kind in ("x", "y"):
            axis = figure.x if kind == "x" else figure.y
            row[_title(axis, kind)] = _text(trace[kind][index], axis, form)
        elif kind == "text":
            row["point"] = _plain(str(trace["text"][index]), name)
        else:
            value = trace["customdata"][index]
            words = _without_tags(before)
            row[words or "item"] = _text(value[int(item)] if item else value, {})
    kinds = {match[1] for match in found}
    if not kinds:
        words = re.split(r"[\d+\u2212-]", _plain(template, name))[0].strip(" ,;")
        if told := words or ("mean" if "error_x" in trace else str(trace.get("meta", {}).get("kind", ""))):
            row["point"] = told
        silent = [("x", figure.x), ("y", figure.y)] if "tickvals" not in figure.y else [("x", figure.x)]
        row |= {_title(axis, kind): _text(trace[kind][index], axis) for kind, axis in silent}
    elif trace["type"] == "bar" and "x" not in kinds:
        row[_title(figure.x, "x")] = _text(trace["x"][index], figure.x)
    return row


def _ends_of_band(band: Mapping[str, Any], x: float) -> tuple[float, float] | None:
    """Return the lower and the upper end of an area at a point of its line; None where it has none."""
    n = len(band["x"]) // 2
    at = np.flatnonzero(np.asarray(band["x"][:n]) == x)
    if not at.size:
        return None
    ends = float(band["y"][at[0]]), float(band["y"][2 * n - 1 - at[0]])
    return min(ends), max(ends)


def _title(axis: Mapping[str, Any], kind: str) -> str:
    return str(axis.get("title") or kind)


def _text(value: Any, axis: Mapping[str, Any], form: str | None = None) -> str:
    """Return a value in the form of its hover, or of its axis."""
    if not isinstance(value, float | int | np.number):
        return _without_tags(str(value))
    ticks = dict(zip(axis.get("tickvals", ()), axis.get("ticktext", ()), strict=True))
    if value in ticks and not form:
        return _without_tags(str(ticks[value]))
    is_share = str(form or axis.get("tickformat", "")).endswith("%")
    if is_share:
        text = f"{100 * float(value):.2f}{SPACE}%"
    else:
        text = str(value) if isinstance(value, int | np.integer) else _formatted(float(value), form or ".4g")
    return text.replace("-", MINUS) if text.startswith("-") else text


def _formatted(value: float, form: str) -> str:
    try:
        return format(value, form)
    except ValueError:  # a form that only JavaScript knows
        return f"{value:.4g}"


def _plain(text: str, name: str) -> str:
    """Return a hover's text in one line, without the name that stands beside it."""
    told = _without_tags(text.replace("<br>", "; ")).removeprefix(_without_tags(name))
    return told.strip(" ,;")


def _without_tags(text: str) -> str:
    return _TAG.sub("", text).strip()
