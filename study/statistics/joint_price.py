"""The price of all that is open: the number of seeds at which every pair of contenders that may be best is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.statistics.intervals import MIN_SEEDS
from study.statistics.look_claims import LookTests, PairClaims, claim, due
from study.statistics.looks import Look, check_looks
from study.statistics.price import Price, price_of_draws
from study.statistics.student_t import probability_above

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# Draws, and fewer where there are many pairs: each draw takes a time that grows with them.
_DRAWS, _FEWEST_DRAWS, _DRAWS_TIMES_PAIRS = 1000, 200, 30_000


@dataclass(frozen=True, kw_only=True)
class JointPrice:
    """The price of all open pairs together.

    Attributes:
        seeds: Numbers of seeds in all at which no pair of contenders that may be the best is open any more.
        further: Seeds more of each contender until then, or until the horizon, in each draw; shape
            (n_draws, n_contenders). A contender that is ruled out or decided on the way gets no more.
    """

    seeds: Price
    further: NDArray[np.int64]


def joint_price(
    scores: ArrayLike,
    before: PairClaims,
    *,
    ahead: Sequence[Look],
    margin: float | None,
    generator: np.random.Generator,
    least_spreads: ArrayLike = 0.0,
    has_diverged: ArrayLike = False,
    n_seeds: int | None = None,
) -> JointPrice:
    """Predict at how many seeds all open pairs will be decided, looks and rules for all pairs included.

    Each draw is one future: true means and covariances from their posterior, scores of further seeds, and at each
    look the claims of `look_claims.claim` for all pairs at once. Pairs hang together: a contender in two pairs has
    the same luck in both, one that is ruled out takes its pairs with it, and a claim makes the next one easier. The
    mean and the variance of each pair's differences follow exactly the distribution of `price.price`; for two
    contenders the two functions agree. As there, a seed's scores are normal. At each look the claims are about the
    contender with the best mean, while a study takes the best on validation.

    Args:
        scores: Scores seen, larger is better, shape (n_contenders, n_units), column u under the same seeds for all; a
            row of NaN for a contender that gets no more seeds.
        before: The claims of the looks made, of all pairs.
        ahead: The looks to come, at least one, each beyond the seeds seen. The last one is the horizon.
        margin: The difference that matters, above 0; None: equality is not tested.
        generator: Source of the draws.
        least_spreads: A floor under the standard deviation of each contender's scores, shape (n_contenders,). Default:
            0.
        has_diverged: Whether a contender has a diverged run, of the same shape: equality is not tested where one of
            a pair has and the other has not. Default: none has.
        n_seeds: Seeds seen, if runs that failed make the units fewer. Default: the number of units.

    Returns:
        The price. Without an open pair it is that of the seeds seen.

    Raises:
        ValueError: If there are fewer than three units, or no look beyond the seeds seen.

    Source:
        A. Gelman et al. (2013), Bayesian data analysis, section 3.6 (multivariate normal data), with the degrees of
        freedom that give every difference its own n - 1.
    """
    values = np.asarray(scores, dtype=np.float64)
    looks, n_done = check_looks(ahead), values.shape[-1] if n_seeds is None else n_seeds
    if values.shape[-1] < MIN_SEEDS or not looks or looks[0].n_seeds <= n_done:
        raise ValueError(
            f"scores of shape {values.shape}, looks ahead at {[look.n_seeds for look in looks]} seeds: expected at "
            "least 3 units, and looks at more seeds than that. Confirm on more seeds first."
        )
    n_contenders, present = len(values), np.asarray(~np.isnan(values).any(axis=-1))
    n_draws = max(_FEWEST_DRAWS, min(_DRAWS, _DRAWS_TIMES_PAIRS // max(1, before.better.shape[-1])))
    floors, apart = np.broadcast_to(least_spreads, n_contenders), np.broadcast_to(has_diverged, n_contenders)
    future = _Future(np.where(present[:, None], values, 0.0), present, n_draws=n_draws, generator=generator)
    claims = PairClaims(
        **{each.name: np.repeat(getattr(before, each.name)[None], n_draws, axis=0) for each in fields(PairClaims)}
    )
    waited = due(claims, present=np.repeat(present[None], n_draws, axis=0))
    decided = np.where(waited.any(axis=-1), np.inf, float(n_done))
    further = np.zeros((n_draws, n_contenders), dtype=np.int64)
    for look in looks:
        if not waited.any():
            break
        further += waited * (look.n_seeds - n_done)
        future.add(look.n_seeds - n_done)
        n_done = look.n_seeds
        tests = future.tests(waited, floors=np.asarray(floors, dtype=np.float64), apart=apart, margin=margin)
        claims = claim(claims, tests, present=waited, level=look.level, with_margin=margin is not None)
        waited = due(claims, present=waited)
        decided = np.where(np.isinf(decided) & ~waited.any(axis=-1), float(look.n_seeds), decided)
    return JointPrice(seeds=price_of_draws(decided, horizon=looks[-1].n_seeds), further=further)


class _Future:
    """Draws of what further seeds bring: sums and products of the scores, from which the tests of all pairs follow."""

    def __init__(self, seen: Floats, present: Flags, *, n_draws: int, generator: np.random.Generator) -> None:
        """Draw true means and covariances, given the scores seen, shape (n_contenders, n_units)."""
        n_units = seen.shape[-1]
        self._generator, self._n = generator, n_units
        mean = seen.mean(axis=-1, keepdims=True)
        # What all contenders share of a seed's luck is in no difference, so it is taken out.
        centered = np.where(present[:, None], seen - mean, 0.0)
        centered = np.where(present[:, None], centered - centered.sum(axis=0) / max(1, present.sum()), 0.0)
        left, sizes, _ = np.linalg.svd(centered, full_matrices=False)
        kept = sizes > 1e-12 * max(1e-300, float(np.abs(seen).max(initial=0.0)))
        self._factors = _covariance_factors(left[:, kept] * sizes[kept], n_units, n_draws, generator)
        luck = generator.normal(size=(n_draws, self._factors.shape[-1]))
        self._shift = np.einsum("dkr,dr->dk", self._factors, luck) / np.sqrt(n_units)
        self._mean = mean[:, 0]
        self._sums = np.zeros((n_draws, len(seen)))
        self._products = np.repeat((centered @ centered.T)[None], n_draws, axis=0)

    def add(self, n_more: int) -> None:
        """Add the scores of further seeds, as deviations from the means seen."""
        n_draws, _, rank = self._factors.shape
        new = self._shift[..., None] + self._factors @ self._generator.normal(size=(n_draws, rank, n_more))
        self._sums += new.sum(axis=-1)
        self._products += new @ new.swapaxes(-1, -2)
        self._n += n_more

    def tests(self, present: Flags, *, floors: Floats, apart: Flags, margin: float | None) -> LookTests:
        """Return the tests of all pairs of those present, shape (n_draws, n_contenders), as `compare_pairs` does."""
        first, second = np.triu_indices(len(self._mean), 1)
        n, squares = self._n, np.einsum("dkk->dk", self._products)
        moved = (self._sums[:, first] - self._sums[:, second]) / n
        scatter = squares[:, first] + squares[:, second] - 2 * self._products[:, first, second] - n * moved**2
        spread = np.sqrt(np.maximum(scatter, 0.0) / (n - 1))
        error = np.maximum(spread, np.hypot(floors[first], floors[second])) / np.sqrt(n)
        mean = self._mean[first] - self._mean[second] + moved
        least = np.maximum(error, np.finfo(np.float64).tiny)
        tested = present[:, first] & present[:, second]
        p = np.where(tested, np.minimum(1.0, 2 * probability_above(np.abs(mean) / least, n - 1)), 1.0)
        p_equal = np.ones(p.shape)
        if margin is not None:
            p_equal = np.asarray(probability_above((margin - np.abs(mean)) / least, n - 1))
        can_be_equal = tested & (apart[first] == apart[second])
        return LookTests(tested=tested, mean=mean, error=error, p=p, p_equal=np.where(can_be_equal, p_equal, 1.0))


def _covariance_factors(root: Floats, n_units: int, n_draws: int, generator: np.random.Generator) -> Floats:
    """Return draws of B with the covariance B B^T, shape (n_draws, n_contenders, rank).

    The inverse Wishart distribution around the products root root^T, by Bartlett's decomposition. With n - 2 + rank
    degrees of freedom the variance of every difference is its sum of squares over a chi^2 value with n - 1.
    """
    rank = root.shape[-1]
    lower = np.tril(generator.normal(size=(n_draws, rank, rank)), -1)
    diagonal = np.arange(rank)
    lower[:, diagonal, diagonal] = np.sqrt(generator.chisquare(n_units - 2 + rank - diagonal, size=(n_draws, rank)))
    return np.asarray(np.linalg.solve(lower, np.broadcast_to(root.T, (n_draws, *root.T.shape))).swapaxes(-1, -2))
