"""The price of what is still open: seeds and time until a pair is decided, and the difference ruled out already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from study.report.pairing import Outcome
from study.report.studies import ComparedExperiment, Entry
from study.report.summary_rows import seconds_of
from study.statistics.intervals import MIN_SEEDS
from study.statistics.looks import ERROR, Look, continued
from study.statistics.price import Price, price
from study.statistics.sequential import PairDecision

# The horizon, as a multiple of the seeds seen, and at least so many seeds.
_HORIZON, _LEAST_HORIZON = 16, 160


@dataclass(frozen=True, kw_only=True)
class PairPrice:
    """The price of an open pair.

    Attributes:
        first: Label of the first entry.
        second: Label of the second entry.
        n_seeds: Seeds that both have, of the unit of the comparison.
        seeds: Numbers of seeds in all at which it would be decided.
        seconds_each: Time of one seed more of each, in seconds, without compilation; None where it is unknown.
        ruled_out: The difference, either way, beyond which the interval excludes all; infinite without an interval.
        one_diverged: Whether one of both has diverged runs and the other has none: then equality is not tested.
        matters: Whether neither is ruled out as the best: only then the rounds train more seeds of both.
    """

    first: str
    second: str
    n_seeds: int
    seeds: Price
    seconds_each: tuple[float | None, float | None]
    ruled_out: float
    one_diverged: bool
    matters: bool

    def seconds(self, n_seeds: int | None) -> float | None:
        """Return the time until the pair has so many seeds; None where either is unknown.

        Args:
            n_seeds: The number of seeds in all.
        """
        first, second = self.seconds_each
        if n_seeds is None or first is None or second is None:
            return None
        return (n_seeds - self.n_seeds) * (first + second)


def prices(experiment: ComparedExperiment, outcome: Outcome) -> tuple[PairPrice, ...]:
    """Return the price of each open pair; the pairs of entries that may still be the best come first.

    Args:
        experiment: The experiment.
        outcome: The scores compared, and the decisions on them.
    """
    if outcome.decisions is None or not outcome.decisions.n_looks_made:
        return ()
    entries = {entry.label: entry for entry in experiment.entries}
    found = [
        _price(outcome, pair, [entries[outcome.labels[index]] for index in (pair.first, pair.second)])
        for pair in outcome.decisions.pairs
        if pair.claim == "open" and pair.n_units >= MIN_SEEDS and math.isfinite(pair.error)
    ]
    return tuple(sorted(found, key=lambda each: not each.matters))


def looks_ahead(outcome: Outcome, n_seen: int, *, horizon: int) -> tuple[Look, ...]:
    """Return the looks beyond the seeds seen: those of the plan, then those that a larger number would add.

    Args:
        outcome: The comparison.
        n_seen: Number of seeds that were seen.
        horizon: The last look, in seeds.
    """
    # Study seeds are no looks of the plan; each further number of them is tested as an added look would be.
    plan = outcome.looks if outcome.unit == "seed" else (Look(n_seeds=n_seen, level=ERROR),)
    last = max(horizon, plan[-1].n_seeds)
    done = max(n_seen, plan[-1].n_seeds)
    whole = plan if last <= plan[-1].n_seeds else continued(plan, n_done=done, n_max=last, sequential=True)
    return tuple(look for look in whole if look.n_seeds > n_seen)


def horizon_of(n_seen: int) -> int:
    """Return how far a price looks ahead, in seeds.

    Args:
        n_seen: Number of seeds that were seen.
    """
    return max(_HORIZON * n_seen, _LEAST_HORIZON)


def seconds_per_seed(entry: Entry, *, with_search: bool = False) -> float | None:
    """Return the median time of a confirmation in seconds, without compilation; None where it is unknown.

    Args:
        entry: The entry.
        with_search: Return the time of a whole study, its trials and confirmations, in place of it. Default: False.
    """
    if with_search:
        totals = [[seconds_of(run) or 0.0 for run in (*study.trials, *study.tuned)] for study in entry.studies]
        return float(np.median([sum(each) for each in totals])) if totals else None
    times = [
        run.metrics["seconds_train"] + run.metrics.get("seconds_evaluate", 0.0)
        for run in entry.tuned
        if "seconds_train" in run.metrics
    ]
    return float(np.median(times)) * len(entry.studies) if times else None


def _price(outcome: Outcome, pair: PairDecision, entries: Sequence[Entry]) -> PairPrice:
    assert outcome.decisions is not None
    n_seen = pair.n_units
    # Runs that failed are left out, so that a look can have fewer units than seeds.
    reached = pair.n_seeds if outcome.unit == "seed" else n_seen
    seeds = price(
        pair.mean,
        pair.error * math.sqrt(n_seen),
        n_seen,
        ahead=looks_ahead(outcome, reached, horizon=horizon_of(n_seen)),
        n_pairs=len(outcome.decisions.pairs),
        n_counted=_n_counted(outcome, pair),
        # Equality cannot be shown where one diverged and the other did not.
        margin=None if pair.equality == "one diverged" else outcome.margin,
        generator=np.random.default_rng([17, pair.first, pair.second]),
    )
    first, second = (seconds_per_seed(entry, with_search=outcome.unit == "study") for entry in entries)
    return PairPrice(
        first=outcome.labels[pair.first],
        second=outcome.labels[pair.second],
        n_seeds=n_seen,
        seeds=seeds,
        seconds_each=(first, second),
        ruled_out=max(abs(pair.low), abs(pair.high)) if math.isfinite(pair.low) else math.inf,
        one_diverged=pair.equality == "one diverged",
        matters=not {pair.first, pair.second} & outcome.decisions.ruled_out,
    )


def _n_counted(outcome: Outcome, pair: PairDecision) -> int:
    """Return the number of pairs in Holm's count, or 1 for the closest pair of the entry that leads all others."""
    assert outcome.decisions is not None
    pairs = outcome.decisions.pairs
    # Also of pairs that were not tested.
    p = dict(zip(pairs, outcome.decisions.claims.p.tolist(), strict=True))
    able = [row for row in range(len(outcome.labels)) if row not in outcome.decisions.ruled_out]
    for row in able:
        own = [each for each in pairs if row in (each.first, each.second) and {each.first, each.second} <= set(able)]
        ahead = [each.mean if each.first == row else -each.mean for each in own]
        if own and min(ahead) > 0 and pair == max(own, key=p.__getitem__):
            return 1
    return max(1, sum(each.claim in ("equal", "open") for each in pairs))


def seconds_to(priced: Sequence[PairPrice], n_seeds: int) -> float | None:
    """Return the time until all entries of some pairs have so many seeds, each counted once; None if unknown.

    Args:
        priced: The pairs.
        n_seeds: The number of seeds in all.
    """
    lacking: dict[str, float | None] = {}
    for each in priced:
        for label, seconds in zip((each.first, each.second), each.seconds_each, strict=True):
            lacking[label] = None if seconds is None else max(0, n_seeds - each.n_seeds) * seconds
    times = [seconds for seconds in lacking.values() if seconds is not None]
    return sum(times) if times and len(times) == len(lacking) else None
