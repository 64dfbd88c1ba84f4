"""The four words for a claim, and the tests that choose between them.

A claim about seeds is judged by an interval of a difference, never by an estimate alone. A claim about a path without
any chance in it is a fact: more seeds would change nothing, so no interval is computed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol, TypeGuard


class ClaimVerdict(StrEnum):
    """A word for a claim, as a page's sentence begins."""

    HELD = "The claim held"
    CONTRADICTED = "The claim is contradicted"
    NOT_SHOWN = "The claim is not shown"
    INCONCLUSIVE = "Inconclusive"

    @property
    def label(self) -> str:
        """Return the word of a badge, such as `Not shown`."""
        return self.name.replace("_", " ").capitalize()


MEANINGS = {
    ClaimVerdict.HELD: "Every interval that the claim needs lies wholly on the claimed side (for “as well as”, within "
    "the stated margin), after correction for all comparisons; or nothing is left to chance, and the values "
    "themselves show it.",
    ClaimVerdict.CONTRADICTED: "An interval that the claim needs lies wholly on the other side, after correction for "
    "all comparisons; or nothing is left to chance, and the values themselves show the opposite.",
    ClaimVerdict.NOT_SHOWN: "An interval that the claim needs includes both sides, and none lies wholly on the other "
    "side: these runs do not decide it.",
    ClaimVerdict.INCONCLUSIVE: "The run cannot judge it: fewer than three seeds, too few cases, a shorter training "
    "than the claim names, or a part that was not run.",
}
# A sentence that begins with a verdict: at the start of a finding, or after the end of another sentence.
_SENTENCE = re.compile(rf"(?:^|(?<=[.)] ))({'|'.join(ClaimVerdict)})(?=[\s,:;])")


_INTERVAL = re.compile(r" \[[^][]* to [^][]*\]")


def verdicts_in(finding: str) -> tuple[ClaimVerdict, ...]:
    """Return the verdicts with which sentences of a finding begin, each once, in their order.

    A claim of two parts has two of them, such as that a first part held and a second one is not shown.

    Args:
        finding: A finding of a page.
    """
    return tuple(dict.fromkeys(ClaimVerdict(word) for word in _SENTENCE.findall(finding)))


def in_short(finding: str, *, until: str = "", capital: bool = True) -> str:
    """Return the result that a finding states after its verdict, as a sentence without intervals for the index.

    Args:
        finding: A finding of a page, with a colon after its verdict.
        until: Text before which the result ends, such as ` (paired`. Default: the empty text, the whole first
            sentence.
        capital: Begin with a capital letter. False for a result that begins with a name. Default True.
    """
    result = re.split(r"(?<=[^\s.])\.(?=\s|$)", finding.partition(": ")[2], maxsplit=1)[0]
    result = _INTERVAL.sub("", result.partition(until)[0] if until else result).strip()
    if not result:
        return ""
    return f"{result[0].upper() if capital else result[0]}{result[1:]}."


class Judged(Protocol):
    """A difference with its interval, corrected for the comparisons it stands among."""

    @property
    def mean(self) -> float:
        """The mean difference."""

    @property
    def low(self) -> float:
        """Its lower limit."""

    @property
    def high(self) -> float:
        """Its upper limit."""


def is_positive(difference: Judged) -> bool:
    """Return True if the interval is above 0.

    A limit of exactly 0 under a positive mean counts as above 0, as in Holm's procedure.

    Args:
        difference: The difference with its interval.
    """
    return difference.mean > 0 and difference.low >= 0


def is_negative(difference: Judged) -> bool:
    """Return True if the interval is below 0.

    A limit of exactly 0 above a negative mean counts as below 0, as in Holm's procedure.

    Args:
        difference: The difference with its interval.
    """
    return difference.mean < 0 and difference.high <= 0


def greater(difference: Judged | None, *, sign: float = 1.0) -> ClaimVerdict:
    """Return the verdict on the claim that a difference is positive.

    Args:
        difference: The difference. None or NaN ends: too few seeds trained.
        sign: -1.0 for the claim that the difference is negative. Default 1.0.

    Returns:
        Held or contradicted if the interval excludes 0, not shown if the interval includes 0, inconclusive without an
        interval.
    """
    if not _is_known(difference):
        return ClaimVerdict.INCONCLUSIVE
    if is_positive(difference):
        return ClaimVerdict.HELD if sign > 0 else ClaimVerdict.CONTRADICTED
    if is_negative(difference):
        return ClaimVerdict.CONTRADICTED if sign > 0 else ClaimVerdict.HELD
    return ClaimVerdict.NOT_SHOWN


def as_well(difference: Judged | None, margin: float, *, sign: float = 1.0) -> ClaimVerdict:
    """Return the verdict on the claim that one is as good as the other within a margin, or better.

    A difference that is not significant does not show equality: the whole interval must be within the margin. Two
    one-sided tests at a level of 2.5 % are equivalent to the 95 % interval on the page.

    Args:
        difference: One minus the other, with limits of how large the difference can be (Bonferroni's, not Holm's open
            ones). None or NaN ends: too few seeds trained.
        margin: The largest difference that counts as equal, more than 0, in the metric's unit.
        sign: -1.0 if smaller is better. Default 1.0.

    Returns:
        Held if the interval is within the margin or above 0; contradicted if all of the interval is worse by more than
        the
        margin; not shown otherwise; inconclusive without an interval.

    Raises:
        ValueError: The margin is not above 0.

    Source:
        D. Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach.
    """
    if not margin > 0:
        raise ValueError(f"margin={margin}: expected more than 0. State the largest difference that counts as equal.")
    if not _is_known(difference):
        return ClaimVerdict.INCONCLUSIVE
    low, high = sorted((sign * difference.low, sign * difference.high))
    if (-margin < low and high < margin) or (low > 0):
        return ClaimVerdict.HELD
    return ClaimVerdict.CONTRADICTED if high < -margin else ClaimVerdict.NOT_SHOWN


def fact(holds: bool | None) -> ClaimVerdict:
    """Return the verdict on a claim without randomness, such as a claim about a path on a landscape.

    Args:
        holds: True if the claim holds; None: a part did not run.
    """
    if holds is None:
        return ClaimVerdict.INCONCLUSIVE
    return ClaimVerdict.HELD if holds else ClaimVerdict.CONTRADICTED


def more_often(n_more: int, n_fewer: int, *, level: float = 0.95) -> ClaimVerdict:
    """Return the verdict of a two-sided sign test that a quantity is more rather than less, over cases.

    Args:
        n_more: Number of cases with more.
        n_fewer: Number of cases with less; ties are in neither number.
        level: Confidence level, a share from 0 to 1. Default 0.95.

    Returns:
        Inconclusive if the cases are so few that even all of them alike would not be significant.
    """
    from scipy import stats  # takes longer to import than all that `study run` uses of SciPy

    n, alpha = n_more + n_fewer, 1.0 - level
    if 2.0 * 0.5**n > alpha:
        return ClaimVerdict.INCONCLUSIVE
    if float(stats.binomtest(n_more, n).pvalue) > alpha:
        return ClaimVerdict.NOT_SHOWN
    return ClaimVerdict.HELD if n_more > n_fewer else ClaimVerdict.CONTRADICTED


def all_of(verdicts: Iterable[ClaimVerdict]) -> ClaimVerdict:
    """Return the verdict on a claim of several parts: contradicted by any part, held only by all parts.

    Args:
        verdicts: Verdicts on the parts, from intervals that are corrected for the number of parts.
    """
    given = list(verdicts)
    for word in (ClaimVerdict.CONTRADICTED, ClaimVerdict.NOT_SHOWN, ClaimVerdict.INCONCLUSIVE):
        if word in given:
            return word
    return ClaimVerdict.HELD if given else ClaimVerdict.INCONCLUSIVE


def _is_known(difference: Judged | None) -> TypeGuard[Judged]:
    return difference is not None and math.isfinite(difference.low) and math.isfinite(difference.high)
