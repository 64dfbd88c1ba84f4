"""Decide pairs look by look: better, equal within a margin, or open; who is ruled out, and who needs more seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from study.statistics.intervals import MIN_SEEDS, difference_limits
from study.statistics.look_claims import LookTests, PairClaims, alive, claim, compare_pairs, due, no_claims
from study.statistics.looks import Look, check_looks
from study.statistics.student_t import value_above

Floats = NDArray[np.float64]
Claim = Literal["first", "second", "equal", "open"]
Equality = Literal["claimed", "not shown", "one diverged", "not tested"]


@dataclass(frozen=True, kw_only=True)
class LookScores:
    """Scores of all contenders at one look of the plan; larger is better.

    Attributes:
        look: The look.
        scores: Shape (n_contenders, n_units), column u under the same seeds for all; a row of NaN for a contender
            that does not have all seeds of the look.
        least_spreads: A floor under the standard deviation of each contender's scores, shape (n_contenders,), from
            `pairwise.least_spread`.
        diverged: Whether a unit contains a diverged run, shape (n_contenders, n_units).
        n_diverged: Diverged runs of each contender among the runs of the look, shape (n_contenders,).
        n_runs: Runs of each contender in the look, of the same shape.
        kept_spreads: The floor for units in which no run diverged, of the same shape: that of the metric's step
            alone. None takes `least_spreads`, with which equality is hardly ever shown if runs diverged. Default:
            None.
        candidate: The contender that claims are about first, such as the best on validation. Any choice is valid,
            also one by these scores. None takes the best by these scores. Default: None.
    """

    look: Look
    scores: Floats
    least_spreads: Floats
    diverged: NDArray[np.bool_]
    n_diverged: NDArray[np.int64]
    n_runs: NDArray[np.int64]
    kept_spreads: Floats | None = None
    candidate: int | None = None


@dataclass(frozen=True, kw_only=True)
class PairDecision:
    """The decision on a pair of contenders; differences are first minus second, positive in favor of the first.

    Attributes:
        first: Index of the first contender.
        second: Index of the second, larger.
        claim: `first` or `second` if that one is claimed to be better, `equal` within the margin, or `open`.
        within_margin: Whether the difference is claimed to be below the margin: equal, or better by less.
        n_seeds: Seeds of the look that decided, or of the last in which both took part; 0 for none.
        mean: Mean difference at that look; NaN for none.
        error: Its standard error; NaN with fewer than three units.
        n_units: Pairs of scores behind it.
        low: Lower end of the interval that holds for all pairs and looks together; exactly 0 means "above 0", and
            the margin, negative, "above that". NaN with fewer than three units.
        high: Upper end, likewise.
        p: p-value of no difference, adjusted for all pairs and looks: at most `looks.ERROR` exactly where one is
            claimed to be better. NaN where no difference was tested: with fewer than three units, and of a pair of
            which neither was the one that claims are about at any look (`look_claims.claim`).
        equality: `claimed`, for equal and for better by less than the margin; `not shown`; `one diverged`: not
            tested since one of the two diverged and the other did not; `not tested`: no margin or too few units.
    """

    first: int
    second: int
    claim: Claim
    within_margin: bool
    n_seeds: int
    mean: float
    error: float
    n_units: int
    low: float
    high: float
    p: float
    equality: Equality


@dataclass(frozen=True, kw_only=True)
class DecidedPairs:
    """All pairs decided as far as the scores go.

    Attributes:
        pairs: The pairs, in the order of `numpy.triu_indices`.
        best: The contender claimed to be better than every other; None without one.
        ruled_out: Contenders that another is claimed to be better than.
        due: Contenders that get the seeds of the next look: those of open pairs that are not ruled out. Empty after
            the last look.
        n_looks_made: Number of looks that were made.
        claims: The claims that the next look would start from.
    """

    pairs: tuple[PairDecision, ...]
    best: int | None
    ruled_out: frozenset[int]
    due: frozenset[int]
    n_looks_made: int
    claims: PairClaims = field(compare=False, repr=False)


def decide_looks(
    looks: Sequence[LookScores], *, margin: float | None, bounds_width: float = math.inf, absent: Collection[int] = ()
) -> DecidedPairs:
    """Decide all pairs at the looks of a plan, one after another.

    The probability of any false claim, at any look and of any pair, is at most the sum of the looks' levels. The
    rules are those of `look_claims.claim`. At a single look without a margin, the p-values, claims and intervals of
    the candidate are those of `pairwise.compare_candidate`.

    A claim stays. A look is made when every contender that is due for it has its seeds; before, the decisions are
    those of the look before it, and `due` names who gets its seeds. So a look that was interrupted decides nothing,
    and the decisions do not depend on interruptions.

    Args:
        looks: *All* looks of the plan, also those without scores yet: they have rows of NaN, with any number of
            units.
        margin: The difference that matters, above 0; None: equality is not tested.
        bounds_width: Largest difference that the metric allows; intervals end there. Default: infinite.
        absent: Contenders that get no more seeds for another reason, such as a failure: looks do not wait for them.
            Their pairs stay in the correction. Default: none.

    Raises:
        ValueError: If the looks do not grow, shapes differ, a row is NaN in part, or the margin is not above 0.
    """
    n_contenders = _check(looks, margin)
    first, second = np.triu_indices(n_contenders, 1)
    claims, records, n_made = no_claims(first.shape), dict[int, _Record](), 0
    gone = np.isin(np.arange(n_contenders), list(absent))
    there = [~np.any(np.isnan(each.scores), axis=-1) & (each.scores.shape[-1] > 0) for each in looks]
    waited = there[0] | ~gone
    for index, (scores, present) in enumerate(zip(looks, there, strict=True)):
        if not waited.any() or np.any(waited & ~present):
            break
        tests = _tests(scores, present, margin)
        for pair in np.flatnonzero(tests.tested & (claims.better == 0) & ~claims.within):
            records[int(pair)] = _record(scores, tests, pair=int(pair), first=first, second=second)
        focus = None if scores.candidate is None else np.asarray(scores.candidate)
        level, with_margin = scores.look.level, margin is not None
        claims = claim(claims, tests, present=present, level=level, with_margin=with_margin, focus=focus)
        n_made = index + 1
        waited = due(claims, present=present & (there[min(n_made, len(looks) - 1)] | ~gone))
    decisions = tuple(
        _decision(
            claims, records.get(pair), pair=pair, ends=(int(one), int(other)), margin=margin, widest=bounds_width
        )
        for pair, (one, other) in enumerate(zip(first, second, strict=True))
    )
    return DecidedPairs(
        pairs=decisions,
        best=_best(claims, n_contenders),
        ruled_out=frozenset(np.flatnonzero(~alive(claims.better, n_contenders)).tolist()),
        due=frozenset(np.flatnonzero(waited).tolist()) if n_made < len(looks) else frozenset(),
        n_looks_made=n_made,
        claims=claims,
    )


@dataclass(frozen=True, kw_only=True)
class _Record:
    """The tests of a pair at the last look that tested it while it was open."""

    n_seeds: int
    n_units: int
    mean: float
    error: float
    half: float
    equality: Equality
    kept_all: bool


def _tests(scores: LookScores, present: NDArray[np.bool_], margin: float | None) -> LookTests:
    return compare_pairs(
        scores.scores,
        present=present,
        least_spreads=scores.least_spreads,
        margin=margin,
        diverged=scores.diverged,
        has_diverged=scores.n_diverged > 0,
        kept_spreads=scores.least_spreads if scores.kept_spreads is None else scores.kept_spreads,
    )


def _record(
    scores: LookScores, tests: LookTests, *, pair: int, first: NDArray[np.int64], second: NDArray[np.int64]
) -> _Record:
    n_units, one, other = scores.scores.shape[-1], first[pair], second[pair]
    diverged = scores.n_diverged[[one, other]] > 0
    kept = int(np.sum(~(scores.diverged[one] | scores.diverged[other])))
    equality: Equality = "not shown"
    if diverged[0] != diverged[1]:
        equality = "one diverged"
    elif kept < MIN_SEEDS:
        equality = "not tested"
    error = float(tests.error[pair])
    level = scores.look.level / (2 * len(first))
    half = float(value_above(level, n_units - 1)) * error if n_units >= MIN_SEEDS and level > 0 else math.nan
    return _Record(
        n_seeds=scores.look.n_seeds,
        n_units=n_units,
        mean=float(tests.mean[pair]),
        error=error,
        half=half,
        equality=equality,
        kept_all=not diverged.any(),
    )


def _decision(
    claims: PairClaims,
    record: _Record | None,
    *,
    pair: int,
    ends: tuple[int, int],
    margin: float | None,
    widest: float,
) -> PairDecision:
    better, within = int(claims.better[pair]), bool(claims.within[pair])
    stated: Claim = "first" if better > 0 else "second" if better < 0 else "equal" if within else "open"
    equality: Equality = "claimed" if within else "not tested"
    if not within and record is not None and margin is not None:
        equality = record.equality
    low, high = (math.nan, math.nan) if record is None else (record.mean - record.half, record.mean + record.half)
    if record is not None and within and margin is not None and record.kept_all:
        low, high = max(low, -margin), min(high, margin)
    if record is not None:
        low, high = (float(end) for end in difference_limits(low, high, widest=widest))
    # A claim by other pairs can contradict the means of this one.
    low = max(low, 0.0) if better > 0 else min(low, 0.0) if better < 0 else low
    high = min(high, 0.0) if better < 0 else max(high, 0.0) if better > 0 else high
    return PairDecision(
        first=ends[0],
        second=ends[1],
        claim=stated,
        within_margin=within,
        n_seeds=0 if record is None else record.n_seeds,
        mean=math.nan if record is None else record.mean,
        error=math.nan if record is None else record.error,
        n_units=0 if record is None else record.n_units,
        low=low,
        high=high,
        p=float(claims.p[pair]) if better or claims.tested[pair] else math.nan,
        equality=equality,
    )


def _best(claims: PairClaims, n_contenders: int) -> int | None:
    first, second = np.triu_indices(n_contenders, 1)
    for one in range(n_contenders):
        wins = (claims.better[first == one] > 0).sum() + (claims.better[second == one] < 0).sum()
        if n_contenders > 1 and wins == n_contenders - 1:
            return one
    return None


def _check(looks: Sequence[LookScores], margin: float | None) -> int:
    """Return the number of contenders."""
    if margin is not None and not margin > 0:
        raise ValueError(f"margin={margin}: expected a number above 0, or None. Pass the difference that matters.")
    check_looks([scores.look for scores in looks])
    if not looks:
        raise ValueError("looks=(): expected at least one look. Pass all looks of the plan.")
    n_contenders = len(looks[0].scores)
    for scores in looks:
        at = f"the look at {scores.look.n_seeds} seeds"
        rows = [scores.least_spreads, scores.n_diverged, scores.n_runs]
        if scores.kept_spreads is not None:
            rows.append(scores.kept_spreads)
        shapes = [scores.scores.shape, scores.diverged.shape, *(np.shape(row) for row in rows)]
        wanted = (n_contenders, *scores.scores.shape[1:])
        if scores.candidate is not None and not 0 <= scores.candidate < n_contenders:
            raise ValueError(
                f"{at}: candidate={scores.candidate}: expected an index from 0 to {n_contenders - 1}, or None. Pass "
                "the row of the contender with the best validation score."
            )
        if scores.scores.ndim != 2 or any(
            shape != (wanted if len(shape) == 2 else (n_contenders,)) for shape in shapes
        ):
            raise ValueError(f"{at}: shapes {shapes}: expected {n_contenders} contenders in each. Pass equal rows.")
        missing = np.isnan(scores.scores)
        if np.any(missing.any(axis=1) & ~missing.all(axis=1)) or np.any(np.isinf(scores.scores)):
            raise ValueError(
                f"{at}: a contender has NaN for some units, or an infinite score: expected finite scores, or NaN for "
                "all units of a contender without all seeds of the look. Leave out what has no mean."
            )
    return n_contenders
