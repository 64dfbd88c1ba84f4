"""Sources of the luck in an optimizer's scores: the search, the run seed and the batch order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from study.statistics.score_arrays import as_finite_scores, check_level

Floats = NDArray[np.float64]
Source = Literal["search", "run seed", "batch order", "run seed and batch order"]
Step = Literal["study seed", "confirmation", "trials"]
# The scores of one study: its study seed, and a score for each repetition.
_Study = tuple[int, dict[int, float]]


@dataclass(frozen=True, kw_only=True)
class LuckPart:
    """One part of the variance of a score.

    Attributes:
        source: Where it comes from.
        variance: Its estimate, at least 0; None if the studies do not tell.
        low: Lower end of its interval; None without an estimate.
        high: Upper end; None without an estimate.
        freedom: Degrees of freedom behind it; None without an estimate.
    """

    source: Source
    variance: float | None
    low: float | None = None
    high: float | None = None
    freedom: float | None = None


@dataclass(frozen=True, kw_only=True)
class Luck:
    """The variance of a confirmation's score under new seeds, apart into its sources.

    Attributes:
        parts: The search first, then the run seed and the batch order, or both in one part.
        within: Variance between the confirmations of one study, all that is not of the search; None if no study
            has two confirmations.
        n_study_seeds: Number of study seeds.
        n_studies: Number of studies.
        n_runs: Number of confirmations.
        level: Confidence level of the intervals.
    """

    parts: tuple[LuckPart, ...]
    within: float | None
    n_study_seeds: int
    n_studies: int
    n_runs: int
    level: float


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """The most useful next step, with the standard error of the mean over study seeds that each leads to.

    Attributes:
        best: The step that lowers the standard error most per second; `trials` if more trials gain more than it.
        standard_error: The standard error now.
        with_study_seed: The standard error with one study seed more.
        with_confirmation: The standard error with one confirmation of each study more.
        seconds_of_study_seed: Time of one study seed more.
        seconds_of_confirmation: Time of one confirmation of each study more.
        gain_of_trials: Gain of the last doubling of trials; None if it is not known.
    """

    best: Step
    standard_error: float
    with_study_seed: float
    with_confirmation: float
    seconds_of_study_seed: float
    seconds_of_confirmation: float
    gain_of_trials: float | None


def where_the_luck_is(
    scores: ArrayLike,
    *,
    study_seeds: Sequence[int],
    repetitions: Sequence[int],
    order_seeds: Sequence[int] | None = None,
    level: float = 0.95,
) -> Luck:
    """Take the variance of confirmations' scores apart by the method of moments.

    A score is mean + search + run seed + batch order. The search's part is the same for all confirmations of a study,
    that is of a study seed and an order seed. The run seed is a function of study seed and repetition, the order seed
    of a confirmation of study seed, order seed and repetition. So run seed and batch order are one part, unless
    studies have the same study seed and several order seeds: these share run seeds, and a two-way analysis of
    repetitions and order seeds tells them from one another.

    The search's part is the variance of the studies' means, between different study seeds, less the part of the
    confirmations in it. Numbers of confirmations may differ. An estimate below 0 is 0.

    Args:
        scores: Scores of one optimizer's confirmations, shape (n_runs,), without diverged ones.
        study_seeds: Study seed of each, of the same length.
        repetitions: Repetition of each.
        order_seeds: Order seed of each. Default: None, all the same.
        level: Confidence level of the intervals. Default: 0.95.

    Returns:
        The parts. The search's needs two study seeds and a study with two confirmations.

    Raises:
        ValueError: If scores are missing or not finite, lengths differ, a confirmation occurs twice, or the level is
            not in (0, 1).

    Source:
        S. Searle, G. Casella and C. McCulloch (1992), Variance components, chapters 3 and 4; J. Thomas and R.
        Hultquist (1978), Interval estimation for the unbalanced case of the one-way random effects model (unweighted
        means); J. Williams (1962), A confidence interval for variance components.
    """
    values = as_finite_scores(scores)
    orders = [0] * values.size if order_seeds is None else list(order_seeds)
    studies = _studies(values, study_seeds, orders, repetitions)
    tail = (1 - check_level(level)) / 2
    seeds = sorted({seed for seed, _ in studies})
    run, order, crossed = _crossed(studies, seeds, tail=tail)
    within, freedom = _within(studies, seeds, run=run.variance, order=order.variance)
    both = _chi_squared("run seed and batch order", within, freedom, tail=tail)
    parts: tuple[LuckPart, ...] = (run, order) if crossed else (both,)
    return Luck(
        parts=(_search(studies, len(seeds), within=within, freedom=freedom, tail=tail), *parts),
        within=within if freedom >= 1 else None,
        n_study_seeds=len(seeds),
        n_studies=len(studies),
        n_runs=values.size,
        level=level,
    )


def next_best(
    *,
    search: float,
    within: float,
    n_study_seeds: int,
    n_confirmations: int,
    seconds_of_search: float,
    seconds_of_confirmation: float,
    gain_of_trials: float | None = None,
) -> NextStep:
    """Return the step that lowers the standard error of the mean over study seeds most per second.

    The mean over S study seeds with R confirmations each has the variance (search + within / R) / S. A study seed
    more costs a search and R confirmations, a confirmation more costs S confirmations. If the last doubling of the
    trials gained more than the standard error, more trials change the result more than its luck does.

    Args:
        search: Variance between studies, at least 0.
        within: Variance between the confirmations of a study, at least 0.
        n_study_seeds: S.
        n_confirmations: R.
        seconds_of_search: Time of a study without its confirmations, above 0.
        seconds_of_confirmation: Time of a confirmation, above 0.
        gain_of_trials: Tuning curve at all trials less that at half of them, in the metric's units, positive for
            better. Default: None, not known.

    Raises:
        ValueError: If a number is not allowed.

    Source:
        W. Cochran (1977), Sampling techniques, section 10.6 (the best number of units in two stages).
    """
    numbers = {"search": search, "within": within, "seconds_of_search": seconds_of_search}
    numbers |= {"seconds_of_confirmation": seconds_of_confirmation}
    for name, number in numbers.items():
        if not (0 <= number < math.inf) or (name.startswith("seconds") and number == 0):
            raise ValueError(
                f"{name}={number}: expected a finite number, at least 0, and above it for a time. Pass it."
            )
    if n_study_seeds < 1 or n_confirmations < 1:
        raise ValueError(
            f"n_study_seeds={n_study_seeds}, n_confirmations={n_confirmations}: expected at least 1 each. Pass the "
            "numbers that have ended."
        )
    now = math.sqrt((search + within / n_confirmations) / n_study_seeds)
    wider = math.sqrt((search + within / n_confirmations) / (n_study_seeds + 1))
    deeper = math.sqrt((search + within / (n_confirmations + 1)) / n_study_seeds)
    of_study = seconds_of_search + n_confirmations * seconds_of_confirmation
    of_confirmation = n_study_seeds * seconds_of_confirmation
    best: Step = "study seed" if (now - wider) / of_study >= (now - deeper) / of_confirmation else "confirmation"
    if gain_of_trials is not None and gain_of_trials > now:
        best = "trials"
    return NextStep(
        best=best,
        standard_error=now,
        with_study_seed=wider,
        with_confirmation=deeper,
        seconds_of_study_seed=of_study,
        seconds_of_confirmation=of_confirmation,
        gain_of_trials=gain_of_trials,
    )


def _studies(
    values: Floats, study_seeds: Sequence[int], order_seeds: Sequence[int], repetitions: Sequence[int]
) -> list[_Study]:
    """Return the studies, each with a score for each repetition."""
    if not values.size == len(study_seeds) == len(order_seeds) == len(repetitions):
        raise ValueError(
            f"{values.size} scores, {len(study_seeds)} study seeds, {len(order_seeds)} order seeds, "
            f"{len(repetitions)} repetitions: expected one of each for every confirmation. Pass lists of equal length."
        )
    studies: dict[tuple[int, int], dict[int, float]] = {}
    for score, *study, repetition in zip(values, study_seeds, order_seeds, repetitions, strict=True):
        own = studies.setdefault((study[0], study[1]), {})
        if repetition in own:
            raise ValueError(
                f"repetition {repetition} of study_seed={study[0]}, order_seed={study[1]} occurs twice: expected one "
                "score for each. Leave out superseded confirmations."
            )
        own[repetition] = float(score)
    return [(seed, own) for (seed, _), own in sorted(studies.items())]


def _search(studies: Sequence[_Study], n_seeds: int, *, within: float, freedom: float, tail: float) -> LuckPart:
    """Return the search's part, from the means of studies with different study seeds."""
    pairs = [(a, b) for a, b in combinations(studies, 2) if a[0] != b[0]]
    if not pairs or freedom < 1:
        return LuckPart(source="search", variance=None)
    between = float(np.mean([(_mean(a) - _mean(b)) ** 2 / 2 for a, b in pairs]))
    averaged = float(np.mean([(1 / len(a[1]) + 1 / len(b[1])) / 2 for a, b in pairs]))
    return _williams("search", between / averaged, n_seeds - 1, within, freedom, n=1 / averaged, tail=tail)


def _crossed(studies: Sequence[_Study], seeds: Sequence[int], *, tail: float) -> tuple[LuckPart, LuckPart, bool]:
    """Return the parts of run seed and batch order, and whether there are studies that tell them apart."""
    repeated = left = 0.0
    free_repeated, free_left, weighted = 0, 0, 0
    for seed in seeds:
        own = [scores for study, scores in studies if study == seed]
        shared = sorted(set.intersection(*(set(scores) for scores in own)))
        n_orders, n = len(own), len(shared)
        if n_orders < 2 or n < 2:
            continue
        table = np.array([[scores[repetition] for repetition in shared] for scores in own])
        by_repetition = table.mean(axis=0) - table.mean()
        residual = table - table.mean(axis=1, keepdims=True) - by_repetition
        repeated, left = repeated + n_orders * float(np.sum(by_repetition**2)), left + float(np.sum(residual**2))
        free_repeated, free_left = free_repeated + n - 1, free_left + (n_orders - 1) * (n - 1)
        weighted += n_orders * (n - 1)
    if free_left < 1:
        return LuckPart(source="run seed", variance=None), LuckPart(source="batch order", variance=None), False
    order = left / free_left
    run = _williams(
        "run seed", repeated / free_repeated, free_repeated, order, free_left, n=weighted / free_repeated, tail=tail
    )
    return run, _chi_squared("batch order", order, free_left, tail=tail), True


def _within(
    studies: Sequence[_Study], seeds: Sequence[int], *, run: float | None, order: float | None
) -> tuple[float, float]:
    """Return the variance within studies and its degrees of freedom; studies that share run seeds count for less."""
    squares = sum(float(np.sum((np.array([*own.values()]) - _mean((seed, own))) ** 2)) for seed, own in studies)
    free = sum(len(own) - 1 for _, own in studies)
    if free < 1:
        return math.nan, 0.0
    shared = 0.0 if run is None or order is None or run + order == 0 else run / (run + order)
    counted = 0.0
    for seed in seeds:
        own_free = [len(own) - 1 for study, own in studies if study == seed]
        counted += sum(own_free) / (1 + (len(own_free) - 1) * shared**2)
    return squares / free, counted


def _chi_squared(source: Source, variance: float, freedom: float, *, tail: float) -> LuckPart:
    """Return a part that is a mean square by itself."""
    if freedom < 1:
        return LuckPart(source=source, variance=None)
    low, high = (variance * freedom / float(special.chdtri(freedom, p)) for p in (tail, 1 - tail))
    return LuckPart(source=source, variance=variance, low=low, high=high, freedom=freedom)


def _williams(
    source: Source, above: float, free_above: float, below: float, free_below: float, *, n: float, tail: float
) -> LuckPart:
    """Return a part that is the difference of two mean squares over n, with Williams's interval."""
    ends = []
    for p in (tail, 1 - tail):
        ratio = float(special.fdtri(free_above, free_below, 1 - p))
        ends.append(free_above * (above - below * ratio) / (n * float(special.chdtri(free_above, p))))
    low, high = (max(0.0, end) for end in ends)
    return LuckPart(source=source, variance=max(0.0, (above - below) / n), low=low, high=high, freedom=free_above)


def _mean(study: _Study) -> float:
    return float(np.mean([*study[1].values()]))
