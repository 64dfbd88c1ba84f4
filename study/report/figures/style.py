"""The style of each entry in all figures: its color, dash and marker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from study.core.entry_colors import COLORS, color_numbers

# Opacity of the many points of one seed or trial each: fainter ones vanish on a dark page.
SEEN = 0.85
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
# As many as colors and more: entries of different colors have different markers, for readers in gray.
_MARKERS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "x",
    "triangle-down",
    "cross",
    "star",
    "pentagon",
    "triangle-left",
    "triangle-right",
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
    """Return the style of each entry: up to eleven have different markers, and up to eight different colors.

    With more entries than colors, those of one color differ in dash and marker.

    Args:
        optimizers: The optimizer's name of each entry.
    """
    return [
        Style(
            color=COLORS[number % len(COLORS)],
            dash=_DASHES[number // len(COLORS) % len(_DASHES)],
            marker=_MARKERS[number % len(_MARKERS)],
        )
        for number in color_numbers(optimizers)
    ]
