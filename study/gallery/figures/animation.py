"""Animation of paths on a landscape: all optimizers take their steps at the same time."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image

from study.gallery.figures.drawing import DASHES, legend, new_figure, tidy
from study.gallery.figures.paths import Scene, draw_ground

_MOST_FRAMES = 60
_FRAME_MS = 90
_HOLD_MS = 1600
# Shades of each color in the file, from full color to white: anti-aliased lines need them.
_SHADES = 8
_GRAYS = 32
_DPI = 96


def animated(scene: Scene, *, title: str = "") -> bytes:
    """Draw the paths as they grow, as an endless GIF.

    Args:
        scene: The landscape and the paths.
        title: The picture's title; each frame adds its step. Default: the empty text, no title.
    """
    figure = new_figure(height=4.5)
    figure.set_dpi(_DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw_ground(axes, scene)
    trails, heads = [], []
    for path, points in zip(scene.paths, scene.points, strict=True):
        look = {"color": path.style.color, "ls": DASHES[path.style.dash]}
        trails += axes.plot(*points.T, lw=1.6, label=path.label, zorder=3, **look)
        heads += axes.plot(*points[0], color=path.style.color, marker="o", ms=6, ls="", zorder=4)
    n_steps = max((path.n_steps for path in scene.paths), default=0)
    tidy(axes, title=_title(title, n_steps), x=scene.axes[0], y=scene.axes[1])
    legend(figure, axes)
    canvas.draw()  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")  # keep the layout of the first frame
    palette = _palette([path.style.color for path in scene.paths])
    frames = []
    for step in frame_steps(n_steps):
        for trail, head, points in zip(trails, heads, scene.points, strict=True):
            trail.set_data(*points[: step + 1].T)
            head.set_data(*points[step : step + 1].T)  # empty after the path has left the picture
        axes.set_title(_title(title, step), fontsize=axes.title.get_fontsize(), loc="left", fontweight="bold")
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        frame = Image.fromarray(pixels).convert("RGB")
        frames.append(frame.quantize(palette=palette, dither=Image.Dither.NONE))
    durations = [_FRAME_MS] * (len(frames) - 1) + [_HOLD_MS]
    content = io.BytesIO()
    frames[0].save(
        content, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True
    )
    return content.getvalue()


def frame_steps(n_steps: int) -> list[int]:
    """Return the steps that have a frame, first and last included: all steps if there are at most 59.

    Args:
        n_steps: Number of steps of the longest path.
    """
    return [int(step) for step in np.unique(np.linspace(0, n_steps, min(n_steps + 1, _MOST_FRAMES)).round())]


def _palette(colors: Sequence[str]) -> Image.Image:
    """Return an image with the colors of all frames; a palette for each frame would merge similar colors."""
    grays = np.linspace(0, 255, _GRAYS)[:, np.newaxis].repeat(3, axis=1)
    full = np.array([to_rgb(color) for color in dict.fromkeys(colors)]).reshape(-1, 1, 3) * 255
    white = np.linspace(0, 1, _SHADES, endpoint=False)[:, np.newaxis]
    shades = (full * (1 - white) + 255 * white).reshape(-1, 3)
    flat = np.concatenate([grays, shades]).round().astype(np.uint8)[:256].ravel().tolist()
    palette = Image.new("P", (1, 1))
    palette.putpalette(flat)
    return palette


def _title(title: str, step: int) -> str:
    return f"{title}: step {step}" if title else f"step {step}"
