"""The style of an optimizer in all figures: its name determines one color, dash and marker."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

# Okabe and Ito's colors (2008), which the color-blind can distinguish. Yellow, orange and sky blue are darkened and
# black is gray, so that each has a contrast of about three to one on white and on a dark page.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#c9699f", "#c98a00", "#3b97d3", "#8a8300", "#7d7d7d")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "cross")
# The eight most frequent optimizers come first and differ only in color. Append new names: any other order changes
# colors.
_KNOWN = (
    "adam",
    "momentum",
    "sgd",
    "rmsprop",
    "nesterov",
    "adamax",
    "adagrad",
    "nadam",
    "adamw",
    "adadelta",
    "lion",
    "muon",
    "amsgrad",
    "adafactor",
    "lamb",
    "ftrl",
    "schedule_free_adamw",
)


@dataclass(frozen=True, kw_only=True)
class Style:
    """Style of the lines and markers of one entry.

    Attributes:
        color: The color, as `#rrggbb`.
        dash: Plotly's name of a dash.
        marker: Plotly's name of a marker.
    """

    color: str
    dash: str
    marker: str

    def faint(self, opacity: float) -> str:
        """Return the color with an opacity.

        Args:
            opacity: The opacity, from 0 to 1.
        """
        red, green, blue = (int(self.color[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},{opacity})"


def styles(optimizers: Sequence[str]) -> list[Style]:
    """Return the style of each entry; further entries of one optimizer differ in dash and marker.

    Args:
        optimizers: The optimizer's name of each entry.
    """
    return [_style(name, occurrence=optimizers[:index].count(name)) for index, name in enumerate(optimizers)]


def _style(optimizer: str, *, occurrence: int) -> Style:
    # A checksum, since Python's hash of a string changes from process to process.
    index = _KNOWN.index(optimizer) if optimizer in _KNOWN else zlib.crc32(optimizer.encode())
    variation = (index // len(_COLORS)) % len(_DASHES) + occurrence
    return Style(
        color=_COLORS[index % len(_COLORS)],
        dash=_DASHES[variation % len(_DASHES)],
        marker=_MARKERS[(index + occurrence) % len(_MARKERS)],
    )
