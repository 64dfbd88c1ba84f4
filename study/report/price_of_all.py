"""The price of all pairs that are open between entries that may be the best: one number of seeds, and one time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from study.report.pair_prices import PairPrice, horizon_of, looks_ahead, seconds_per_seed, seconds_to
from study.report.pairing import Outcome
from study.report.studies import ComparedExperiment
from study.statistics.intervals import MIN_SEEDS
from study.statistics.joint_price import JointPrice, joint_price
from study.statistics.price import Price


@dataclass(frozen=True, kw_only=True)
class PriceOfAll:
    """The price until nothing is open any more between entries that may be the best.

    Attributes:
        n_pairs: Number of these pairs, at least 1.
        n_seen: Seeds that they have, of the unit of the comparison.
        seeds: Numbers of seeds in all.
        seconds: Time of the seeds more until the typical number, or until the horizon where that is not enough; None
            where it is unknown.
        together: Whether it is that of all pairs together. If not, it is that of the dearest one by itself, a lower
            limit: an entry has no seeds at the last look.
    """

    n_pairs: int
    n_seen: int
    seeds: Price
    seconds: float | None
    together: bool

    @property
    def n_seeds(self) -> int:
        """The typical number of seeds, or the horizon where that is not enough."""
        return self.seeds.typical or self.seeds.horizon


def price_of_all(experiment: ComparedExperiment, outcome: Outcome, priced: Sequence[PairPrice]) -> PriceOfAll | None:
    """Return the price of all open pairs that matter; None without one.

    A single pair has its own price. Several have that of simulated futures in which all of them are decided.

    Args:
        experiment: The experiment.
        outcome: The scores compared, and the decisions on them.
        priced: The price of each open pair.
    """
    of_best = [each for each in priced if each.matters]
    if not of_best:
        return None
    if len(of_best) == 1:
        return _dearest(of_best, together=True)
    names = {label for each in of_best for label in (each.first, each.second)}
    rows = [row for row, label in enumerate(outcome.labels) if label in names]
    last = outcome.at_looks[-1]
    if not last.present[rows].all() or len(last.units) < MIN_SEEDS:
        return _dearest(of_best, together=False)
    found, n_seen = _simulated(outcome, rows), len(last.units)
    each = {entry.label: seconds_per_seed(entry, with_search=outcome.unit == "study") for entry in experiment.entries}
    seconds = None
    if all(each[label] is not None for label in names):
        seconds = float(np.median(found.further @ np.array([each[label] or 0.0 for label in outcome.labels])))
    return PriceOfAll(n_pairs=len(of_best), n_seen=n_seen, seeds=found.seeds, seconds=seconds, together=True)


def _simulated(outcome: Outcome, rows: Sequence[int]) -> JointPrice:
    """Return the joint price of some entries, which have the seeds of the last look."""
    assert outcome.decisions is not None
    last = outcome.at_looks[-1]
    scores = np.full(last.tests.shape, np.nan)
    scores[rows] = outcome.sign * last.tests[rows]
    # Runs that failed are left out, so that a look can have fewer units than seeds.
    n_units = len(last.units)
    reached = outcome.looks[outcome.decisions.n_looks_made - 1].n_seeds if outcome.unit == "seed" else n_units
    return joint_price(
        scores,
        outcome.decisions.claims,
        ahead=looks_ahead(outcome, reached, horizon=horizon_of(n_units)),
        margin=outcome.margin,
        generator=np.random.default_rng([17, *rows]),
        least_spreads=last.least_spreads,
        has_diverged=last.n_diverged > 0,
        n_seeds=reached,
    )


def _dearest(priced: Sequence[PairPrice], *, together: bool) -> PriceOfAll:
    """Return the price of the pair that takes longest by itself."""
    hardest = max(priced, key=lambda each: each.seeds.typical or math.inf)
    n_seeds = hardest.seeds.typical or hardest.seeds.horizon
    seconds = seconds_to(priced, n_seeds)
    return PriceOfAll(
        n_pairs=len(priced), n_seen=hardest.n_seeds, seeds=hardest.seeds, seconds=seconds, together=together
    )
