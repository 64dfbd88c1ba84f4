"""Paths on a landscape as an interactive page: play them, go step by step, or hide single ones."""

from __future__ import annotations

import numpy as np

from study.gallery.figures.paths import Floats, Scene
from study.report.html.templates import fill_template

# Size of the picture, in the units of the drawing.
_WIDTH, _HEIGHT = 640.0, 420.0
_DASHES = {"solid": "", "dash": "8 5", "dot": "2 4", "dashdot": "8 4 2 4", "longdash": "14 6"}


def interactive(scene: Scene, *, title: str) -> bytes:
    """Return the page, one self-contained HTML document.

    Args:
        scene: The landscape and the paths.
        title: The page's title.
    """
    page = fill_template(
        "gallery/figures/paths.html.j2",
        title=title,
        ground=[_outline(line, scene.view) for level in scene.lines for line in level],
        view=_view_text(scene),
        data=_data(scene),
    )
    return page.encode()


def _data(scene: Scene) -> dict[str, object]:
    start = _placed(scene.start[np.newaxis], scene.view)[0]
    return {
        "start": {"at": start, "text": scene.start_text},
        "paths": [
            {
                "label": path.label + (" (diverged)" if path.diverged else ""),
                "color": path.style.color,
                "dash": _DASHES[path.style.dash],
                "points": _placed(points, scene.view),
                "heights": [f"{height:.4g}" for height in heights],
            }
            for path, points, heights in zip(scene.paths, scene.points, scene.heights, strict=True)
        ],
    }


def _placed(points: Floats, view: Floats) -> list[list[float]]:
    """Return points in the units of the drawing; its second axis points down."""
    shares = (points - view[:, 0]) / (view[:, 1] - view[:, 0])
    placed = np.stack([shares[:, 0] * _WIDTH, (1 - shares[:, 1]) * _HEIGHT], axis=-1)
    return [[round(float(x), 1), round(float(y), 1)] for x, y in placed]


def _outline(line: Floats, view: Floats) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in _placed(line, view))


def _view_text(scene: Scene) -> str:
    (left, right), (bottom, top) = scene.view
    return f"{scene.axes[0]} from {left:g} to {right:g}, {scene.axes[1]} from {bottom:.3g} to {top:.3g}"
