"""Simulated prices of open pairs: the share of them that holds the number of seeds needed at last.

`benchmarks/sequential_page.py` runs all cases and writes docs/sequential_rates.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.statistics.look_claims import LookTests, PairClaims, alive, claim, compare_pairs, due, no_claims
from study.statistics.looks import Look, plan_looks
from study.statistics.price import Price, price

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PriceHits:
    """Prices of a pair that is still open after some seeds, and what was needed at last.

    Attributes:
        n_open: Number of simulated pairs that were open; with none, the others are NaN.
        hits: Share whose number of seeds lies within the stated range.
        beyond: Share whose typical price is "more than the horizon".
        not_decided: Share that was not decided at the horizon.
        open_ended: Share of ranges without an upper end.
        factor: Median of upper by lower end, the horizon for an open upper end; 1 where both are open.
        horizon: The horizon, in seeds.
    """

    n_open: int
    hits: float
    beyond: float
    not_decided: float
    open_ended: float
    factor: float
    horizon: int


def price_hits(ahead: float, *, n_seen: int, horizon: int, margin: float | None, n_repetitions: int) -> PriceHits:
    """Return the hits of the price for one pair, normal scores; looks at 5, 10, 20, ... seeds up to the horizon.

    Args:
        ahead: The true difference, in standard deviations of the paired difference.
        n_seen: The look after which the price is asked.
        horizon: The last look.
        margin: The margin, in the same unit; None: equality is not tested.
        n_repetitions: Simulated pairs.
    """
    return leader_price_hits(
        ahead, n_contenders=2, n_seen=n_seen, horizon=horizon, margin=margin, n_repetitions=n_repetitions
    )


def leader_price_hits(
    ahead: float, *, n_contenders: int, n_seen: int, horizon: int, margin: float | None, n_repetitions: int
) -> PriceHits:
    """Return the hits of the price for the leader and its closest rival, of which an open pair is left.

    The leader is the one with the best mean of those alive, and the price counts one pair, by the rule for the best of
    all. One contender is ahead of equal others.

    Args:
        ahead: Its distance, in standard deviations of the paired difference.
        n_contenders: Contenders.
        n_seen: The look after which the price is asked.
        horizon: The last look.
        margin: The margin, in the same unit; None: equality is not tested.
        n_repetitions: Simulated comparisons.
    """
    rng = np.random.default_rng([int(100 * ahead), n_contenders, n_seen, horizon, int(100 * (margin or 0))])
    plan = plan_looks(horizon, sequential=True)
    scores = rng.normal(size=(n_repetitions, n_contenders, horizon)) * np.sqrt(0.5)
    scores[:, 0] += ahead
    decided, claims, tests = _followed(scores, plan, margin=margin, n_seen=n_seen)
    later = [look for look in plan if look.n_seeds > n_seen]
    found: list[Price] = []
    needed: list[float] = []
    for row, pair in _closest(scores[..., :n_seen], claims, tests, decided > n_seen):
        mean, spread = tests.mean[row, pair], tests.error[row, pair] * np.sqrt(n_seen)
        n_pairs = decided.shape[-1]
        given = {"ahead": later, "n_pairs": n_pairs, "n_counted": 1, "margin": margin, "generator": rng}
        found.append(price(float(mean), float(spread), n_seen, **given))
        needed.append(decided[row, pair])
    return _hits(found, np.array(needed), horizon)


def _closest(
    scores: Floats, claims: PairClaims, tests: LookTests, is_open: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Return the comparisons whose leader has an open pair with another alive, and the pair of the smallest lead."""
    n_contenders = scores.shape[-2]
    first, second = np.triu_indices(n_contenders, 1)
    living = alive(claims.better, n_contenders)
    leader = np.argmax(np.where(living, scores.mean(axis=-1), -np.inf), axis=-1)[:, None]
    own = ((first == leader) | (second == leader)) & living[:, first] & living[:, second] & is_open
    closest = np.argmin(np.where(own, np.abs(tests.mean), np.inf), axis=-1)
    return [(int(row), int(closest[row])) for row in np.flatnonzero(own.any(axis=-1))]


def _followed(
    scores: Floats, plan: Sequence[Look], *, margin: float | None, n_seen: int
) -> tuple[Floats, PairClaims, LookTests]:
    """Return the seeds at which each pair is decided, infinite if it is not; claims and tests after `n_seen`."""
    n, n_contenders = scores.shape[:2]
    zero, none = np.zeros((n, n_contenders)), np.zeros((n, n_contenders), dtype=np.bool_)
    claims, present = no_claims((n, n_contenders * (n_contenders - 1) // 2)), ~none
    decided = np.full(claims.p.shape, np.inf)
    seen: tuple[PairClaims, LookTests] | None = None
    for look in plan:
        known = scores[..., : look.n_seeds]
        tests = compare_pairs(
            known,
            present=present,
            least_spreads=zero,
            margin=margin,
            diverged=np.zeros(known.shape, dtype=np.bool_),
            has_diverged=none,
            kept_spreads=zero,
        )
        claims = claim(claims, tests, present=present, level=look.level, with_margin=margin is not None)
        present = due(claims, present=present)
        found = (claims.better != 0) | claims.within
        decided = np.where(np.isinf(decided) & found, float(look.n_seeds), decided)
        if look.n_seeds == n_seen:
            seen = claims, tests
    if seen is None:
        raise ValueError(f"n_seen={n_seen}: expected a look of {[look.n_seeds for look in plan]}. Pass one of them.")
    return decided, *seen


def _hits(found: Sequence[Price], needed: Floats, horizon: int) -> PriceHits:
    ends = [[np.inf if end is None else end for end in (each.low, each.typical, each.high)] for each in found]
    low, typical, high = np.array(ends, dtype=np.float64).reshape(-1, 3).T
    share = np.mean if found else lambda _: np.nan
    return PriceHits(
        n_open=len(found),
        hits=float(share((low <= needed) & (needed <= high))),
        beyond=float(share(np.isinf(typical))),
        not_decided=float(share(np.isinf(needed))),
        open_ended=float(share(np.isinf(high))),
        factor=float(np.median(np.minimum(high, horizon) / np.minimum(low, horizon))) if found else np.nan,
        horizon=horizon,
    )
