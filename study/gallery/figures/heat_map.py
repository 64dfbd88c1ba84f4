"""A heat map with the value of each cell written into it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from study.gallery.figures.drawing import WIDTH, new_figure, tidy, to_svg

_CELL_HEIGHT = 0.34
_BAD = "#d9d9d9"
# Share of the color map's range from which on it is light enough for black letters.
_LIGHT_FROM = 0.6


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
    """Draw a heat map as SVG. A frame marks the best cell; a gray cell says why it has no finite value.

    Args:
        values: One for each cell, shape (n_rows, n_columns); infinite if it diverged, NaN if it was not run.
        rows: Names of the rows.
        columns: Names of the columns.
        label: Quantity that the colors show.
        title: The title. Default: the empty text, no title.
        spread: Spreads written beside the values, shape (n_rows, n_columns). None (the default): no spreads.
        lower_is_better: Small values are the best and dark; otherwise large ones are. Default True.
        number: Format of a value. Default `{:.3g}`, three significant digits.
    """
    cells = np.asarray(values, dtype=np.float64)
    beside = None if spread is None else np.asarray(spread, dtype=np.float64)
    figure = new_figure(height=1.4 + _CELL_HEIGHT * len(rows), width=max(WIDTH, 1.2 + 0.85 * len(columns)))
    axes = figure.add_subplot()
    colors = colormaps["viridis" if lower_is_better else "viridis_r"].with_extremes(bad=_BAD)
    finite = np.where(np.isfinite(cells), cells, np.nan)
    low, high = _limits(cells)
    image = axes.imshow(finite, cmap=colors, vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        text = number.format(value) if np.isfinite(value) else "not run" if np.isnan(value) else "diverged"
        if beside is not None and np.isfinite(value) and np.isfinite(beside[row, column]):
            text += f" ± {number.format(beside[row, column])}"
        depth = (value - low) / (high - low) if lower_is_better else (high - value) / (high - low)
        dark = np.isfinite(value) and depth < _LIGHT_FROM
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    if np.any(np.isfinite(cells)):
        best = np.unravel_index(np.nanargmin(finite) if lower_is_better else np.nanargmax(finite), cells.shape)
        axes.add_patch(_frame(int(best[0]), int(best[1])))
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    tidy(axes, title=title)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return to_svg(figure)


def _limits(cells: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float]:
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
    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#d55e00", linewidth=2)
