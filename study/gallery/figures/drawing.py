"""Common parts of the gallery's drawn pictures: size, letters, legend, and SVG output."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
from matplotlib.figure import Figure

# Width in inches. A telephone shrinks a picture to its screen; the letters of a wider one would be too small.
WIDTH = 5.8
_LETTERS = 9.5
# Widths in a legend, in inches: a line with its margins, and a letter.
_HANDLE, _LETTER = 0.55, 0.08
_PATH, _COORDINATE = re.compile(rb' d="[^"]*"'), re.compile(rb"-?\d+\.\d{3,}")
DASHES: dict[str, Any] = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3))}


def new_figure(*, height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure on white.

    Args:
        height: Height in inches.
        width: Width in inches. Default 5.8.
    """
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def tidy(axes: Any, *, title: str = "", x: str = "", y: str = "") -> None:
    """Set title and labels of axes, and hide the top and right lines.

    Args:
        axes: Matplotlib's axes.
        title: The title. Default: the empty text, no title.
        x: Label of the horizontal axis. Default: the empty text, no label.
        y: Label of the vertical axis. Default: the empty text, no label.
    """
    axes.set_title(title, fontsize=_LETTERS + 1, loc="left", fontweight="bold")
    axes.set_xlabel(x, fontsize=_LETTERS)
    axes.set_ylabel(y, fontsize=_LETTERS)
    axes.tick_params(labelsize=_LETTERS - 1)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: Figure, axes: Any) -> None:
    """Put the names of the lines above the figure, in as many columns as fit.

    Args:
        figure: Matplotlib's figure.
        axes: Matplotlib's axes, which have the lines.
    """
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        longest = max(map(len, labels))
        columns = max(1, int(figure.get_figwidth() / (_HANDLE + _LETTER * longest)))
        figure.legend(handles, labels, loc="outside upper left", ncols=columns, frameon=False, fontsize=_LETTERS - 1)


def to_svg(figure: Figure) -> bytes:
    """Return a figure as SVG; the same figure gives the same bytes."""
    text = io.BytesIO()
    # Without a fixed salt, Matplotlib makes the ids inside the file random.
    with matplotlib.rc_context({"svg.hashsalt": "gallery", "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return _rounded(text.getvalue())


def _rounded(svg: bytes) -> bytes:
    """Round the coordinates of all paths to 0.01 points, which saves a sixth of a file and is invisible."""
    return _PATH.sub(lambda path: _COORDINATE.sub(lambda found: b"%.2f" % float(found[0]), path[0]), svg)
