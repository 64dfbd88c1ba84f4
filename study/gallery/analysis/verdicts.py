"""The four words for a claim, and the tests that choose between them.

A claim about seeds is judged by an interval of a difference, never by an estimate alone. A claim about a path without
any chance in it is a fact: more seeds would change nothing, so no interval is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol, TypeGuard

from scipy import stats


class ClaimVerdict(StrEnum):
    """A word for a claim, as a page's sentence begins."""

    HELD = "The claim held"
    CONTRADICTED = "The claim is contradicted"
    NOT_SHOWN = "The claim is not shown"
    INCONCLUSIVE = "Inconclusive"


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
    """Return True if the interval lies above 0; a limit of exactly 0 under a positive mean is open, as Holm's are."""
    return difference.mean > 0 and difference.low >= 0


def is_negative(difference: Judged) -> bool:
    """Return True if the interval lies below 0; a limit of exactly 0 above a negative mean is open, as Holm's are."""
    return difference.mean < 0 and difference.high <= 0


def greater(difference: Judged | None, *, sign: float = 1.0) -> ClaimVerdict:
    """Judge the claim that a difference is positive.

    Args:
        difference: The difference; None where too few seeds trained, or its ends may be NaN for the same reason.
        sign: -1.0 for the claim that it is negative. Default: 1.0.

    Returns:
        Held or contradicted where the interval excludes 0, not shown where it does not, inconclusive without one.
    """
    if not _is_known(difference):
        return ClaimVerdict.INCONCLUSIVE
    if is_positive(difference):
        return ClaimVerdict.HELD if sign > 0 else ClaimVerdict.CONTRADICTED
    if is_negative(difference):
        return ClaimVerdict.CONTRADICTED if sign > 0 else ClaimVerdict.HELD
    return ClaimVerdict.NOT_SHOWN


def as_well(difference: Judged | None, margin: float, *, sign: float = 1.0) -> ClaimVerdict:
    """Judge the claim that the one is as good as the other: equivalence within a margin, or better.

    No significant difference is not equality: the whole interval has to lie within the margin. Two one-sided tests at
    a level of 2.5 % are the 95 % interval, which is the one that a page prints.

    Args:
        difference: One minus the other, with limits that say how large it can be (Bonferroni's, not Holm's open ones);
            None, or NaN ends, where too few seeds trained.
        margin: The largest difference that counts as equal, more than 0, in the metric's unit.
        sign: -1.0 where smaller is better. Default: 1.0.

    Returns:
        Held for an interval within the margin, or above 0; contradicted for one that is worse by more than the
        margin throughout; else not shown; inconclusive without an interval.

    Raises:
        ValueError: If the margin is not above 0.

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
    """Judge a claim about what has no chance in it, such as a path on a landscape; None where a part did not run."""
    if holds is None:
        return ClaimVerdict.INCONCLUSIVE
    return ClaimVerdict.HELD if holds else ClaimVerdict.CONTRADICTED


def more_often(n_more: int, n_fewer: int, *, level: float = 0.95) -> ClaimVerdict:
    """Judge by a two-sided sign test that something is more rather than less, over cases.

    Args:
        n_more: Cases in which it is more.
        n_fewer: Cases in which it is less; ties count for neither.
        level: Confidence level. Default: 0.95.

    Returns:
        Inconclusive for so few cases that even all of them alike would be no significant result.
    """
    n, alpha = n_more + n_fewer, 1.0 - level
    if 2.0 * 0.5**n > alpha:
        return ClaimVerdict.INCONCLUSIVE
    if float(stats.binomtest(n_more, n).pvalue) > alpha:
        return ClaimVerdict.NOT_SHOWN
    return ClaimVerdict.HELD if n_more > n_fewer else ClaimVerdict.CONTRADICTED


def all_of(verdicts: Iterable[ClaimVerdict]) -> ClaimVerdict:
    """Judge a claim of several parts: contradicted by any part, held only by all of them.

    The parts' intervals have to be corrected for their number.
    """
    given = list(verdicts)
    for word in (ClaimVerdict.CONTRADICTED, ClaimVerdict.NOT_SHOWN, ClaimVerdict.INCONCLUSIVE):
        if word in given:
            return word
    return ClaimVerdict.HELD if given else ClaimVerdict.INCONCLUSIVE


def _is_known(difference: Judged | None) -> TypeGuard[Judged]:
    return difference is not None and math.isfinite(difference.low) and math.isfinite(difference.high)
