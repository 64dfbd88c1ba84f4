"""Badges of a page: the verdicts on its claim, and a size other than the published one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from study.gallery.analysis.verdicts import MEANINGS, ClaimVerdict
from study.gallery.run_facts import Size
from study.report.html.templates import fill_template

# A sign beside the word, so that color is not the only difference.
_SIGNS = {
    ClaimVerdict.HELD: "✓",
    ClaimVerdict.CONTRADICTED: "✗",
    ClaimVerdict.NOT_SHOWN: "○",
    ClaimVerdict.INCONCLUSIVE: "?",
}
# Background and letters on a light and on a dark page. White on each of the first four has a contrast above 4.5.
_COLORS = {
    "held": ("#0b7a55", "#ffffff"),
    "contradicted": ("#b3470a", "#ffffff"),
    "not_shown": ("#5b6470", "#ffffff"),
    "inconclusive": ("#8a6100", "#ffffff"),
}
# Widths in pixels: a letter of a badge, and the rest of it.
_LETTER, _REST = 6.9, 18.0


@dataclass(frozen=True, kw_only=True)
class Badge:
    """A badge.

    Attributes:
        kind: Its kind, for style sheets and file names: `held`, `contradicted`, `not_shown`, `inconclusive`,
            `reduced_size` or `other_size`.
        label: The word.
        sign: A sign before the word; empty for none.
        meaning: A sentence on its meaning.
    """

    kind: str
    label: str
    sign: str
    meaning: str

    @property
    def text(self) -> str:
        """The sign and the word."""
        return f"{self.sign} {self.label}".strip()

    @property
    def file(self) -> str:
        """The badge's picture, seen from the gallery's folder."""
        return f"badges/{self.kind}.svg"


def badge_of(verdict: ClaimVerdict) -> Badge:
    """Return the badge of a verdict.

    Args:
        verdict: The verdict.
    """
    return Badge(kind=verdict.name.lower(), label=verdict.label, sign=_SIGNS[verdict], meaning=MEANINGS[verdict])


REDUCED = Badge(
    kind="reduced_size",
    label="Reduced size",
    sign="",
    meaning="Run with a smaller budget than the published comparison; the page says how much smaller.",
)
OTHER_SIZE = Badge(
    kind="other_size",
    label="Other size",
    sign="",
    meaning="Run with another budget than the published comparison, not a smaller one; the page says which.",
)
ALL = (*map(badge_of, ClaimVerdict), REDUCED, OTHER_SIZE)


def badges_of(verdicts: Sequence[ClaimVerdict], size: Size) -> tuple[Badge, ...]:
    """Return the badges of a page: its verdicts, then its size if that is not the published one.

    Args:
        verdicts: The verdicts on the parts of the claim.
        size: The size of the run beside the published one.
    """
    sizes = {"reduced": (REDUCED,), "other": (OTHER_SIZE,)}
    return (*map(badge_of, verdicts), *sizes.get(size, ()))


def badge_svg(badge: Badge) -> str:
    """Return the picture of a badge, for pages without a style sheet of ours.

    Args:
        badge: The badge.
    """
    fill, letters = _COLORS.get(badge.kind, ("", ""))
    return fill_template(
        "gallery/badge.svg.j2", badge=badge, width=round(_REST + _LETTER * len(badge.text)), fill=fill, letters=letters
    )
