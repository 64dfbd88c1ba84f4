"""Animation of paths on a landscape: all optimizers take their steps at the same time.

It is an SVG that moves by itself, without a script, so a code host and a page show it as a picture: sharp at any size,
on a light and a dark page. Whoever asks for less motion sees the whole paths.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.gallery.figures.drawing import LETTERS, SOFT, legend, new_figure, tidy, to_svg
from study.gallery.figures.paths import Floats, Scene, draw_ground

_STEP_S, _LONGEST_S, _HOLD_S = 0.25, 8.0, 1.6
# Points of a path that are in the file; more are invisible in a picture of this size.
_MOST_STEPS = 200
_STILL = "@media (prefers-reduced-motion:reduce){.trail{stroke-dasharray:none!important}.head,.clock{display:none}}"
_HEIGHT = 5.1
# Share of the height for the bar that shows the step.
_CLOCK = 0.05


def animated(scene: Scene, *, title: str = "") -> bytes:
    """Draw the paths as they grow, as an endless animation in one SVG.

    Args:
        scene: The landscape and the paths.
        title: The picture's title. Default: the empty text, no title.
    """
    figure = new_figure(height=_HEIGHT)
    figure.get_layout_engine().set(rect=(0, _CLOCK, 1, 1 - _CLOCK))  # type: ignore[union-attr,call-arg]
    axes = figure.add_subplot()
    draw_ground(axes, scene)
    for index, (path, points) in enumerate(zip(scene.paths, scene.points, strict=True)):
        axes.plot(*points.T, lw=2, color=path.style.color, label=path.label, zorder=3, gid=f"trail-{index}")
    tidy(axes, x=scene.axes[0], y=scene.axes[1], grid="")
    legend(figure, axes, title=title)
    n_steps = max((path.n_steps for path in scene.paths), default=0)
    svg = to_svg(figure, extra=[_STILL]).decode()
    moving, rest = [], svg
    for index, (path, points) in enumerate(zip(scene.paths, scene.points, strict=True)):
        found = re.search(rf'<g id="trail-{index}">\s*<path [^>]*?clip-path="([^"]*)"[^>]*/>\s*</g>', rest)
        if found is None:  # a path without a visible step
            continue
        rest = rest.replace(found[0], "")
        placed = _placed(figure, axes, points)
        moving.append(_moving(placed, color=path.style.color, clip=found[1], n_steps=n_steps))
    clock = _clock(figure, n_steps) if n_steps else ""
    end = rest.rindex("</svg>")
    return (rest[:end] + "".join(moving) + clock + rest[end:]).encode()


def moving_steps(n_steps: int) -> list[int]:
    """Return the steps whose positions are in the file, first and last included: all if there are at most 199.

    Args:
        n_steps: Number of steps of a path.
    """
    return [int(step) for step in np.unique(np.linspace(0, n_steps, min(n_steps + 1, _MOST_STEPS)).round())]


def _placed(figure: Figure, axes: Axes, points: Floats) -> Floats:
    """Return points in the units of the SVG, 1/72 inch from the upper left corner, shape (n_points, 2)."""
    pixels = np.asarray(axes.transData.transform(points)) * 72 / figure.dpi
    return np.stack([pixels[:, 0], 72 * figure.get_figheight() - pixels[:, 1]], axis=-1)


def _moving(points: Floats, *, color: str, clip: str, n_steps: int) -> str:
    """Return a path that grows, with its head; it waits at its end for paths of more steps."""
    chosen = moving_steps(len(points) - 1)
    kept = points[chosen]
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(kept, axis=0), axis=1))])
    whole = max(float(lengths[-1]), 1e-3)
    line = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in kept)
    times = [step / max(n_steps, 1) for step in chosen]
    # A dash as long as the path, moved back by what is still to come. Its rounded end would show before the start.
    hidden = _animate("stroke-dashoffset", [whole - length for length in lengths], times, n_steps)
    trail = (
        f'<path class="trail" d="{line}" style="fill: none; stroke: {color}" stroke-width="2" '
        f'stroke-dasharray="{whole:.1f} {whole + 9:.1f}" stroke-dashoffset="0">{hidden}</path>'
    )
    x, y = kept[-1]
    head = (
        f'<circle class="head" r="4.2" cx="{x:.1f}" cy="{y:.1f}" style="fill: {color}">'
        f"{_animate('cx', kept[:, 0], times, n_steps)}{_animate('cy', kept[:, 1], times, n_steps)}</circle>"
    )
    return f'<g clip-path="{clip}">{trail}{head}</g>'


def _clock(figure: Figure, n_steps: int) -> str:
    """Return a bar below the picture that fills with the steps."""
    width, bottom = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    left, right = 0.16 * width, width - 12
    places = f'x="{left:.1f}" y="{bottom - 12:.1f}" height="4" rx="2"'
    words = f'font-size="{LETTERS - 1}" style="fill: {SOFT}"'
    return (
        f'<g class="clock"><rect {places} width="{right - left:.1f}" style="fill: {SOFT}; fill-opacity: 0.25"/>'
        f'<rect {places} width="{right - left:.1f}" style="fill: {SOFT}">'
        f"{_animate('width', [0.0, right - left], [0.0, 1.0], n_steps)}</rect>"
        f'<text x="{left - 8:.1f}" y="{bottom - 7:.1f}" text-anchor="end" {words}>'
        f"step 0 to {n_steps}</text></g>"
    )


def _animate(attribute: str, values: Sequence[float] | Floats, times: Sequence[float], n_steps: int) -> str:
    """Return the animation of an attribute; its last value holds until the next round begins.

    Args:
        attribute: Name of the attribute.
        values: Its values.
        times: The time of each value, as a share of the steps of the longest path.
        n_steps: Number of steps of the longest path.
    """
    running = min(_STEP_S * max(n_steps, 1), _LONGEST_S)
    whole = running + _HOLD_S
    at: list[Any] = [f"{time * running / whole:.4f}".rstrip("0").rstrip(".") for time in times]
    shown = [f"{value:.1f}" for value in values]
    if len(shown) == 1:
        return ""
    return (
        f'<animate attributeName="{attribute}" dur="{whole:g}s" repeatCount="indefinite" '
        f'values="{";".join([*shown, shown[-1]])}" keyTimes="{";".join([*at, "1"])}"/>'
    )
