"""PairClaims on all pairs at one look, given those of earlier looks: better, and equal within a margin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from study.statistics.intervals import MIN_SEEDS
from study.statistics.looks import ERROR
from study.statistics.pairwise import pair_tests
from study.statistics.student_t import probability_above

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]
# f: the share of the error that goes to "within the margin".
MARGIN_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class PairClaims:
    """The claims after some looks; pairs in the order of `numpy.triu_indices`.

    Attributes:
        better: 1 where the first of the pair is claimed to be better, -1 where the second is, else 0; shape
            (..., n_pairs).
        within: Whether the difference is claimed to be below the margin, of the same shape.
        left: Whether Holm's count is without the pair, of the same shape: the pair was rejected. Nothing need be
            claimed about it.
        p: The smallest p-value over the looks, adjusted for all pairs and looks: at most `ERROR` exactly where
            `better` is claimed; of the same shape.
        tested: Whether a difference of the pair was tested at some look, of the same shape: one of the two was the
            focus then. `p` of another pair is a bound from the tests before it, 1 where they reject nothing.
    """

    better: NDArray[np.int8]
    within: Flags
    left: Flags
    p: Floats
    tested: Flags


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
    no = np.zeros(shape, dtype=np.bool_)
    return PairClaims(better=np.zeros(shape, dtype=np.int8), within=no, left=no, p=np.ones(shape), tested=no)


def claim(
    before: PairClaims,
    tests: LookTests,
    *,
    present: Flags,
    level: float,
    with_margin: bool,
    focus: Indices | None = None,
) -> PairClaims:
    """Add the claims of one look; leading axes are independent comparisons.

    1. Claims are about one contender at a time, the focus: the given one, or that with the best mean. It differs from
       another if Holm's procedure over *all* pairs rejects equality. Only a rejected pair leaves the count: a pair
       without scores at this look, or claimed equal, stays in it.
    2. The focus is better than each other alive if it leads all, all of them have scores at this look, and each test
       rejects at the full level. Alive ones without scores prevent it: those that are left were chosen by their
       scores.
    3. What follows: if X is better than Y, and Y than Z, X is better than Z.
    4. A focus that is better than all others is set aside, and the best of the rest is the next focus. Without this
       order, rules 1 and 2 for all pairs at once call ties different in 7.5 % with two groups of two equals: 5 % at
       the top by rule 2, and 2.5 % at the bottom by rule 1.
    5. Within the margin: two one-sided tests at f a / K, for K pairs. That error is taken from the differences:
       after r of K pairs left the count, the next is tested at a (1 - f r / K) / (K - r), and rule 2 has
       a (1 - f (K - 1) / K). A pair still in the count needs no reserve: its difference is either 0 or the margin.
       Without a margin f is 0; a single pair needs no reserve.

    By Boole's inequality the claims of rules 1 and 5 together are false with at most `level`, whatever the
    correlation. That the two rules 1 and 2 of one focus do not exceed it together is shown by simulation
    (docs/sequential_rates.md), as for `pairwise.compare_candidate`.

    Args:
        before: The claims of earlier looks.
        tests: The tests of this look.
        present: Whether a contender has scores at this look, shape (..., n_contenders).
        level: a, the error that the look may spend.
        with_margin: Whether equality is tested.
        focus: The contender that claims are about first, shape (...). Default: the one with the best mean of those
            alive with scores.

    Source:
        S. Holm (1979); K. Hung and W. Fithian (2019), sections 2 and 4 (the order of rule 4); D. Schuirmann (1987),
        two one-sided tests.
    """
    n_pairs = before.better.shape[-1]
    if level <= 0 or n_pairs == 0:
        return before
    share = margin_share(n_pairs) if with_margin else 0.0
    one = (*present.shape[:-1], 1)
    state = _Stage(
        claims=before, apart=np.zeros_like(present), gate=np.zeros(one), goes_on=np.ones(one, dtype=np.bool_)
    )
    for _ in range(present.shape[-1] - 1):
        state = _stage(state, tests, present=present, level=level, share=share, focus=focus)
        focus = None
        if not state.goes_on.any():
            break
    claims = state.claims
    limit = np.where(before.better == 0, level * (share or 1.0) / n_pairs, -1.0)
    within = before.within | ((tests.p_equal <= limit) & with_margin)
    return replace(claims, within=within)


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """The claims so far, the contenders set aside, the p-value at which all of them were, and if there is a next."""

    claims: PairClaims
    apart: Flags
    gate: Floats
    goes_on: Flags


def _stage(
    state: _Stage, tests: LookTests, *, present: Flags, level: float, share: float, focus: Indices | None
) -> _Stage:
    """Make the claims about one focus: rules 1 to 4."""
    before, n_contenders = state.claims, present.shape[-1]
    able = alive(before.better, n_contenders, apart=state.apart) & ~state.apart
    chosen = _focus(tests, able=able & present, given=focus)
    own = _pairs_of(chosen, n_contenders)
    is_open = (before.better == 0) & ~before.within
    stepped = np.minimum(_stepped(before, tests, share=share), 1.0)
    led = _lead(tests, chosen, able=able, present=present, n_contenders=n_contenders, share=share)
    adjusted = np.where(own, np.minimum(stepped, led), 1.0)
    # Of a pair without the focus nothing is claimed unless the focus is better than all.
    rivals = own & _both(able, n_contenders)
    last = np.max(np.where(rivals & is_open, adjusted, 0.0), axis=-1, keepdims=True)
    scaled = np.where(own, adjusted, np.maximum(stepped, np.where(last > 0, last, 1.0)))
    scaled = np.maximum(scaled, state.gate) * (ERROR / level)
    running = state.goes_on & np.any(able & present, axis=-1, keepdims=True)
    found = is_open & own & running & (scaled <= ERROR)
    shown = is_open & running & (own | (scaled > ERROR))
    p = np.where(shown, np.minimum(before.p, scaled), before.p)
    direct = np.where(found, np.sign(tests.mean), before.better).astype(np.int8)
    better, p = _followed(direct, p, n_contenders=n_contenders)
    left = before.left | (better != 0) | (running & tests.tested & (stepped * (ERROR / level) <= ERROR))
    wins = _matrix(better, n_contenders) | state.apart[..., None, :]
    best = np.sum(wins, axis=-1) >= n_contenders - 1
    apart = state.apart | (best & ~state.apart & np.eye(n_contenders, dtype=np.bool_)[chosen] & running)
    goes_on = np.any(apart & ~state.apart, axis=-1, keepdims=True)
    gate = np.where(goes_on, np.maximum(state.gate, last), state.gate)
    tested = before.tested | (is_open & own & running & tests.tested & np.isfinite(tests.error))
    claims = PairClaims(better=better, within=before.within, left=left, p=p, tested=tested)
    return _Stage(claims=claims, apart=apart, gate=gate, goes_on=goes_on)


def margin_share(n_pairs: int) -> float:
    """Return the share f; a single pair has the whole level for both claims, one of which is true."""
    return 1.0 if n_pairs == 1 else MARGIN_SHARE


def level_shares(n_pairs: int, *, n_counted: int | None = None, with_margin: bool) -> tuple[float, float]:
    """Return the shares of a look's level at which the difference and the equality of one pair are tested.

    Args:
        n_pairs: Number of all pairs, K.
        n_counted: Number of pairs that are still in Holm's count; 1 also for the pairs of the contender that leads all
            others, by the rule for the best of all. Default: None, all.
        with_margin: Whether equality is tested.

    Returns:
        The share for the difference, two-sided; the share for equality, for each of its one-sided tests.

    Raises:
        ValueError: If a number of pairs is not allowed.
    """
    counted = n_pairs if n_counted is None else n_counted
    if not 1 <= counted <= n_pairs:
        raise ValueError(
            f"n_counted={n_counted}, n_pairs={n_pairs}: expected at least 1 pair, and at most all of them counted. "
            "Leave out n_counted to count all."
        )
    share = margin_share(n_pairs) if with_margin else 0.0
    return (1.0 - share * (n_pairs - counted) / n_pairs) / counted, share / n_pairs


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


def alive(better: NDArray[np.int8], n_contenders: int, *, apart: Flags | None = None) -> Flags:
    """Return the contenders that no other is claimed to be better than, shape (..., n_contenders).

    Args:
        better: As in `PairClaims`.
        n_contenders: Their number.
        apart: Contenders whose claims do not count, of the same shape. Default: none.
    """
    wins = _matrix(better, n_contenders)
    return np.asarray(~np.any(wins if apart is None else wins & ~apart[..., :, None], axis=-2))


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


def _stepped(before: PairClaims, tests: LookTests, *, share: float) -> Floats:
    """Return the p-values that Holm's procedure adjusts; pairs that left its count before come first."""
    n_pairs = tests.p.shape[-1]
    ordered = np.where(before.left, -1.0, np.where(before.within, 1.0, tests.p))
    order = np.argsort(ordered, axis=-1, kind="stable")
    place = np.arange(n_pairs)
    weights = (n_pairs - place) / (1.0 - share * place / n_pairs)
    # A pair that left, but about which nothing was claimed, has the level of a pair that leaves next.
    stepped = np.maximum.accumulate(np.take_along_axis(ordered, order, axis=-1) * weights, axis=-1)
    adjusted = np.empty_like(ordered)
    np.put_along_axis(adjusted, order, stepped, axis=-1)
    n_left = np.sum(before.left, axis=-1, keepdims=True)
    factor = np.maximum(n_pairs - n_left, 1) / (1.0 - share * np.minimum(n_left, n_pairs - 1) / n_pairs)
    return np.where(before.left, tests.p * factor, adjusted)


def _lead(
    tests: LookTests, chosen: Indices, *, able: Flags, present: Flags, n_contenders: int, share: float
) -> Floats:
    """Return the p-value of a focus that leads all others alive, at its pairs with them; 1 elsewhere."""
    first, _ = np.triu_indices(n_contenders, 1)
    rivals = _pairs_of(chosen, n_contenders) & _both(able, n_contenders)
    ahead = np.where(first == chosen[..., None], tests.mean, -tests.mean) > 0
    complete = np.all(present | ~able, axis=-1, keepdims=True)
    leads = complete & np.all(ahead | ~rivals, axis=-1, keepdims=True)
    n_pairs = tests.p.shape[-1]
    worst = np.max(np.where(rivals, tests.p, 0.0), axis=-1, keepdims=True) / (1.0 - share * (n_pairs - 1) / n_pairs)
    return np.where(leads & rivals, worst, 1.0)


def _focus(tests: LookTests, *, able: Flags, given: Indices | None) -> Indices:
    """Return the given contender where it is able, else the able one with the best mean."""
    n_contenders = able.shape[-1]
    first, second = np.triu_indices(n_contenders, 1)
    behind = np.zeros(able.shape, dtype=np.int64)
    both = _both(able, n_contenders)
    for pair, (one, other) in enumerate(zip(first, second, strict=True)):
        behind[..., one] += both[..., pair] & (tests.mean[..., pair] < 0)
        behind[..., other] += both[..., pair] & (tests.mean[..., pair] > 0)
    chosen = np.argmin(np.where(able, behind, n_contenders), axis=-1)
    if given is None:
        return np.asarray(chosen)
    fits = np.take_along_axis(able, given[..., None], axis=-1)[..., 0]
    return np.where(fits, given, chosen)


def _pairs_of(chosen: Indices, n_contenders: int) -> Flags:
    first, second = np.triu_indices(n_contenders, 1)
    return np.asarray((first == chosen[..., None]) | (second == chosen[..., None]))


def _both(of: Flags, n_contenders: int) -> Flags:
    first, second = np.triu_indices(n_contenders, 1)
    return np.asarray(of[..., first] & of[..., second])


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
