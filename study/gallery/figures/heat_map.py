"""A heat map with the value of each cell written into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from study.core.names import shortened
from study.gallery.figures.drawing import INK, LETTERS, SMALL_LETTERS, SOFT, WIDTH, new_figure, tidy, to_svg

Floats = NDArray[np.float64]
# Sizes in inches: a cell, the names of the rows, a letter, and the color bar.
_CELL_HEIGHT, _CELL_WIDTH, _LEFT, _LETTER, _BAR = 0.36, 1.06, 1.2, 0.075, 0.9
_LONGEST_NAME = 30
_COLOR_MAP = colormaps["viridis"]
# Colors that a dark page does not exchange: they lie on the cells' own.
_BAD, _PALE, _DARK = "#d9d9d9", "#fafafa", "#101214"
# Share of the color map's range from which on it is light enough for black letters.
_LIGHT_FROM = 0.6
# Colors of the bar.
_STEPS = 32


def heat_map(
    values: ArrayLike,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    label: str,
    title: str = "",
    spread: ArrayLike | None = None,
    lower_is_better: bool = True,
    number: str = "{:.3g}",
) -> bytes:
    """Draw a heat map as SVG, with a color bar at the right.

    A frame marks the best cell, the darkest. A gray cell says why it has no finite value.

    Args:
        values: One for each cell, shape (n_rows, n_columns); infinite if it diverged, NaN if it was not run.
        rows: Names of the rows.
        columns: Names of the columns.
        label: Quantity that the cells show.
        title: The title. Default: the empty text, the label.
        spread: Spreads written beside the values, shape (n_rows, n_columns). None (the default): no spreads.
        lower_is_better: Small values are the best; otherwise large ones are. Default True.
        number: Format of a value. Default `{:.3g}`, three significant digits.
    """
    cells = np.asarray(values, dtype=np.float64)
    beside = None if spread is None else np.asarray(spread, dtype=np.float64)
    width, longest, fits = _measured(columns)
    figure = new_figure(height=1.1 + _CELL_HEIGHT * len(rows) + (0 if fits else longest / 2), width=width)
    axes = figure.add_subplot()
    finite = np.where(np.isfinite(cells), cells, np.nan)
    low, high = _limits(cells)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for (row, column), value in np.ndenumerate(cells):
        share = float(np.clip((value - low) / (high - low), 0, 1)) if np.isfinite(value) else np.nan
        text = number.format(value) if np.isfinite(value) else "not run" if np.isnan(value) else "diverged"
        if beside is not None and np.isfinite(value) and np.isfinite(beside[row, column]):
            text += f" ± {number.format(beside[row, column])}"
        _draw_cell(axes, (row, column), text, depth=share if lower_is_better else 1 - share)
    if np.any(np.isfinite(cells)):
        best = np.unravel_index(np.nanargmin(finite) if lower_is_better else np.nanargmax(finite), cells.shape)
        axes.add_patch(_frame(int(best[0]), int(best[1])))
        _color_bar(axes, finite, (low, high), label, lower_is_better=lower_is_better)
    slant: dict[str, Any] = {} if fits else {"rotation": 25, "ha": "left"}
    axes.set_xticks(range(len(columns)), [shortened(name, longest=_LONGEST_NAME) for name in columns], **slant)
    axes.set_yticks(range(len(rows)), [shortened(name, longest=_LONGEST_NAME) for name in rows])
    axes.xaxis.tick_top()
    tidy(axes, grid="")
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    figure.suptitle(title or label, x=0.01, ha="left", fontsize=LETTERS + 1, fontweight="bold", color=INK)
    return to_svg(figure)


def _measured(columns: Sequence[str]) -> tuple[float, float, bool]:
    """Return the width of the map and that of the longest name in inches, and whether names fit above their cells."""
    width = max(WIDTH, _LEFT + _CELL_WIDTH * len(columns) + _BAR)
    longest = min(_LONGEST_NAME, max(map(len, columns), default=0)) * _LETTER
    return width, longest, longest <= (width - _LEFT - _BAR) / max(len(columns), 1)


def _draw_cell(axes: Axes, place: tuple[int, int], text: str, *, depth: float) -> None:
    """Draw a cell with its text; the depth is 0 for the darkest color and 1 for the lightest, NaN for gray."""
    row, column = place
    fill = _COLOR_MAP(depth) if np.isfinite(depth) else _BAD
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=fill, linewidth=0))
    letters = _PALE if np.isfinite(depth) and depth < _LIGHT_FROM else _DARK
    axes.text(column, row, text, ha="center", va="center", fontsize=SMALL_LETTERS, color=letters)


def _color_bar(axes: Axes, finite: Floats, limits: tuple[float, float], label: str, *, lower_is_better: bool) -> None:
    """Draw the colors beside the cells; an end has a point if cells beyond it have its color."""
    low, high = limits
    colors = (_COLOR_MAP if lower_is_better else _COLOR_MAP.reversed()).resampled(_STEPS)
    beyond = bool(np.nanmin(finite) < low), bool(np.nanmax(finite) > high)
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[beyond]
    mappable = ScalarMappable(norm=Normalize(low, high), cmap=colors)
    bar = axes.figure.colorbar(mappable, ax=axes, extend=extend, aspect=18, pad=0.02, label=label)
    bar.outline.set_visible(False)
    bar.ax.yaxis.label.set(color=SOFT, fontsize=SMALL_LETTERS)
    bar.ax.tick_params(labelsize=SMALL_LETTERS, labelcolor=SOFT, color=SOFT)


def _limits(cells: Floats) -> tuple[float, float]:
    """Return the limits of the color scale; a few extreme values must not make all other values look the same."""
    finite = cells[np.isfinite(cells)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    quarter, half, most = np.quantile(finite, (0.25, 0.5, 0.75))
    reach = 3 * max(float(most - quarter), 1e-12)
    low, high = max(low, float(half) - reach), min(high, float(half) + reach)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _frame(row: int, column: int) -> Rectangle:
    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#d55e00", linewidth=2.5, zorder=3)
