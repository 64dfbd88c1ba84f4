"""Losses over training: the median over seeds with a band, smoothed if single steps are noisy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from study.gallery import Material, Picture
from study.gallery.figures.drawing import DASHES, LETTERS, legend, log_axis, new_figure, tidy, to_svg
from study.report.figures.style import Style, styles
from study.report.studies import Entry

Floats = NDArray[np.float64]
_MOST_POINTS = 400


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a picture.

    Attributes:
        label: Name in the legend.
        values: One row for each run, shape (n_runs, n_points); NaN after the end of a run.
        x: Positions of the points, shape (n_points,). None (the default): 1, 2, ...
        style: Style of the line. None (the default): the style of the optimizer that the label begins with.
    """

    label: str
    values: Floats
    x: Floats | None = None
    style: Style | None = None


def loss_curves(
    curves: Sequence[Curve],
    *,
    x: str = "epoch",
    y: str = "training loss",
    title: str = "",
    log: bool = True,
    window: int = 1,
    height: float = 3.6,
) -> bytes:
    """Draw the median of each curve over its runs, and the area between their quartiles, as SVG.

    Args:
        curves: The lines.
        x: Label of the horizontal axis. Default `epoch`.
        y: Label of the vertical axis. Default `training loss`.
        title: The title. Default: the empty text, no title.
        log: Draw the vertical axis on a log scale if all values are above 0. Default True.
        window: Number of points that `smoothed` averages over, odd. Default 1: no smoothing.
        height: Height in inches. Default 3.6.
    """
    figure = new_figure(height=height)
    axes = figure.add_subplot()
    lowest, highest = _draw(axes, curves, window=window)
    if log and 0 < lowest < np.inf:
        log_axis(axes, "y", lowest, highest)
    tidy(axes, x=x, y=y)
    legend(figure, axes, title=title)
    return to_svg(figure)


def loss_panels(panels: Mapping[str, Sequence[Curve]], *, x: str = "epoch", y: str = "training loss") -> bytes:
    """Draw the same lines in several settings as SVG: a panel for each, side by side, with one vertical axis.

    Args:
        panels: The lines of each panel, by its title; the same label has the same style in all of them.
        x: Label of the horizontal axes. Default `epoch`.
        y: Label of the vertical axis. Default `training loss`.
    """
    figure = new_figure(height=4.2)
    sides = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for index, (axes, (title, curves)) in enumerate(zip(sides, panels.items(), strict=True)):
        _draw(axes, curves)
        tidy(axes, title=title, x=x, y="" if index else y)
    legend(figure, max(sides, key=lambda axes: len(axes.lines)))
    return to_svg(figure)


def step_losses(
    material: Material, entries: Mapping[str, Entry], *, name: str, told: str, window: int, title: str = ""
) -> Picture:
    """Draw the recorded losses of batches over the steps: each optimizer's median over its seeds.

    Args:
        material: The data of the page.
        entries: The entries, by optimizer.
        name: Name of the picture.
        told: The setting in words, for the caption.
        window: Number of recorded batches in the moving average, odd.
        title: The picture's title. Default: the empty text, the setting in words.
    """
    every = int(next(iter(material.configs.values()))["tracking"]["every_n_steps"])
    curves = []
    for optimizer, entry in entries.items():
        losses = stacked([material.history(run, "step_loss") for run in entry.tuned])
        if losses.size:
            curves.append(Curve(label=optimizer, values=losses, x=every * np.arange(1.0, losses.shape[1] + 1)))
    batch = "each batch" if every == 1 else f"every {every}th batch"
    return Picture(
        name=name,
        caption=f"Training loss of {batch}, {told}: the median over seeds, a moving average of {window} such batches, "
        "with the quartiles as a band.",
        data=loss_curves(curves, x="step", y="training loss of a batch", title=title or told, window=window),
        suffix="svg",
    )


def stacked(histories: Sequence[ArrayLike]) -> Floats:
    """Return histories as rows, shape (n_runs, n_points).

    Shorter histories are padded with NaN; infinite values become NaN too.

    Args:
        histories: The values of each run, each of shape (n_values,).
    """
    rows = [np.asarray(history, dtype=np.float64) for history in histories]
    filled = np.full((len(rows), max((len(row) for row in rows), default=0)), np.nan)
    for row, values in zip(filled, rows, strict=True):
        row[: len(values)] = np.where(np.isfinite(values), values, np.nan)
    return filled


def smoothed(values: ArrayLike, window: int) -> Floats:
    """Return a moving average with a Kaiser window, mirrored at the ends.

    Args:
        values: One row for each run, shape (..., n_points).
        window: Number of points in the window, odd; 1 changes nothing.

    Source:
        J. F. Kaiser and R. W. Schafer (1980), On the use of the I0-sinh window for spectrum analysis; beta is 2.
    """
    given = np.asarray(values, dtype=np.float64)
    half = min(window // 2, given.shape[-1] - 1)
    if half < 1:
        return given
    weights = np.kaiser(2 * half + 1, 2.0)
    padded = np.pad(given, [(0, 0)] * (given.ndim - 1) + [(half, half)], mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=-1)
    return np.asarray(windows @ (weights / weights.sum()))


def _draw(axes: Any, curves: Sequence[Curve], *, window: int = 1) -> tuple[float, float]:
    """Draw lines with their bands, and return the lowest and the highest value of all bands."""
    looks = styles([curve.label.split("-")[0] for curve in curves])
    lowest, highest = np.inf, -np.inf
    for curve, look in zip(curves, looks, strict=True):
        at, (low, middle, high) = _band(curve, window)
        style = curve.style or look
        axes.fill_between(at, low, high, color=style.color, alpha=0.16, linewidth=0)
        marker = "o" if len(at) <= 12 else None
        axes.plot(at, middle, color=style.color, ls=DASHES[style.dash], lw=2, marker=marker, ms=4, label=curve.label)
        lowest = min(lowest, float(np.nanmin(low, initial=np.inf)))
        highest = max(highest, float(np.nanmax(high, initial=-np.inf)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # epochs and steps are counted
    axes.margins(x=0.01)
    if not np.isfinite(highest):
        axes.text(0.5, 0.5, "no values were recorded", transform=axes.transAxes, ha="center", fontsize=LETTERS)
    elif (at := np.unique(np.concatenate([line.get_xdata() for line in axes.lines]))).size == 1:
        axes.set_xlim(at[0] - 0.5, at[0] + 0.5)
    return lowest, highest


def _band(curve: Curve, window: int) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    """Return the positions of the points, with the lower quartile, the median and the upper quartile."""
    values = smoothed(np.atleast_2d(curve.values), window)
    n = values.shape[1]
    at = np.arange(1, n + 1, dtype=np.float64) if curve.x is None else np.asarray(curve.x, dtype=np.float64)
    quartiles = np.full((3, n), np.nan)
    some = np.any(np.isfinite(values), axis=0)
    if np.any(some):
        quartiles[:, some] = np.nanquantile(values[:, some], (0.25, 0.5, 0.75), axis=0)
    # More points than the picture has pixels in width are invisible, and each makes the file larger.
    chosen = np.unique(np.linspace(0, n - 1, min(n, _MOST_POINTS)).round().astype(np.int64))
    low, middle, high = (row[chosen] for row in quartiles)
    return at[chosen], (low, middle, high)
