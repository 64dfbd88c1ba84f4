"""Paths of optimizers on a landscape: read from recorded positions, and drawn on contours or on a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from contourpy import contour_generator
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from study.config.allowlist import built_in_faults
from study.core.records import RunRecord
from study.gallery import Material
from study.gallery.figures.drawing import (
    DASHES,
    GROUND,
    INK,
    LETTERS,
    SMALL_LETTERS,
    legend,
    new_figure,
    tidy,
    to_svg,
)
from study.optimizers.landscape import Landscape, read_landscape
from study.report.figures.style import Style, styles
from study.report.studies import ComparedStudy

Floats = NDArray[np.float64]

# Number of points along each coordinate, of the grid for computing contours.
_N_GRID = 101
_N_LEVELS = 12
# Largest distance from the domain at which a path is still drawn, in widths of the domain.
_REACH = 1.0


@dataclass(frozen=True, kw_only=True)
class OptimizerPath:
    """The path of one optimizer.

    Attributes:
        label: Name in the legend, with the rate.
        positions: Positions before the first and after each step, shape (n_steps + 1, n_dimensions).
        diverged: True if it was recorded as diverged.
        style: Style of the line.
    """

    label: str
    positions: Floats
    diverged: bool
    style: Style

    @property
    def n_steps(self) -> int:
        """Number of recorded steps; fewer than planned if the loss was no longer finite."""
        return len(self.positions) - 1


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Data of all pictures of a landscape, in the plane of the picture.

    The plane is x1 and x2 for a landscape of two coordinates, and x1 and the height for a curve.

    Attributes:
        lines: Contours from low to high, or the curve; each is a list of polylines of shape (n_points, 2).
        view: Lowest and highest value of both axes, shape (2, 2).
        axes: Labels of the axes.
        start: The common start of all paths, shape (2,).
        start_text: The start, as text.
        paths: The paths.
        points: Points of each path until it leaves the picture, shape (n_points, 2).
        heights: Heights of each path before the first and after each step, shape (n_steps + 1,).
    """

    lines: tuple[tuple[Floats, ...], ...]
    view: Floats
    axes: tuple[str, str]
    start: Floats
    start_text: str
    paths: tuple[OptimizerPath, ...]
    points: tuple[Floats, ...]
    heights: tuple[Floats, ...]


def landscape_of(config: Mapping[str, Any]) -> Landscape:
    """Return the landscape of a study's resolved config.

    Args:
        config: The resolved config.

    Raises:
        LookupError: The model is not a landscape, or not one of this project: a recorded config runs nothing else.
    """
    # The function alone is imported, and read without Keras.
    if faults := built_in_faults({"function": config["model"].get("function")}):
        raise LookupError(str(faults[0]))
    landscape = read_landscape(config["model"])
    if landscape is None:
        raise LookupError(f"model={config['model'].get('name')} is no landscape")
    return landscape


def walked(
    material: Material,
    study: ComparedStudy,
    *,
    run: RunRecord | None = None,
    label: str | None = None,
    style: Style | None = None,
) -> OptimizerPath:
    """Return the path of a study's run, from the positions that it recorded.

    Args:
        material: The data of the page.
        study: The study.
        run: The run. None (the default): the study's best trial, or its first trial without a best one.
        label: Name in the legend. None (the default): the optimizer's name and its rate.
        style: Style of the line. None (the default): the optimizer's usual style.

    Raises:
        LookupError: The study has no trial.
    """
    chosen = run or study.best or next(iter(study.trials))
    landscape = landscape_of(material.configs[study.record.name])
    coordinates = [material.history(chosen, f"x{index + 1}") for index in range(landscape.n_dimensions)]
    n_known = min(map(len, coordinates))
    positions = np.stack([values[:n_known] for values in coordinates], axis=-1)
    named = label or f"{study.record.optimizer}, rate {rate_of(material, study, chosen):.3g}"
    return OptimizerPath(
        label=named,
        positions=np.concatenate([landscape.start[np.newaxis], positions]),
        diverged=chosen.state == "diverged",
        style=style or styles([study.record.optimizer])[0],
    )


def rate_of(material: Material, study: ComparedStudy, run: RunRecord) -> float:
    """Return the learning rate of a run's training: searched, or fixed in the study's config.

    Args:
        material: The data of the page.
        study: The study.
        run: One of the study's runs.

    Raises:
        LookupError: Neither the run nor the config names a rate: the optimizer used its default.
    """
    if "learning_rate" in run.params:
        return float(run.params["learning_rate"])
    fixed = material.configs[study.record.name]["optimizer"].get("learning_rate")
    if fixed is None:
        raise LookupError(f"{study.record.name} names no learning_rate")
    return float(fixed)


def build_scene(landscape: Landscape, paths: Sequence[OptimizerPath]) -> Scene:
    """Return the scene of some paths on a landscape.

    Args:
        landscape: The landscape.
        paths: The paths.
    """
    heights = tuple(landscape.heights(path.positions) for path in paths)
    if landscape.n_dimensions == 1:
        curve, view = _curve(landscape)
        lines: tuple[tuple[Floats, ...], ...] = ((curve,),)
        places = [np.stack([path.positions[:, 0], h], axis=-1) for path, h in zip(paths, heights, strict=True)]
        start = np.array([landscape.start[0], landscape.heights(landscape.start)])
        names = ("x1", "f(x1)")
    else:
        lines, view = _contours(landscape), landscape.domain
        places, start, names = [path.positions for path in paths], landscape.start, ("x1", "x2")
    written = ", ".join(f"{part:g}" for part in landscape.start)
    return Scene(
        lines=lines,
        view=view,
        axes=names,
        start=start,
        start_text=f"start ({written})" if landscape.n_dimensions > 1 else f"start {written}",
        paths=tuple(paths),
        points=tuple(_within_reach(place, view) for place in places),
        heights=heights,
    )


def still(scene: Scene, *, title: str = "", apart: bool = False, columns: int = 3) -> bytes:
    """Draw the whole paths as SVG.

    Args:
        scene: The landscape and the paths.
        title: The picture's title. Default: the empty text, no title.
        apart: Draw each path in its own panel. Default False.
        columns: Number of panels side by side. Default 3.
    """
    n = len(scene.paths) if apart else 1
    columns = min(columns, n)
    rows = -(-n // columns)
    figure = new_figure(height=0.5 + (2.1 if apart else 4.4) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for index, axes in enumerate(grid):
        if index >= n:
            axes.set_visible(False)
            continue
        draw_ground(axes, scene, small=apart)
        for one in [index] if apart else range(len(scene.paths)):
            path, points = scene.paths[one], scene.points[one]
            marker = {"marker": "o", "ms": 2.2 if apart else 3.0} if len(points) <= 80 else {}
            look = {"color": path.style.color, "ls": DASHES[path.style.dash], **marker}
            axes.plot(*points.T, lw=1.6, label=path.label, zorder=3, **look)
        is_lowest, is_first = index >= n - columns, index % columns == 0
        tidy(axes, x=scene.axes[0] if is_lowest else "", y=scene.axes[1] if is_first else "", grid="")
        if apart:
            path = scene.paths[index]
            words = path.label + (" (diverged)" if path.diverged else "")
            axes.set_title(words, fontsize=SMALL_LETTERS + 0.5, loc="left", color=INK)
            axes.tick_params(labelsize=SMALL_LETTERS)
    if apart and title:
        figure.suptitle(title, fontsize=LETTERS + 1, x=0.01, ha="left", fontweight="bold", color=INK)
    elif not apart:
        legend(figure, grid[0], title=title)
    return to_svg(figure)


def draw_ground(axes: Axes, scene: Scene, *, small: bool = False) -> None:
    """Draw the landscape, as contours or a curve, and the start.

    Args:
        axes: Matplotlib's axes.
        scene: The landscape and the paths.
        small: Use small letters and marks, for a panel. Default False.
    """
    n = len(scene.lines)
    for level, lines in enumerate(scene.lines):
        depth = 1.0 if n == 1 else 0.35 + 0.65 * (1 - level / max(n - 1, 1))
        # A panel is small: a third of the points draws the same line.
        drawn = [np.concatenate([line[:-1:3], line[-1:]]) for line in lines] if small else list(lines)
        axes.add_collection(LineCollection(drawn, colors=GROUND, linewidths=0.5 + 0.6 * depth, alpha=depth, zorder=1))
    axes.plot(*scene.start, marker="s", ms=4 if small else 6, color=INK, zorder=4)
    is_right = scene.start[0] > scene.view[0] @ (0.3, 0.7)
    axes.annotate(
        scene.start_text,
        tuple(scene.start),
        xytext=(-6 if is_right else 6, 6),
        textcoords="offset points",
        ha="right" if is_right else "left",
        fontsize=SMALL_LETTERS if small else LETTERS - 1,
        color=INK,
        zorder=5,
    )
    axes.set_xlim(*scene.view[0])
    axes.set_ylim(*scene.view[1])


def _contours(landscape: Landscape) -> tuple[tuple[Floats, ...], ...]:
    """Return contours with equal areas between them, so that steep parts do not hide flat ones."""
    x, y = (np.linspace(low, high, _N_GRID) for low, high in landscape.domain)
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    heights = landscape.heights(grid)
    generator = contour_generator(x, y, np.ma.masked_invalid(heights))
    levels = np.unique(np.quantile(heights[np.isfinite(heights)], np.linspace(0.01, 0.97, _N_LEVELS)))
    return tuple(tuple(np.asarray(line) for line in generator.lines(float(level))) for level in levels)


def _curve(landscape: Landscape) -> tuple[Floats, Floats]:
    """Return the graph of a function of one coordinate, and the part of the plane to show."""
    ((low, high),) = landscape.domain
    x = np.linspace(low, high, 4 * _N_GRID)
    heights = landscape.heights(x[:, np.newaxis])
    bottom, top = float(np.nanmin(heights)), float(np.nanmax(heights))
    room = 0.06 * (top - bottom or 1.0)
    return np.stack([x, heights], axis=-1), np.array([[low, high], [bottom - room, top + room]])


def _within_reach(points: Floats, view: Floats) -> Floats:
    """Return the points up to the first distant one, which moves back to the edge along its line."""
    span = view[:, 1] - view[:, 0]
    low, high = view[:, 0] - _REACH * span, view[:, 1] + _REACH * span
    far = ~np.all((points >= low) & (points <= high), axis=-1)
    if not far.any():
        return points
    first = int(np.argmax(far))
    kept = points[: first + 1].copy()
    step = points[first] - points[first - 1]
    if first == 0 or not np.isfinite(step).all():
        return points[:first]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(step > 0, (high - kept[-2]) / step, np.where(step < 0, (low - kept[-2]) / step, np.inf))
    kept[-1] = kept[-2] + float(shares.min()) * step
    return kept
