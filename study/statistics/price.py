"""The price of an open pair: the number of seeds at which it will be decided, from the variance seen so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from study.statistics.intervals import MIN_SEEDS
from study.statistics.look_claims import level_shares
from study.statistics.looks import Look, check_looks
from study.statistics.student_t import probability_above, value_above

Floats = NDArray[np.float64]
# Central share of the draws between `low` and `high`.
COVERAGE = 0.8
_DRAWS = 4000
_MOST_SEEDS = 1_000_000
# Places at which the distribution of the spread is summed up.
_NODES = 400


@dataclass(frozen=True, kw_only=True)
class Price:
    """Numbers of seeds in all, those seen among them, at which an open pair would be decided.

    Attributes:
        low: With 10 % probability it is decided at fewer; None: the horizon is not enough.
        typical: The smallest look by which it is decided in at least half of the cases, which can be far more than
            half; None: more than the horizon.
        high: With 90 % probability it is decided at so many or fewer; None: more than the horizon.
        horizon: The last look that was asked about, in seeds.
        chance_beyond: Probability that the horizon is not enough.
    """

    low: int | None
    typical: int | None
    high: int | None
    horizon: int
    chance_beyond: float


def price(
    mean: float,
    spread: float,
    n_seen: int,
    *,
    ahead: Sequence[Look],
    n_pairs: int,
    margin: float | None,
    generator: np.random.Generator,
    n_counted: int | None = None,
) -> Price:
    """Predict at how many seeds an open pair will be decided.

    The posterior predictive distribution of the looks ahead: the variance is (n - 1) spread^2 divided by a chi^2
    value with n - 1 degrees of freedom, the true difference is normal around the mean with that variance over n, and
    further seeds are normal around it. A draw is decided at the first look whose tests reject, of no difference or of
    the margin, at the shares of its level that `look_claims.level_shares` returns. After 10 seeds a difference is not
    known to better than a third of its spread: the range is wide for that reason, and its share of hits is simulated
    in docs/sequential_rates.md.

    Args:
        mean: Mean paired difference.
        spread: Standard deviation of the paired differences, with the floor of the test, at least 0.
        n_seen: Number of pairs behind both, at least 3.
        ahead: The looks to come, as planned or as `looks.continued` would plan them; at least one, each beyond
            `n_seen`. The last one is the horizon; it should be at least four times `n_seen`.
        n_pairs: Number of all pairs of contenders.
        margin: The difference that matters; None: equality is not tested.
        generator: Source of the draws.
        n_counted: Number of pairs still in Holm's count; 1 for the pairs of the contender that leads all others.
            Default: None, all.

    Returns:
        The price.

    Raises:
        ValueError: If a number is not allowed, or there is no look beyond `n_seen`.

    Source:
        A. Gelman et al. (2013), Bayesian data analysis, section 3.2 (normal data, noninformative prior).
    """
    _check(spread, n_pairs)
    looks = _looks_beyond(n_seen, ahead)
    shares = level_shares(n_pairs, n_counted=n_counted, with_margin=margin is not None)
    variance = (n_seen - 1) * spread**2 / generator.chisquare(n_seen - 1, size=_DRAWS)
    truth = mean + np.sqrt(variance / n_seen) * generator.normal(size=_DRAWS)
    decided = np.full(_DRAWS, np.inf)
    n, means, squares = n_seen, np.full(_DRAWS, float(mean)), np.full(_DRAWS, (n_seen - 1) * spread**2)
    for look in looks:
        more = look.n_seeds - n
        new = truth + np.sqrt(variance / more) * generator.normal(size=_DRAWS)
        luck = variance * generator.chisquare(more - 1, size=_DRAWS) if more > 1 else 0.0
        squares = squares + luck + (new - means) ** 2 * n * more / look.n_seeds
        means = (n * means + more * new) / look.n_seeds
        n = look.n_seeds
        error = np.sqrt(squares / (n - 1) / n)
        found = _rejects(means, error, look=look, shares=shares, margin=margin)
        decided = np.where(np.isinf(decided) & found, float(n), decided)
    return price_of_draws(decided, horizon=n)


def price_of_draws(decided: Floats, *, horizon: int) -> Price:
    """Return the price from the numbers of seeds in which draws were decided.

    Args:
        decided: A number for each draw, infinite where the horizon was not enough, shape (n_draws,).
        horizon: The last look, in seeds.
    """
    tail = (1 - COVERAGE) / 2
    low, typical, high = np.quantile(decided, [tail, 0.5, 1 - tail], method="inverted_cdf")
    return Price(
        low=_seeds(low),
        typical=_seeds(typical),
        high=_seeds(high),
        horizon=horizon,
        chance_beyond=float(np.mean(np.isinf(decided))),
    )


def seeds_needed(
    difference: float,
    spread: float,
    *,
    looks: Sequence[Look],
    n_pairs: int,
    power: float,
    n_counted: int | None = None,
    with_margin: bool = False,
) -> int | None:
    """Return the smallest look at which a true difference is claimed with the power.

    The power of the paired t test at that look alone, by the noncentral t distribution; with the looks before it, the
    power is larger. Beyond the plan, numbers of seeds double, at the level of the last look.

    Args:
        difference: The true difference, not 0.
        spread: Standard deviation of the paired differences.
        looks: The plan, at least one look.
        n_pairs: Number of all pairs of contenders.
        power: Wanted probability of the claim, strictly between 0 and 1.
        n_counted: Number of pairs still in Holm's count; 1 for the pairs of the contender that leads all others.
            Default: None, all.
        with_margin: Whether equality is tested too, which takes a share of the error. Default: False.

    Returns:
        The number of seeds; None if it is more than a million.

    Raises:
        ValueError: If a number is not allowed.

    Source:
        J. Cohen (1988), Statistical power analysis for the behavioral sciences, section 2.
    """
    _check(spread, n_pairs)
    if difference == 0 or not math.isfinite(difference):
        raise ValueError(f"difference={difference}: expected a number other than 0. Pass the margin.")
    share, _ = level_shares(n_pairs, n_counted=n_counted, with_margin=with_margin)
    for look in _with_doubling(looks, power):
        if look.n_seeds >= MIN_SEEDS and look.level > 0:
            limit = value_above(share * look.level / 2, look.n_seeds - 1)
            if _power(abs(difference), spread, n=look.n_seeds, limit=float(limit)) >= power:
                return look.n_seeds
    return None


def seeds_for_equality(
    margin: float, spread: float, *, looks: Sequence[Look], n_pairs: int, power: float, difference: float = 0.0
) -> int | None:
    """Return the smallest look at which equality within the margin is claimed with the power.

    Args:
        margin: The difference that matters, above 0.
        spread: Standard deviation of the paired differences.
        looks: The plan, at least one look.
        n_pairs: Number of all pairs of contenders.
        power: Wanted probability of the claim, strictly between 0 and 1.
        difference: The true difference, within the margin. Default: 0.

    Returns:
        The number of seeds; None if it is more than a million.

    Raises:
        ValueError: If a number is not allowed.

    Source:
        D. Schuirmann (1987): |mean| is at most margin - t s / sqrt(n), summed over the chi^2 distribution of s^2.
    """
    _check(spread, n_pairs)
    if not abs(difference) < margin < math.inf:
        raise ValueError(
            f"margin={margin}, difference={difference}: expected a margin above the size of the difference. Pass the "
            "difference that matters."
        )
    places = (np.arange(_NODES) + 0.5) / _NODES
    _, share = level_shares(n_pairs, with_margin=True)
    for look in _with_doubling(looks, power):
        n = look.n_seeds
        if n < MIN_SEEDS or look.level <= 0:
            continue
        error = spread * np.sqrt(special.chdtri(n - 1, 1 - places) / (n - 1) / n)
        room = margin - value_above(share * look.level, n - 1) * error
        true_error = max(spread / math.sqrt(n), np.finfo(np.float64).tiny)
        within = special.ndtr((room - difference) / true_error) - special.ndtr((-room - difference) / true_error)
        if float(np.mean(np.where(room > 0, within, 0.0))) >= power:
            return n
    return None


def _looks_beyond(n_seen: int, ahead: Sequence[Look]) -> tuple[Look, ...]:
    looks = check_looks(ahead)
    if n_seen < MIN_SEEDS or not looks or looks[0].n_seeds <= n_seen:
        raise ValueError(
            f"n_seen={n_seen}, looks ahead at {[look.n_seeds for look in looks]} seeds: expected at least {MIN_SEEDS} "
            "pairs, and looks at more seeds than that. Confirm on more seeds first."
        )
    return looks


def _rejects(
    means: Floats, error: Floats, *, look: Look, shares: tuple[float, float], margin: float | None
) -> NDArray[np.bool_]:
    """Return whether a look decides a pair: that it differs, or that it is equal within the margin."""
    if look.level <= 0:
        return np.zeros(means.shape, dtype=np.bool_)
    least = np.maximum(error, np.finfo(np.float64).tiny)
    differs = 2 * probability_above(np.abs(means) / least, look.n_seeds - 1) <= shares[0] * look.level
    if margin is None:
        return np.asarray(differs)
    p_equal = probability_above((margin - np.abs(means)) / least, look.n_seeds - 1)
    return np.asarray(differs | (p_equal <= shares[1] * look.level))


def _power(difference: float, spread: float, *, n: int, limit: float) -> float:
    """Return the probability that a two-sided paired t test claims a difference in its direction."""
    if spread <= 0:
        return 1.0
    shift = difference * math.sqrt(n) / spread
    below = float(special.nctdtr(n - 1, shift, limit))
    # The series fails far out, where a normal distribution is exact enough.
    return 1.0 - below if math.isfinite(below) else float(special.ndtr(shift - limit))


def _with_doubling(looks: Sequence[Look], power: float) -> list[Look]:
    """Return the plan, and looks beyond it at doubled numbers of seeds."""
    plan = list(check_looks(looks))
    if not plan:
        raise ValueError("looks=(): expected at least one look. Pass the looks of plan_looks().")
    if not 0.0 < power < 1.0:
        raise ValueError(f"power={power}: expected a number strictly between 0 and 1, such as 0.8. Pass a fraction.")
    while plan[-1].n_seeds * 2 <= _MOST_SEEDS:
        plan.append(Look(n_seeds=plan[-1].n_seeds * 2, level=plan[-1].level))
    return plan


def _seeds(number: float) -> int | None:
    return int(number) if math.isfinite(number) else None


def _check(spread: float, n_pairs: int) -> None:
    if not 0 <= spread < math.inf or n_pairs < 1:
        raise ValueError(
            f"spread={spread}, n_pairs={n_pairs}: expected a finite spread of at least 0 and at least 1 pair. Take "
            "the standard deviation over three shared seeds or more."
        )
