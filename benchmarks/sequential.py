"""Simulated error rates, power and seeds of sequential confirmation.

`benchmarks/sequential_page.py` runs all cells and writes docs/sequential_rates.md. The tests run some of them with
fewer repetitions.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from study.statistics.divergence import divergence_spread
from study.statistics.look_claims import alive, claim, compare_pairs, due, no_claims
from study.statistics.looks import Look, plan_looks
from study.statistics.pairwise import least_spread
from study.statistics.resolution import Resolution, share_of

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Scores = Literal["normal", "discrete", "lognormal", "all diverge", "one diverges"]
Truth = Literal["all tied", "one ahead", "two groups", "twins"]
Plan = Literal["sequential 40", "fixed 10", "fixed 40"]

SCORES: tuple[Scores, ...] = ("normal", "discrete", "lognormal", "all diverge", "one diverges")
CONTENDERS, AHEAD = (2, 3, 8), (0.5, 1.0, 2.0)
PLANS: Mapping[Plan, tuple[Look, ...]] = {
    "sequential 40": plan_looks(40, sequential=True),
    "fixed 10": plan_looks(10, sequential=False),
    "fixed 40": plan_looks(40, sequential=False),
}
# The margin under ties; elsewhere it is the true difference, where equality is claimed wrongly most often.
MARGIN_OF_TIES = 1.0
_DIVERGENCE = 0.05
_RESOLUTIONS: Mapping[Scores, Resolution] = {
    "normal": Resolution(),
    "discrete": share_of(360),
    "lognormal": Resolution(),
    "all diverge": share_of(10_000),
    "one diverges": share_of(10_000),
}
# Scores are place + unit * value; the unit is the standard deviation of a paired difference without divergence.
_PLACES: Mapping[Scores, tuple[float, float]] = {
    "normal": (3.0, 0.07),
    "discrete": (342 / 360, 3 * np.sqrt(2) / 360),
    "lognormal": (3.0, 0.07),
    "all diverge": (0.9, 0.007),
    "one diverges": (0.9, 0.007),
}
_BATCH = 2000


@dataclass(frozen=True, kw_only=True)
class SequentialCell:
    """One case of the simulation.

    Attributes:
        scores: Distribution of the scores.
        n_contenders: Contenders compared.
        truth: Expected scores of runs that do not diverge: all equal; one ahead of equal others; two groups of
            equals; or pairs of equals, each ahead of the next. Where one diverges, it is the last.
        ahead: Distance of neighbors, in standard deviations of a paired difference.
        plan: The looks.
        with_margin: Whether equality is tested, within the true distance (under ties within `MARGIN_OF_TIES`).
    """

    scores: Scores
    n_contenders: int
    truth: Truth
    ahead: float
    plan: Plan
    with_margin: bool


@dataclass(frozen=True, kw_only=True)
class SequentialRates:
    """Results of a cell, shares of the repetitions unless said.

    Attributes:
        false_claims: Comparisons with any false claim at any look.
        false_differences: Comparisons that call equals different, or name a wrong direction.
        false_equalities: Comparisons that claim a difference below the margin where it is the margin or more, of
            runs that do not diverge.
        hidden_divergence: Comparisons that call a contender that can diverge equal to one that cannot.
        right_best: Comparisons that name the one that is ahead.
        settled: Comparisons in which nothing is open between those not ruled out.
        seeds: Mean number of seeds of a contender.
    """

    false_claims: float
    false_differences: float
    false_equalities: float
    hidden_divergence: float
    right_best: float
    settled: float
    seeds: float


def simulate(cell: SequentialCell, *, n_repetitions: int, rng: np.random.Generator) -> SequentialRates:
    """Return the rates of a cell.

    Args:
        cell: The case.
        n_repetitions: Simulated comparisons.
        rng: Source of the scores.
    """
    sizes = [min(_BATCH, n_repetitions - start) for start in range(0, n_repetitions, _BATCH)]
    batches = [_batch(cell, n, rng) for n in sizes]
    means = {name: float(np.mean(np.concatenate([each[name] for each in batches]))) for name in batches[0]}
    return SequentialRates(**means)


def sequential_rates(cell: SequentialCell, n_repetitions: int) -> SequentialRates:
    """Return the rates of a cell under the random numbers that belong to it."""
    return simulate(cell, n_repetitions=n_repetitions, rng=np.random.default_rng(zlib.crc32(repr(cell).encode())))


def all_cells() -> list[SequentialCell]:
    """Return the cells of the full table."""
    apart: tuple[Truth, ...] = ("one ahead", "two groups", "twins")
    truths: list[tuple[Truth, float]] = [("all tied", 0.0), *product(apart, AHEAD)]
    return [
        SequentialCell(scores=scores, n_contenders=n, truth=truth, ahead=ahead, plan=plan, with_margin=with_margin)
        for scores, n, (truth, ahead), plan, with_margin in product(SCORES, CONTENDERS, truths, PLANS, (False, True))
        if not (n == 2 and truth in ("two groups", "twins")) and not (n == 3 and truth == "twins")
    ]


def _batch(cell: SequentialCell, n: int, rng: np.random.Generator) -> dict[str, Floats | Flags]:
    """Return what each of n comparisons did."""
    place, unit = _PLACES[cell.scores]
    truth = unit * _expected(cell)
    rate = _rates(cell)
    scores, diverged = _draw(cell, n, rng, n_seeds=PLANS[cell.plan][-1].n_seeds)
    margin = unit * (cell.ahead or MARGIN_OF_TIES) if cell.with_margin else None
    first, second = np.triu_indices(cell.n_contenders, 1)
    overall = (place + truth) * (1 - rate)
    signs = np.sign(np.round(overall[first] - overall[second], 9))
    distances = np.abs(truth[first] - truth[second])
    claims, present = no_claims((n, len(first))), np.ones((n, cell.n_contenders), dtype=np.bool_)
    seeds = np.zeros((n, cell.n_contenders))
    for look in PLANS[cell.plan]:
        seeds[present] = look.n_seeds
        known, bad = scores[..., : look.n_seeds], diverged[..., : look.n_seeds]
        step = _RESOLUTIONS[cell.scores].steps(known)
        spread = divergence_spread(bad.sum(axis=-1), look.n_seeds, drop=known.max(axis=(-2, -1))[:, None])
        tests = compare_pairs(
            known,
            present=present,
            least_spreads=least_spread(step, spread),
            margin=margin,
            diverged=bad,
            has_diverged=np.asarray(bad.any(axis=-1)),
            kept_spreads=least_spread(step),
        )
        claims = claim(claims, tests, present=present, level=look.level, with_margin=cell.with_margin)
        present = due(claims, present=present)
    wrong = (claims.better != 0) & (claims.better != signs)
    unequal = claims.within & (distances >= (margin or np.inf) * (1 - 1e-9))
    best = np.all(claims.better[:, first == 0] > 0, axis=-1)
    left = alive(claims.better, cell.n_contenders)
    is_open = (claims.better == 0) & ~claims.within & left[:, first] & left[:, second]
    return {
        "false_claims": np.any(wrong | unequal, axis=-1),
        "false_differences": np.any(wrong, axis=-1),
        "false_equalities": np.any(unequal, axis=-1),
        "hidden_divergence": np.any(claims.within & (claims.better == 0) & (rate[first] != rate[second]), axis=-1),
        "right_best": best & (truth[0] > truth[1]),
        "settled": ~np.any(is_open, axis=-1),
        "seeds": seeds.mean(axis=-1),
    }


def _expected(cell: SequentialCell) -> Floats:
    """Return each contender's expected score if it does not diverge, in standard deviations."""
    index = np.arange(cell.n_contenders)
    steps: Mapping[Truth, NDArray[np.int64]] = {
        "all tied": 0 * index,
        "one ahead": np.where(index == 0, 1, 0),
        "two groups": np.where(index < (cell.n_contenders + 1) // 2, 1, 0),
        "twins": (cell.n_contenders - 1) // 2 - index // 2,
    }
    return np.asarray(cell.ahead * steps[cell.truth])


def _rates(cell: SequentialCell) -> Floats:
    """Return each contender's rate of divergence."""
    last = np.arange(cell.n_contenders) == cell.n_contenders - 1
    of: Mapping[Scores, Floats] = {"all diverge": np.ones(cell.n_contenders), "one diverges": last.astype(np.float64)}
    return _DIVERGENCE * of.get(cell.scores, np.zeros(cell.n_contenders))


def _draw(cell: SequentialCell, n: int, rng: np.random.Generator, *, n_seeds: int) -> tuple[Floats, Flags]:
    """Return scores and what diverged, each of shape (n, n_contenders, n_seeds); a seed's luck is shared in part."""
    shape = (n, cell.n_contenders, n_seeds)
    own = rng.normal(size=shape)
    if cell.scores == "lognormal":
        own = (np.exp(own) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
    shared = 0.5 * rng.normal(size=(n, 1, n_seeds))
    place, unit = _PLACES[cell.scores]
    values = place + unit * (_expected(cell)[:, None] + np.sqrt(0.5) * (shared + own))
    diverged = rng.random(shape) < _rates(cell)[:, None]
    return np.where(diverged, 0.0, _RESOLUTIONS[cell.scores].rounded(values)), diverged
