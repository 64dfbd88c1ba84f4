"""Common parts of the gallery's pictures: size, letters, inks for a light and a dark page, legend, and SVG output."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.spines import Spine
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from study.core.names import shortened
from study.core.readable_output import shown

# Width in inches: that of the comparison page's SVG files, and of the text on a code host.
WIDTH = 7.2
_MARGIN = 0.09
LETTERS = 10.0
SMALL_LETTERS = 8.5
# Inks by their part in a picture. A dark page exchanges exactly these, so a picture uses them for nothing else.
SHEET, INK, SOFT, RULE, GROUND = "#ffffff", "#1b1f24", "#59626e", "#e3e7ec", "#b8bec6"
_ON_DARK = {SHEET: "#14171b", INK: "#e7eaee", SOFT: "#9ca6b2", RULE: "#2d333b", GROUND: "#4a525c"}
_FONT = 'system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif'
# Widths in a legend, in inches: a line with its margins, and a letter.
_HANDLE, _LETTER = 0.62, 0.078
# A legend of more rows than these makes its picture higher, by the height of each in inches.
_FEW_ROWS, _ROW = 3, 0.19
_LONGEST_NAME = 60
DASHES: dict[str, Any] = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3))}
_BLACK = "#000000"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Largest number of labels on a logarithmic axis.
_MOST_TICKS = 7
# A logarithmic axis is widened if its largest value is not this many times the smallest.
_NARROW = 1.1

_PATH, _NUMBER = re.compile(rb' d="([^"]*)"'), re.compile(rb"-?\d+\.\d+")
_FAMILY = re.compile(rb"font-family: [^;\"]*;? ?")
_POSITION = re.compile(rb' transform="rotate\(-0 [^"]*\)"')
_HEADER = re.compile(rb"^.*?(?=<svg )", re.DOTALL)
_METADATA = re.compile(rb"\s*<metadata>.*?</metadata>", re.DOTALL)
_STYLE = re.compile(rb'<style type="text/css">[^<]*</style>')


def new_figure(*, height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure on a sheet.

    Args:
        height: Height in inches.
        width: Width in inches. Default 7.2.
    """
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=SHEET)
    figure.get_layout_engine().set(w_pad=_MARGIN, h_pad=_MARGIN)  # type: ignore[union-attr,call-arg]
    return figure


def tidy(axes: Any, *, title: str = "", x: str = "", y: str = "", grid: str = "y") -> None:
    """Set title and labels of axes, draw the grid, and leave a line for the horizontal axis alone.

    Args:
        axes: Matplotlib's axes.
        title: The title, for one of several panels. Default: the empty text, no title.
        x: Label of the horizontal axis. Default: the empty text, no label.
        y: Label of the vertical axis. Default: the empty text, no label.
        grid: Lines across the vertical axis (`y`), the horizontal one (`x`) or `both`; the empty text: a frame on both
            axes instead. Default `y`.
    """
    axes.set_title(title, fontsize=LETTERS, loc="left", fontweight="bold", color=INK)
    axes.set_xlabel(x, fontsize=LETTERS, color=SOFT)
    axes.set_ylabel(y, fontsize=LETTERS, color=SOFT)
    axes.tick_params(labelsize=LETTERS - 1, colors=SOFT, which="both", length=0 if grid else 3)
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[:].set_color(SOFT)
    axes.spines["left"].set_visible(not grid)
    axes.spines["bottom"].set_visible(grid != "x")
    if grid:
        axes.grid(axis=grid, color=RULE, lw=0.8)
        axes.set_axisbelow(True)


def log_axis(axes: Any, which: str, low: float, high: float) -> None:
    """Make an axis logarithmic, with labels that are plain numbers, such as 0.2 and 0.5.

    Args:
        axes: Matplotlib's axes.
        which: `x` or `y`.
        low: The smallest value on the axis, more than 0.
        high: The largest value on the axis.
    """
    getattr(axes, f"set_{which}scale")("log")
    if high < _NARROW * low:
        low, high = low / _NARROW, high * _NARROW
        getattr(axes, f"set_{which}lim")(low, high)
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(log_ticks(low, high)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def log_ticks(low: float, high: float) -> list[float]:
    """Return the places of labels on a logarithmic axis, at most seven: powers of ten, or round numbers between.

    Args:
        low: The smallest value on the axis, more than 0.
        high: The largest value on the axis.
    """
    first, last = (int(f"{value:e}".partition("e")[2]) for value in (low, high))
    found: list[float] = []
    for factors in ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        found = [float(f"{m}e{n}") for n in range(first - 1, last + 2) for m in factors]
        found = [value for value in found if 0.999 * low <= value <= 1.001 * high]
        if len(found) <= _MOST_TICKS:
            break
    if len(found) < 2:
        return [float(value) for value in MaxNLocator(4).tick_values(low, high) if low <= value <= high]
    stride = -(-len(found) // _MOST_TICKS)
    return [value for value in found if stride == 1 or round(math.log10(value)) % stride == 0]


def plain_number(value: float) -> str:
    """Return a number as a label: in digits from 0.001 to 100000, otherwise as a power of ten.

    Args:
        value: The number.
    """
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    factor = float(mantissa)
    return power if factor == 1 else f"{factor:g}·{power}"


def legend(figure: Figure, axes: Any, *, title: str = "") -> None:
    """Put a title and the names of the lines above the figure, row by row, in as many columns as fit.

    Args:
        figure: Matplotlib's figure.
        axes: Matplotlib's axes, which have the lines.
        title: The picture's title. Default: the empty text, no title.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    labels = [shortened(label, longest=_LONGEST_NAME) for label in labels]
    longest = max(map(len, labels))
    columns = min(len(labels), max(1, int(figure.get_figwidth() / (_HANDLE + _LETTER * longest))))
    more = -(-len(labels) // columns) - _FEW_ROWS
    figure.set_figheight(figure.get_figheight() + _ROW * max(0, more))
    # Matplotlib fills a legend column by column; names are read row by row.
    order = [index for column in range(columns) for index in range(column, len(labels), columns)]
    made = figure.legend(
        [handles[index] for index in order],
        [labels[index] for index in order],
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=LETTERS - 0.5,
        labelcolor=INK,
        handlelength=1.7,
        columnspacing=1.6,
        title=title or None,
        title_fontproperties={"size": LETTERS + 1, "weight": "bold"},
        alignment="left",
    )
    made.get_title().set_color(INK)


def to_svg(figure: Figure, *, extra: Sequence[str] = ()) -> bytes:
    """Return a figure as SVG for a light and a dark page; the same figure gives the same bytes.

    A page's color scheme exchanges the inks, and the sheet with them, so that a picture is legible on any page.

    Args:
        figure: Matplotlib's figure.
        extra: Further rules of the picture's style sheet. Default: none.
    """
    _ink(figure)
    text = io.BytesIO()
    # Without a fixed salt, Matplotlib makes the ids inside the file random. Letters stay text: small, and searchable.
    with matplotlib.rc_context({"svg.hashsalt": "gallery", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's font draws it
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = _METADATA.sub(b"", _HEADER.sub(b"", shown(text.getvalue().decode()).encode()))
    svg = _POSITION.sub(b"", _FAMILY.sub(b"", svg))
    return _compact(_STYLE.sub(lambda _: _style_sheet(extra), svg, count=1))


def _ink(figure: Figure) -> None:
    """Give letters and lines that are plain black, Matplotlib's default, the ink that a dark page exchanges.

    No text is a formula, whatever signs it has.
    """
    for artist in figure.findobj(lambda each: isinstance(each, Text | Line2D | Spine | Collection)):
        if isinstance(artist, Text):
            artist.set_parse_math(False)
        if isinstance(artist, Text | Line2D):
            if to_hex(artist.get_color()) == _BLACK:
                artist.set_color(INK)
        elif isinstance(artist, Spine) and to_hex(artist.get_edgecolor()) == _BLACK:
            artist.set_edgecolor(INK)


def _style_sheet(extra: Sequence[str]) -> bytes:
    dark = "".join(
        f'[style*="{part}: {light}"]{{{part}:{dark}!important}}'
        for light, dark in _ON_DARK.items()
        for part in ("fill", "stroke")
    )
    rules = [
        "*{stroke-linejoin:round;stroke-linecap:butt}",
        f"text{{font-family:{_FONT}}}",
        *extra,
        f"@media (prefers-color-scheme:dark){{{dark}}}",
    ]
    return f"<style>{''.join(rules)}</style>".encode()


def _compact(svg: bytes) -> bytes:
    """Round the coordinates of all paths to 0.01 points, and leave out spaces: invisible, and half of a file."""
    return _PATH.sub(lambda path: b' d="%s"' % _short(path[1]), svg)


def _short(path: bytes) -> bytes:
    rounded = _NUMBER.sub(lambda found: (b"%.2f" % float(found[0])).rstrip(b"0").rstrip(b"."), path)
    return re.sub(rb"\s*([A-Za-z])\s*", rb"\1", rounded.strip())
