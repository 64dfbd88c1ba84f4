"""Simulated error rates of the verdict, and coverage of every interval that a page, a table or a command shows.

`benchmarks/error_rates_page.py` runs all cells and writes docs/error_rates.md. The tests run some of them with fewer
repetitions.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtri

from study.statistics.divergence import divergence_spread
from study.statistics.holm import holm
from study.statistics.intervals import MIN_SEEDS, mean_limits
from study.statistics.pairwise import compare_candidate, least_spread
from study.statistics.resolution import Resolution, comparable_means, share_of, step_of_mean

Floats = NDArray[np.float64]
Scores = Literal["normal", "discrete", "coarse", "unequal", "lognormal", "diverged"]
Truth = Literal["all tied", "two ahead", "one ahead"]

SCORES: tuple[Scores, ...] = ("normal", "discrete", "coarse", "unequal", "lognormal", "diverged")
SEEDS, OPTIMIZERS, CORRELATIONS, STUDIES = (2, 3, 5, 10), (2, 3, 8), (0.0, 0.5, 1.0), (1, 3, 5, 10)
LEVEL = 0.95
_RESOLUTIONS: Mapping[Scores, Resolution] = {
    "normal": Resolution(),
    "discrete": share_of(360),
    "coarse": share_of(360),
    "unequal": Resolution(),
    "lognormal": Resolution(),
    "diverged": share_of(10_000),
}
_BOUNDS: Mapping[Scores, tuple[float, float]] = {
    "normal": (-np.inf, np.inf),
    "discrete": (0.0, 1.0),
    "coarse": (0.0, 1.0),
    "unequal": (-np.inf, np.inf),
    "lognormal": (0.0, np.inf),
    "diverged": (0.0, 1.0),
}
_DIVERGENCE = 0.05
# Deviations of a run's own luck in examples, of 360.
_STEPS: Mapping[Scores, float] = {"discrete": 3.0, "coarse": 0.5}
_AHEAD = 2.0  # deviations of a run; of a study's mean where studies are the units
_QUANTILES = 4000


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One case of the simulation.

    Attributes:
        scores: Distribution of the scores.
        n_seeds: Confirmation seeds of each study.
        n_optimizers: Optimizers compared.
        correlation: Correlation of a run's validation score with its test score.
        n_studies: Study seeds. From three on, a study is the unit, and each optimizer has luck of its own in each.
        truth: Expected scores: all equal; two equal ones ahead of the others; or one ahead of equal others.
    """

    scores: Scores
    n_seeds: int
    n_optimizers: int
    correlation: float
    n_studies: int
    truth: Truth = "all tied"


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Results of a cell, each a share of the repetitions; NaN where nothing is shown.

    Attributes:
        false_differences: Comparisons that call the candidate different from its equal, or in the wrong direction.
        false_winners: Comparisons that name a winner which is not better than all others.
        right_winners: Comparisons that name the one that is ahead.
        mean: Coverage of an optimizer's mean, as tables show it.
        over_studies: Coverage of an optimizer's mean over study seeds.
        differences: Comparisons in which all intervals of the candidate's differences cover.
        n_shown: Repetitions in which the mean has an interval.
    """

    false_differences: float
    false_winners: float
    right_winners: float
    mean: float
    over_studies: float
    differences: float
    n_shown: int


def simulate(cell: Cell, *, n_repetitions: int, rng: np.random.Generator) -> Rates:
    """Return the rates of a cell.

    Args:
        cell: The case.
        n_repetitions: Simulated comparisons.
        rng: Source of the scores.
    """
    expected = _expected(cell)
    tests, validations, given_studies, overall = _draw(cell, expected, n_repetitions=n_repetitions, rng=rng)
    resolution = _RESOLUTIONS[cell.scores]
    tests, validations = resolution.rounded(tests), resolution.rounded(validations)
    candidate = np.argmax(comparable_means(validations.mean(axis=(-2, -1))), axis=-1)
    units, least = _units(cell, tests)
    found = compare_candidate(units, candidate, least_spreads=least, level=LEVEL)
    true = overall[candidate][:, None] - overall[found.others]
    wrong = found.claimed & (np.sign(found.mean) != np.sign(true))
    best = overall[candidate] > np.sort(overall)[-2] if cell.n_optimizers > 1 else np.ones(n_repetitions, bool)
    shown = np.all(np.isfinite(found.low), axis=-1)
    held = np.all((found.low <= true) & (true <= found.high), axis=-1)
    one = np.where(tests[:, 0] == 0.0, np.nan, tests[:, 0])  # no score is 0 but that of a diverged run
    mean, n_shown = _coverage(cell, one, given_studies, averaged=-2)
    return Rates(
        false_differences=float(np.mean(np.any(wrong, axis=-1))),
        false_winners=float(np.mean(found.is_best & ~best)),
        right_winners=float(np.mean(found.is_best & best)),
        mean=mean,
        over_studies=_coverage(cell, one, np.full(n_repetitions, overall[0]), averaged=-1)[0],
        differences=float(np.mean(held)) if np.all(shown) else np.nan,
        n_shown=n_shown,
    )


def standard_error(rate: float, n: int) -> float:
    """Return the sampling error of a share of n repetitions; for no event that of one in n."""
    bounded = min(max(rate, 1 / n), 1 - 1 / n)
    return float(np.sqrt(bounded * (1 - bounded) / n))


def rate_text(rate: float, n: int) -> str:
    """Return a rate in percent with its sampling error in its last digits, such as `4.87(22)`; a dash for NaN."""
    if math.isnan(rate):
        return "-"
    return "0" if rate == 0 else f"{100 * rate:.2f}({round(10_000 * standard_error(rate, n))})"


def _expected(cell: Cell) -> Floats:
    """Return each optimizer's place, in deviations of a run."""
    n_ahead = {"all tied": 0, "two ahead": 2, "one ahead": 1}[cell.truth]
    return np.where(np.arange(cell.n_optimizers) < n_ahead, _AHEAD, 0.0)


def _draw(
    cell: Cell, expected: Floats, *, n_repetitions: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return scores and what is true of them.

    A run's score has the luck of its seed, shared by the optimizers, and its own luck: initialization and the order
    of batches. In several studies each optimizer has luck in each study besides, of the search and what depends on
    it, as large as that of a run.

    Returns:
        Test and validation scores, shape (n_repetitions, n_optimizers, n_studies, n_seeds); the expected score of
        the first optimizer given the luck of its studies, shape (n_repetitions,); all expected scores, shape
        (n_optimizers,).
    """
    shape = (n_repetitions, cell.n_optimizers, cell.n_studies, cell.n_seeds)
    shared = rng.normal(size=(n_repetitions, 1, *shape[2:])) * 0.5
    luck = rng.normal(size=shape[:3])[..., None] * (cell.n_studies >= MIN_SEEDS)
    own = rng.normal(size=shape)
    other = cell.correlation * own + np.sqrt(1 - cell.correlation**2) * rng.normal(size=shape)
    if cell.scores == "unequal":
        factors = np.geomspace(0.25, 4.0, cell.n_optimizers)[:, None, None]
        own, other = factors * own, factors * other
    diverged = rng.random(shape) < (_DIVERGENCE if cell.scores == "diverged" else 0.0)
    place = expected[:, None, None] + luck
    tests, validations = (
        np.where(diverged, 0.0, _score(cell.scores, place + shared + noise)) for noise in (own, other)
    )
    spread = np.sqrt(1.25)
    given = _mean_score(cell.scores, place[:, 0, :, 0], spread).mean(axis=-1)
    total = np.sqrt(spread**2 + (cell.n_studies >= MIN_SEEDS))
    overall = _mean_score(cell.scores, expected, total)
    return tests, validations, given, overall


def _score(kind: Scores, latent: Floats) -> Floats:
    """Return scores of latent normal values: a loss turned round, an accuracy, or a skewed score."""
    if kind in ("normal", "unequal"):
        return 3.0 + 0.05 * latent
    if kind == "lognormal":
        return np.exp(latent)
    if kind in _STEPS:
        return np.rint(342 + _STEPS[kind] * latent) / 360
    return 0.9 + 0.005 * latent


def _mean_score(kind: Scores, place: Floats, spread: float) -> Floats:
    """Return the expected score of runs that do not diverge, around given places."""

    noise = spread * ndtri((np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    if kind == "lognormal":
        return np.exp(place + spread**2 / 2)
    if kind not in _STEPS:
        return _score(kind, place)
    # The expected error of rounding repeats with every step.
    steps = np.linspace(0.0, 1.0, 201)
    errors = np.array([np.mean(_score(kind, at / _STEPS[kind] + noise)) for at in steps]) - (342 + steps) / 360
    return (342 + _STEPS[kind] * place) / 360 + np.interp(_STEPS[kind] * place % 1.0, steps, errors)


def _units(cell: Cell, tests: Floats) -> tuple[Floats, Floats]:
    """Return the scores that are tested, and the floor under their spread, as the report makes them."""
    by_study = cell.n_studies >= MIN_SEEDS
    units, n_averaged = (tests.mean(axis=-1), cell.n_seeds) if by_study else (tests.mean(axis=-2), cell.n_studies)
    flat = tests.reshape(*tests.shape[:2], -1)
    divergence = divergence_spread(
        np.sum(flat == 0.0, axis=-1), flat.shape[-1], drop=flat.max(axis=(-2, -1))[:, None], n_averaged=n_averaged
    )
    step = step_of_mean(_RESOLUTIONS[cell.scores].steps(flat), n_averaged)
    return units, least_spread(step, divergence)


def _coverage(cell: Cell, tests: Floats, truth: Floats, *, averaged: int) -> tuple[float, int]:
    """Return how often the interval of one optimizer's mean covers, and how often there is one.

    Args:
        cell: The case.
        tests: Its scores, shape (n_repetitions, n_studies, n_seeds); NaN for runs that diverged, which are counted
            apart: the interval is that of the others.
        truth: Its expected score, shape (n_repetitions,).
        averaged: The axis averaged first: -2 for the mean over these studies, -1 for the mean over study seeds.
    """
    if averaged == -1 and cell.n_studies < MIN_SEEDS:
        return float("nan"), 0
    n_there = np.sum(np.isfinite(tests), axis=averaged)
    values = np.nansum(tests, axis=averaged) / np.maximum(n_there, 1)
    values = np.where(n_there > 0, values, np.nan)
    step = _RESOLUTIONS[cell.scores].steps(np.nan_to_num(tests).reshape(len(tests), 1, -1))[:, 0]
    low, high = np.full((2, len(tests)), np.nan)
    n_left = np.sum(np.isfinite(values), axis=-1)
    for n in range(MIN_SEEDS, values.shape[-1] + 1):
        rows = n_left == n
        left = values[rows][np.isfinite(values[rows])].reshape(-1, n)
        averages = step_of_mean(step[rows], tests.shape[averaged])
        low[rows], high[rows] = mean_limits(left, step=averages, bounds=_BOUNDS[cell.scores])
    return _covered(low, high, truth)


def _covered(low: Floats, high: Floats, truth: Floats) -> tuple[float, int]:
    shown = np.isfinite(low)
    held = (low <= truth) & (truth <= high)
    return (float(np.mean(held[shown])), int(shown.sum())) if shown.any() else (float("nan"), 0)


def all_cells(truths: Sequence[Truth] = ("all tied", "two ahead")) -> list[Cell]:
    """Return the cells of the full table; with two optimizers, both are ahead where two are."""
    return [
        Cell(
            scores=scores,
            n_seeds=n_seeds,
            n_optimizers=n_optimizers,
            correlation=correlation,
            n_studies=n_studies,
            truth=truth,
        )
        for scores, n_studies, n_seeds, n_optimizers, correlation, truth in product(
            SCORES, STUDIES, SEEDS, OPTIMIZERS, CORRELATIONS, truths
        )
        if n_optimizers > 2 or truth == "all tied"
    ]


def rates_of(cell: Cell, n_repetitions: int) -> Rates:
    """Return the rates of a cell under the random numbers that belong to it."""
    return simulate(cell, n_repetitions=n_repetitions, rng=np.random.default_rng(zlib.crc32(repr(cell).encode())))


def power(n_seeds: int, n_optimizers: int, *, n_repetitions: int) -> tuple[float, float]:
    """Return how often the one that is ahead is named by the verdict, and by Holm over all pairs alone."""
    cell = Cell(
        scores="normal", n_seeds=n_seeds, n_optimizers=n_optimizers, correlation=0.5, n_studies=1, truth="one ahead"
    )
    rng = np.random.default_rng([n_seeds, n_optimizers])
    tests, validations, _, _ = _draw(cell, _expected(cell), n_repetitions=n_repetitions, rng=rng)
    units = tests[:, :, 0]
    candidate = np.argmax(validations.mean(axis=(-2, -1)), axis=-1)
    least = least_spread(_RESOLUTIONS["normal"].steps(units))
    ours = compare_candidate(units, candidate, least_spreads=least).is_best & (candidate == 0)
    first, second = np.triu_indices(n_optimizers, 1)
    tested = stats.ttest_rel(units[:, first], units[:, second], axis=-1)
    adjusted = holm(tested.pvalue)[:, first == 0]  # the pairs of the first come first
    theirs = np.all((adjusted <= 1 - LEVEL) & (tested.statistic[:, first == 0] > 0), axis=-1) & (candidate == 0)
    return float(np.mean(ours)), float(np.mean(theirs))
