"""PairClaims on all pairs at one look, given those of earlier looks: better, and equal within a margin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.statistics.intervals import MIN_SEEDS
from study.statistics.looks import ERROR
from study.statistics.pairwise import pair_tests
from study.statistics.student_t import probability_above

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# Share of a pair's error that it keeps for "by less than the margin" once it is called different.
KEPT_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class PairClaims:
    """The claims after some looks; pairs in the order of `numpy.triu_indices`.

    Attributes:
        better: 1 where the first of the pair is claimed to be better, -1 where the second is, else 0; shape
            (..., n_pairs).
        within: Whether the difference is claimed to be below the margin, of the same shape.
        p: The smallest p-value over the looks, adjusted for all pairs and looks: at most `ERROR` exactly where
            `better` is claimed; of the same shape.
    """

    better: NDArray[np.int8]
    within: Flags
    p: Floats


@dataclass(frozen=True, kw_only=True)
class LookTests:
    """The tests of one look, uncorrected; first minus second.

    Attributes:
        tested: Whether the pair has scores at this look, shape (..., n_pairs).
        mean: Mean differences, of the same shape.
        error: Their standard errors.
        p: Two-sided p-values of no difference; 1 where there is no test.
        p_equal: p-values of a difference of the margin or more, by two one-sided tests; 1 where there is no test.
    """

    tested: Flags
    mean: Floats
    error: Floats
    p: Floats
    p_equal: Floats


def no_claims(shape: tuple[int, ...]) -> PairClaims:
    """Return the claims before the first look, none; the shape is (..., n_pairs)."""
    return PairClaims(better=np.zeros(shape, dtype=np.int8), within=np.zeros(shape, dtype=np.bool_), p=np.ones(shape))


def claim(before: PairClaims, tests: LookTests, *, present: Flags, level: float, with_margin: bool) -> PairClaims:
    """Add the claims of one look; leading axes are independent comparisons.

    Every pair counts with all its possible claims, and each claim is false under another difference: "different" if
    it is 0, "within the margin" if it is the margin or more. So both tests of a pair can have the level a / K, for K
    pairs (Boole's inequality).

    1. Different: Holm's procedure. Only a pair claimed to be better leaves the count; a pair without scores at this
       look, or claimed equal, stays in it. A pair that leaves at this look keeps the share f of its error for the
       test of the margin: after r pairs that leave now, of c, the next is tested at a (1 - f r / K) / (c - r).
       Without a margin f is 0, and this is Holm's.
    2. The best of all: a contender that leads all others alive, all of which have scores at this look, is better
       than each if each test rejects at a (1 - f (c - 1) / K), which is a without a margin. An alive contender
       without scores prevents it: those which are left were chosen by their scores.
    3. What follows: if X is better than Y, and Y than Z, X is better than Z.
    4. Within the margin: two one-sided tests at a / K; at f a / K for a pair called different at this look.

    Args:
        before: The claims of earlier looks.
        tests: The tests of this look.
        present: Whether a contender has scores at this look, shape (..., n_contenders).
        level: a, the error that the look may spend.
        with_margin: Whether equality is tested.

    Source:
        S. Holm (1979); K. Hung and W. Fithian (2019), section 2; D. Schuirmann (1987), two one-sided tests;
        F. Bretz, W. Maurer, W. Brannath and M. Posch (2009), A graphical approach to sequentially rejective multiple
        test procedures (what a rejected hypothesis hands on).
    """
    n_pairs = before.better.shape[-1]
    if level <= 0 or n_pairs == 0:
        return before
    share = kept_share(n_pairs) if with_margin else 0.0
    # Claimed without more ado, so that Holm's procedure steps over them: what was claimed before.
    is_open = (before.better == 0) & ~before.within
    adjusted = np.minimum(_stepped(before, tests, is_open=is_open, share=share), 1.0)
    adjusted = np.where(is_open, np.minimum(adjusted, _best_of_all(before, tests, present=present, share=share)), 1.0)
    p = np.minimum(before.p, adjusted * (ERROR / level))
    found = is_open & (adjusted * (ERROR / level) <= ERROR)
    direct = np.where(found, np.sign(tests.mean), before.better).astype(np.int8)
    better, p = _followed(direct, p, n_contenders=present.shape[-1])
    limit = np.where(better == 0, level / n_pairs, np.where(before.better == 0, share * level / n_pairs, -1.0))
    within = before.within | ((tests.p_equal <= limit) & with_margin)
    return PairClaims(better=better, within=within, p=p)


def kept_share(n_pairs: int) -> float:
    """Return the share f; a single pair hands nothing on, and keeps all."""
    return 1.0 if n_pairs == 1 else KEPT_SHARE


def compare_pairs(
    scores: Floats,
    *,
    present: Flags,
    least_spreads: Floats,
    margin: float | None,
    diverged: Flags,
    has_diverged: Flags,
    kept_spreads: Floats,
) -> LookTests:
    """Test all pairs of one look, uncorrected.

    Args:
        scores: Larger is better, shape (..., n_contenders, n_units).
        present: Whether a contender has scores, shape (..., n_contenders); the scores of others are ignored.
        least_spreads: A floor under the standard deviation of each contender's scores, shape (..., n_contenders).
        margin: The difference that matters, above 0; None: equality is not tested.
        diverged: Whether a unit contains a diverged run, shape (..., n_contenders, n_units). Equality is of the
            units in which neither diverged.
        has_diverged: Whether a contender has a diverged run, shape (..., n_contenders). Where one of a pair has and
            the other has not, equality is not tested.
        kept_spreads: The floor for the runs that did not diverge, shape (..., n_contenders).
    """
    first, second = np.triu_indices(scores.shape[-2], 1)
    values = np.where(present[..., None], scores, 0.0)
    tested = present[..., first] & present[..., second]
    if scores.shape[-1] < MIN_SEEDS:
        mean = values.mean(axis=-1) if scores.shape[-1] else np.zeros(scores.shape[:-1])
        one, nan = np.ones(tested.shape), np.full(tested.shape, np.nan)
        return LookTests(tested=tested, mean=mean[..., first] - mean[..., second], error=nan, p=one, p_equal=one)
    floors = np.where(present, least_spreads, 0.0)
    mean, error, p = pair_tests(values, floors)
    p_equal = np.ones(tested.shape)
    if margin is not None:
        kept = np.where(present, kept_spreads, 0.0)
        p_equal = _equality(values, diverged, kept, margin=margin)
        p_equal = np.where(tested & (has_diverged[..., first] == has_diverged[..., second]), p_equal, 1.0)
    return LookTests(tested=tested, mean=mean, error=error, p=np.where(tested, p, 1.0), p_equal=p_equal)


def alive(better: NDArray[np.int8], n_contenders: int) -> Flags:
    """Return the contenders that no other is claimed to be better than, shape (..., n_contenders)."""
    return np.asarray(~np.any(_matrix(better, n_contenders), axis=-2))


def due(claims: PairClaims, *, present: Flags) -> Flags:
    """Return the contenders of open pairs that are alive and have scores, shape (..., n_contenders)."""
    n_contenders = present.shape[-1]
    first, second = np.triu_indices(n_contenders, 1)
    able = present & alive(claims.better, n_contenders)
    wanted = (claims.better == 0) & ~claims.within & able[..., first] & able[..., second]
    out = np.zeros(present.shape, dtype=np.bool_)
    for pair, (one, other) in enumerate(zip(first, second, strict=True)):
        out[..., one] |= wanted[..., pair]
        out[..., other] |= wanted[..., pair]
    return out


def _stepped(before: PairClaims, tests: LookTests, *, is_open: Flags, share: float) -> Floats:
    """Return the p-values that Holm's procedure adjusts; pairs claimed better before are out of its count."""
    n_pairs = tests.p.shape[-1]
    p = np.where(is_open, tests.p, 1.0)
    ordered = np.where(before.better != 0, -1.0, p)
    order = np.argsort(ordered, axis=-1, kind="stable")
    place = np.arange(n_pairs)
    n_before = np.sum(before.better != 0, axis=-1, keepdims=True)
    weights = (n_pairs - place) / (1.0 - share * np.maximum(place - n_before, 0) / n_pairs)
    stepped = np.take_along_axis(ordered, order, axis=-1) * weights
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(stepped, axis=-1), axis=-1)
    return adjusted


def _best_of_all(before: PairClaims, tests: LookTests, *, present: Flags, share: float) -> Floats:
    """Return the p-value of the one that leads all others alive, at its pairs with them; 1 elsewhere."""
    n_contenders = present.shape[-1]
    first, second = np.triu_indices(n_contenders, 1)
    living = alive(before.better, n_contenders)
    complete = np.all(present | ~living, axis=-1, keepdims=True)
    both = living[..., first] & living[..., second]
    n_left = np.sum(before.better == 0, axis=-1, keepdims=True)
    factor = 1.0 / (1.0 - share * (n_left - 1) / before.better.shape[-1])
    out = np.ones(tests.p.shape)
    for one in range(n_contenders):
        own = (first == one) | (second == one)
        rivals = own & both
        ahead = np.where(first == one, tests.mean, -tests.mean) > 0
        leads = complete & living[..., [one]] & np.all(ahead | ~rivals, axis=-1, keepdims=True)
        worst = np.max(np.where(rivals, tests.p, 0.0), axis=-1, keepdims=True) * factor
        out = np.where(leads & rivals, np.minimum(out, worst), out)
    return out


def _followed(direct: NDArray[np.int8], p: Floats, *, n_contenders: int) -> tuple[NDArray[np.int8], Floats]:
    """Add what follows: X better than Y, and Y than Z; its p-value is the larger of both."""
    first, second = np.triu_indices(n_contenders, 1)
    better, values = _matrix(direct, n_contenders), np.ones((*direct.shape[:-1], n_contenders, n_contenders))
    values[..., first, second] = values[..., second, first] = p
    values = np.where(better, values, np.inf)
    for middle in range(n_contenders):
        through = np.maximum(values[..., :, middle, None], values[..., None, middle, :])
        values = np.minimum(values, through)
    forward, backward = values[..., first, second], values[..., second, first]
    # PairClaims of different looks can contradict one another; nothing follows from that.
    is_new = (direct == 0) & (np.isfinite(forward) != np.isfinite(backward))
    followed = np.where(is_new, np.where(np.isfinite(forward), 1, -1), direct).astype(np.int8)
    return followed, np.where(is_new, np.minimum(p, np.minimum(forward, backward)), p)


def _equality(values: Floats, diverged: Flags, kept_spreads: Floats, *, margin: float) -> Floats:
    """Return the larger p-value of two one-sided tests over the units in which neither of a pair diverged."""
    first, second = np.triu_indices(values.shape[-2], 1)
    both = ~(diverged[..., first, :] | diverged[..., second, :])
    n = both.sum(axis=-1)
    difference = np.where(both, values[..., first, :] - values[..., second, :], 0.0)
    mean = difference.sum(axis=-1) / np.maximum(n, 1)
    squares = np.sum(np.where(both, difference - mean[..., None], 0.0) ** 2, axis=-1)
    spread = np.sqrt(squares / np.maximum(n - 1, 1))
    spread = np.maximum(spread, np.hypot(kept_spreads[..., first], kept_spreads[..., second]))
    error = np.maximum(spread / np.sqrt(np.maximum(n, 1)), np.finfo(np.float64).tiny)
    p = probability_above((margin - np.abs(mean)) / error, np.maximum(n - 1, 1))
    return np.asarray(np.where(n >= MIN_SEEDS, p, 1.0))


def _matrix(better: NDArray[np.int8], n_contenders: int) -> Flags:
    """Return `better` as a matrix: whether the row is claimed to be better than the column."""
    first, second = np.triu_indices(n_contenders, 1)
    out = np.zeros((*better.shape[:-1], n_contenders, n_contenders), dtype=np.bool_)
    out[..., first, second] = better > 0
    out[..., second, first] = better < 0
    return out
